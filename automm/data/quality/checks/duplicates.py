"""Findings about texts, pictures, groups and reviews that repeat: in one split, across splits, with other labels."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from automm.data.quality.checked import Checked
from automm.data.quality.finding import Example, Finding, example, excerpt, finding
from automm.data.records.reviews import Review
from automm.data.sections import Splits
from automm.data.splitting.links import most_copies
from automm.data.splitting.text_forms import duplicate_key, normal_text

FEWEST_LINKED = 10  # reviews; fewer fit into any split
# What to do if one kind of link joins too many reviews.
UNLINK = {
    "groups": "Set fields.group to a column of users, products or the like, or remove it.",
    "texts": "Leave columns of shared texts (templates, product descriptions) out of fields.text.",
    "pictures": "Leave columns of shared pictures (rooms, shops, placeholders) out of fields.images.",
}
CONTRADICTING = (
    "Correct the {targets}, or set drop_duplicates: true, which drops reviews with the same text and pictures but "
    "different {targets}."
)
TOO_MANY = (
    "Each set has more than {limit} reviews, too many to link. If they are copies, set fields.group to a column that "
    "has one value for all copies."
)
DIFFERENT = "Correct the {targets}. drop_duplicates keeps these reviews, because they differ in text or pictures."


def shared_content(checked: Checked) -> Iterator[Finding]:
    """Report texts, pictures and groups that several reviews share: a warning if in several splits, else a note."""
    rules = checked.dataset.manifest.splits
    for kind, sharing in checked.shared.items():
        across = [same for same in sharing if len(checked.splits(same)) > 1]
        if across:
            fix = keep_together(rules, kind)
            yield finding(f"{kind}_across_splits", len(across), _examples(checked, kind, across), fix=fix)
        together = [same for same in sharing if len(checked.splits(same)) == 1]
        if together and kind != "groups":
            expected = sum(1 - sum(share ** len(same) for share in rules.shares.values()) for same in together)
            yield finding(f"duplicate_{kind}", len(together), _examples(checked, kind, together), expected=expected)


def linked_reviews(checked: Checked) -> Iterator[Finding]:
    """Report the largest set of linked reviews if it is larger than the smallest split or a fold."""
    splits = checked.dataset.manifest.splits
    if splits.rule not in ("fractions", "folds"):
        return
    largest = max(checked.links.components, key=len)
    share = len(largest) / len(checked.reviews)
    if len(largest) >= FEWEST_LINKED and share > (1 / splits.folds if splits.folds else min(splits.shares.values())):
        alone = {kind: max(map(len, checked.links.components_of(largest, [kind]))) for kind in splits.keep_together}
        kind = max(alone, key=lambda kind: alone[kind])  # the kind of link that alone joins most reviews
        others = [other for other in splits.keep_together if other != kind]
        rules = f"keep_together: [{', '.join(others)}]"
        if splits.near_duplicates == "together" and kind != "groups" and "pictures" not in others:
            rules = f"near_duplicates: ignore, {rules}"
        yield finding(
            "linked_reviews",
            len(largest),
            [_link_example(checked, kind, largest)],
            share=share,
            links=f"by shared {kind}" if len(alone) == 1 else f"mostly by shared {kind}",
            targets=checked.targets,
            fix=UNLINK[kind],
            rules=rules,
        )


def _link_example(checked: Checked, kind: str, linked: list[int]) -> Example:
    """Return what most of the linked reviews share.

    Args:
        kind: the kind of link.
        linked: rows of the linked reviews.
    """
    if kind == "pictures":
        reviews = checked.at(linked)
        counts = Counter(digest for review in reviews for digest in checked.digests(review))
        paths = [
            checked.inspections.path[digest]
            for digest, _ in counts.most_common(3)
            if digest in checked.inspections.path
        ]
        names = ", ".join(f"'{path.name}'" for path in paths)
        return example(reviews, f"most shared pictures: {names}" if paths else "", paths)
    sharing = [*checked.links.shared[kind], *(checked.links.near_texts if kind == "texts" else [])]
    inside = set(linked)
    largest = max((rows for rows in sharing if rows[0] in inside), key=len)
    reviews = checked.at(largest)
    if kind == "texts":
        return example(reviews, f"most shared text, in {len(reviews):,} reviews: {excerpt(reviews[0].text)}")
    fields = checked.dataset.manifest.fields
    column = f" of column {fields.group!r}" if fields is not None and fields.group is not None else ""
    return example(reviews, f"largest group{column}, with {len(reviews):,} reviews: {reviews[0].group!r}")


def keep_together(rules: Splits, kind: str) -> str:
    """Return what to set so that reviews that share a text, a picture or a group are in one split."""
    if rules.rule in ("fractions", "folds"):
        return f"Add {kind} to splits.keep_together."
    return f"To keep shared {kind} in one split, replace splits.{rules.rule} with splits: {{fractions: ...}}."


def common_texts(checked: Checked) -> Iterator[Finding]:
    """Report texts with too many variants to link that are in several splits."""
    across = [same for rows in checked.links.common_texts if len(checked.splits(same := checked.at(rows))) > 1]
    if across:
        examples = [example(same, f"{len(same):,} reviews: {excerpt(same[0].text)}") for same in across[:5]]
        yield finding("common_texts", len(across), examples, limit=most_copies(len(checked.reviews)))


def near_duplicate_texts(checked: Checked) -> Iterator[Finding]:
    """Report very similar texts: a warning if in several splits, else a note."""
    across: list[Example] = []
    together: list[Example] = []
    for rows in checked.near_texts:
        similar = checked.at(rows)
        (across if len(checked.splits(similar)) > 1 else together).append(example(similar, _variants(similar)))
    if across:
        fix = _link_near(checked, "texts") or TOO_MANY.format(limit=most_copies(len(checked.reviews)))
        yield finding("near_duplicate_texts_across_splits", len(across), across, fix=fix)
    if together:
        yield finding("near_duplicate_texts", len(together), together)


def near_duplicate_pictures(checked: Checked) -> Iterator[Finding]:
    """Report nearly identical pictures, not counting identical ones: a warning if in several splits, else a note."""
    set_of = {digest: near[0] for near in checked.near_pictures for digest in near}

    def keys(review: Review) -> list[str]:
        return [set_of[digest] for digest in checked.digests(review) if digest in set_of]

    across: list[Example] = []
    together: list[Example] = []
    for similar in checked.sharing(keys):
        shared_sets = set(keys(similar[0])).intersection(*map(keys, similar[1:]))
        by_digest = {
            digest: path
            for review in similar
            for path in review.images
            if set_of.get(digest := checked.inspections.digests.get(path, "")) in shared_sets
        }
        if len(by_digest) > 1:
            pictures = list(by_digest.values())
            (across if len(checked.splits(similar)) > 1 else together).append(
                example(similar, " ~ ".join(f"'{path.name}'" for path in pictures[:3]), pictures)
            )
    if across:
        fix = _link_near(checked, "pictures")
        yield finding("near_duplicates_across_splits", len(across), across, fix=fix)
    if together:
        yield finding("near_duplicate_pictures", len(together), together)


def _link_near(checked: Checked, kind: str) -> str:
    """Return what to set so that near duplicates are linked; "" if the manifest links them."""
    rules = checked.dataset.manifest.splits
    if rules.near_duplicates == "ignore":
        return (
            "To keep each set in one split, set splits: {near_duplicates: together} (with splits.fractions or "
            "splits.folds)."
        )
    return "" if kind in rules.keep_together else keep_together(rules, kind)


def contradictions(checked: Checked) -> Iterator[Finding]:
    """Report texts, and pictures, that have different labels or numbers in different reviews."""
    for key, kind in (("text_contradictions", "texts"), ("picture_contradictions", "pictures")):
        several = [same for same in checked.shared[kind] if len({frozenset(review.all_labels) for review in same}) > 1]
        examples = [
            example(same, f"{_labels(same)}: {_shown(checked, kind, same)}", _shared_pictures(checked, kind, same))
            for same in several[:5]
        ]
        if several:
            # If drop_duplicates is set, the reviews that it drops are gone already.
            fix = DIFFERENT if checked.dataset.manifest.drop_duplicates else CONTRADICTING
            fix = fix.format(targets=checked.targets)
            yield finding(key, len(several), examples, targets=checked.targets, fix=fix)


def duplicate_reviews(checked: Checked) -> Iterator[Finding]:
    """Report reviews with the same text and pictures, by the rule of `drop_duplicates`."""

    def keys(review: Review) -> list[str]:
        key = duplicate_key(review, checked.inspections.digests)
        return [] if key is None else ["\0".join(key)]

    sharing = checked.sharing(keys)
    if sharing:
        examples = [example(same, excerpt(same[0].text), same[0].images) for same in sharing[:5]]
        yield finding("duplicate_reviews", sum(len(same) - 1 for same in sharing), examples)


def _examples(checked: Checked, kind: str, sharing: list[list[Review]]) -> list[Example]:
    return [example(same, _shown(checked, kind, same), _shared_pictures(checked, kind, same)) for same in sharing[:5]]


def _shown(checked: Checked, kind: str, same: list[Review]) -> str:
    if kind == "pictures":
        return ", ".join(f"'{path.name}'" for path in _shared_pictures(checked, kind, same))
    return _variants(same) if kind == "texts" else f"group {same[0].group!r}"


def _variants(same: list[Review]) -> str:
    """Return the first text, and the first one that differs from it, if any."""
    first = same[0].text
    other = next((review.text for review in same if normal_text(review.text) != normal_text(first)), None)
    return excerpt(first) + ("" if other is None else f" ~ {excerpt(other)}")


def _shared_pictures(checked: Checked, kind: str, same: list[Review]) -> list[Path]:
    if kind != "pictures":
        return []
    shared = set(checked.digests(same[0])).intersection(*map(checked.digests, same[1:]))
    return [path for path in same[0].images if checked.inspections.digests.get(path) in shared][:1]


def _labels(same: list[Review]) -> str:
    return " / ".join(dict.fromkeys("+".join(review.all_labels) for review in same))
