"""Findings about what occurs more than once: within a split, across splits, and with different labels."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from automm.data.quality.checked import Checked
from automm.data.quality.finding import Example, Finding, example, excerpt, finding
from automm.data.records.reviews import Review
from automm.data.sections import Splits
from automm.data.splitting.links import most_copies
from automm.data.splitting.text_forms import duplicate_key, normal_text

FEWEST_TIED = 10  # reviews; fewer fit anywhere
# What to do about each tie that joins too many.
UNLINK = {
    "groups": "Name a column in fields.group whose values are users, products and the like, or none.",
    "texts": "Leave texts that many share (templates, descriptions of products) out of fields.text.",
    "pictures": "Leave pictures of other things (rooms, shops, placeholders) out of fields.images.",
}
CONTRADICTING = (
    "Correct the {targets}, or set drop_duplicates: true, which drops reviews that are the same in text and pictures "
    "and contradict each other."
)
TOO_MANY = (
    "They are more than {limit} reviews each, and not linked. If they are copies, name a column in fields.group that "
    "says so."
)
DIFFERENT = (
    "Correct the {targets}: these reviews are not the same in text and pictures, and drop_duplicates keeps them."
)


def repeated(checked: Checked) -> Iterator[Finding]:
    """Texts, pictures and groups of several reviews: a warning where splits tear them apart, else a note."""
    rules = checked.dataset.manifest.splits
    for kind, sharing in checked.shared.items():
        across = [same for same in sharing if len(checked.splits(same)) > 1]
        if across:
            fix = keep_together(rules, kind)
            yield finding(f"{kind}_across_splits", len(across), _examples(checked, kind, across), fix=fix)
        kept = [same for same in sharing if len(checked.splits(same)) == 1]
        if kept and kind != "groups":
            expected = sum(1 - sum(share ** len(same) for share in rules.shares.values()) for same in kept)
            yield finding(f"duplicate_{kind}", len(kept), _examples(checked, kind, kept), expected=expected)


def linked_reviews(checked: Checked) -> Iterator[Finding]:
    """The largest set of reviews that must stand in one split, where no split can hold it well."""
    splits = checked.dataset.manifest.splits
    if splits.rule not in ("fractions", "folds"):
        return
    largest = max(checked.links.components, key=len)
    share = len(largest) / len(checked.reviews)
    if len(largest) >= FEWEST_TIED and share > (1 / splits.folds if splits.folds else min(splits.shares.values())):
        alone = {kind: max(map(len, checked.links.components_of(largest, [kind]))) for kind in splits.keep_together}
        kind = max(alone, key=lambda kind: alone[kind])  # the tie that joins most without the others
        others = [one for one in splits.keep_together if one != kind]
        rules = f"keep_together: [{', '.join(others)}]"
        if splits.near_duplicates == "together" and kind != "groups" and "pictures" not in others:
            rules = f"near_duplicates: ignore, {rules}"
        yield finding(
            "linked_reviews",
            len(largest),
            [_tie(checked, kind, largest)],
            share=share,
            ties=kind if len(alone) == 1 else f"above all {kind}",
            targets=checked.targets,
            fix=UNLINK[kind],
            rules=rules,
        )


def _tie(checked: Checked, kind: str, linked: list[int]) -> Example:
    """What most of the reviews that are linked share, by their rows."""
    if kind == "pictures":
        reviews = checked.at(linked)
        counts = Counter(digest for review in reviews for digest in checked.digests(review))
        paths = [
            checked.inspections.path[digest]
            for digest, _ in counts.most_common(3)
            if digest in checked.inspections.path
        ]
        named = ", ".join(f"'{path.name}'" for path in paths)
        return example(reviews, f"the pictures that most of them share: {named}" if paths else "", paths)
    sharing = [*checked.links.shared[kind], *(checked.links.near_texts if kind == "texts" else [])]
    inside = set(linked)
    largest = max((rows for rows in sharing if rows[0] in inside), key=len)
    shared = checked.at(largest)
    if kind == "texts":
        return example(shared, f"the text that most of them share, {len(shared):,}: {excerpt(shared[0].text)}")
    fields = checked.dataset.manifest.fields
    column = f" of column {fields.group!r}" if fields is not None and fields.group is not None else ""
    return example(shared, f"the largest group{column}: {shared[0].group!r}, of {len(shared):,} reviews")


def keep_together(rules: Splits, kind: str) -> str:
    """What to write so that `kind` is not torn apart."""
    if rules.rule in ("fractions", "folds"):
        return f"Name {kind} in splits.keep_together."
    return f"Set splits: {{fractions: ...}} in place of splits.{rules.rule}, which keeps them together."


def common_texts(checked: Checked) -> Iterator[Finding]:
    """Texts with too many variants to be linked, in more than one split."""
    across = [same for rows in checked.links.common_texts if len(checked.splits(same := checked.at(rows))) > 1]
    if across:
        examples = [example(same, f"{len(same):,} reviews: {excerpt(same[0].text)}") for same in across[:5]]
        yield finding("common_texts", len(across), examples, limit=most_copies(len(checked.reviews)))


def nearly_same_texts(checked: Checked) -> Iterator[Finding]:
    """Texts that are nearly the same, in more than one split or in one."""
    across: list[Example] = []
    kept: list[Example] = []
    for rows in checked.near_texts:
        same = checked.at(rows)
        (across if len(checked.splits(same)) > 1 else kept).append(example(same, _variants(same)))
    if across:
        fix = _link_near(checked, "texts") or TOO_MANY.format(limit=most_copies(len(checked.reviews)))
        yield finding("near_duplicate_texts_across_splits", len(across), across, fix=fix)
    if kept:
        yield finding("near_duplicate_texts", len(kept), kept)


def nearly_same_pictures(checked: Checked) -> Iterator[Finding]:
    """Pictures that are nearly the same; those that are exactly the same are another finding."""
    name = {digest: near[0] for near in checked.near_pictures for digest in near}

    def keys(review: Review) -> list[str]:
        return [name[digest] for digest in checked.digests(review) if digest in name]

    across: list[Example] = []
    kept: list[Example] = []
    for same in checked.sharing(keys):
        cluster = set(keys(same[0])).intersection(*map(keys, same[1:]))
        shown = {
            digest: path
            for review in same
            for path in review.images
            if name.get(digest := checked.inspections.digests.get(path, "")) in cluster
        }
        if len(shown) > 1:
            pictures = list(shown.values())
            (across if len(checked.splits(same)) > 1 else kept).append(
                example(same, " ~ ".join(f"'{path.name}'" for path in pictures[:3]), pictures)
            )
    if across:
        fix = _link_near(checked, "pictures")
        yield finding("near_duplicates_across_splits", len(across), across, fix=fix)
    if kept:
        yield finding("near_duplicate_pictures", len(kept), kept)


def _link_near(checked: Checked, kind: str) -> str:
    """What to write so that near duplicates are linked; "" where they are."""
    rules = checked.dataset.manifest.splits
    if rules.near_duplicates == "ignore":
        return "Set splits: {near_duplicates: together}, which needs fractions or folds."
    return "" if kind in rules.keep_together else keep_together(rules, kind)


def contradictions(checked: Checked) -> Iterator[Finding]:
    """The same text, or the same picture, with different labels or numbers."""
    for key, kind in (("text_contradictions", "texts"), ("picture_contradictions", "pictures")):
        several = [same for same in checked.shared[kind] if len({frozenset(one.all_labels) for one in same}) > 1]
        examples = [
            example(same, f"{_labels(same)}: {_shown(checked, kind, same)}", _shared_pictures(checked, kind, same))
            for same in several[:5]
        ]
        if several:
            # What drop_duplicates would drop is gone where it is set.
            fix = DIFFERENT if checked.dataset.manifest.drop_duplicates else CONTRADICTING
            fix = fix.format(targets=checked.targets)
            yield finding(key, len(several), examples, targets=checked.targets, fix=fix)


def whole_reviews(checked: Checked) -> Iterator[Finding]:
    """Reviews that are the same in text and pictures, as `drop_duplicates` sees it."""

    def keys(review: Review) -> list[str]:
        key = duplicate_key(review, checked.inspections.digests)
        return [] if key is None else ["\0".join(key)]

    same = checked.sharing(keys)
    if same:
        examples = [example(one, excerpt(one[0].text), one[0].images) for one in same[:5]]
        yield finding("duplicate_reviews", sum(len(one) - 1 for one in same), examples)


def _examples(checked: Checked, kind: str, sharing: list[list[Review]]) -> list[Example]:
    return [example(same, _shown(checked, kind, same), _shared_pictures(checked, kind, same)) for same in sharing[:5]]


def _shown(checked: Checked, kind: str, same: list[Review]) -> str:
    if kind == "pictures":
        return ", ".join(f"'{path.name}'" for path in _shared_pictures(checked, kind, same))
    return _variants(same) if kind == "texts" else f"group {same[0].group!r}"


def _variants(same: list[Review]) -> str:
    """A text, and another where they are not the very same."""
    other = next((one for one in same if normal_text(one.text) != normal_text(same[0].text)), None)
    return excerpt(same[0].text) + ("" if other is None else f" ~ {excerpt(other.text)}")


def _shared_pictures(checked: Checked, kind: str, same: list[Review]) -> list[Path]:
    if kind != "pictures":
        return []
    shared = set(checked.digests(same[0])).intersection(*map(checked.digests, same[1:]))
    return [path for path in same[0].images if checked.inspections.digests.get(path) in shared][:1]


def _labels(same: list[Review]) -> str:
    return " / ".join(dict.fromkeys("+".join(review.all_labels) for review in same))
