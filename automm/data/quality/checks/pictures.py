"""Findings about single pictures."""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from automm.data.images.inspect import Inspection
from automm.data.onboarding.column_roles import names_portrait
from automm.data.quality.checked import Checked
from automm.data.quality.checks.unused import unused_columns, words_of
from automm.data.quality.finding import SHOWN, Finding, example, finding
from automm.data.records.reviews import Dataset
from automm.data.splitting.text_forms import picture_name
from automm.errors import yaml_word

BLANK = 8  # the largest difference of two pixels, of 255
TINY = 32  # pixels
HUGE = 20_000_000  # pixels
STRETCHED = 3.0
ONE_PICTURE_SHARE, ONE_PICTURE_REVIEWS = 0.2, 5
# A column named so may hold names of pictures, unless it counts or measures them.
PICTURES = frozenset(
    re.findall(
        r"\S+",
        "image images img imgs photo photos picture pictures pic pics poster posters thumbnail thumbnails jpg jpeg",
    )
)
FILES = frozenset({"filename", "filenames", "filepath"})
NO_PICTURES = frozenset(
    re.findall(
        r"\S+", "count counts num number n has is width height size caption captions text alt title id ids label labels"
    )
)
SUFFIXES = {
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif"),
    "MPO": (".jpg", ".jpeg", ".mpo"),
    "PNG": (".png", ".apng"),
    "GIF": (".gif",),
    "WEBP": (".webp",),
    "BMP": (".bmp", ".dib"),
    "TIFF": (".tif", ".tiff"),
    "AVIF": (".avif", ".avifs"),
}

# A kind of finding: who belongs to it, what its texts name, and what an example shows.
TRAITS: dict[str, tuple[Callable[[Inspection], bool], dict[str, object], Callable[[Inspection], str]]] = {
    "blank_pictures": (lambda look: look.contrast <= BLANK, {}, lambda look: _sides(look)),
    "tiny_pictures": (lambda look: min(look.width, look.height) < TINY, {"limit": TINY}, lambda look: _sides(look)),
    "huge_pictures": (
        lambda look: look.width * look.height > HUGE,
        {"limit": HUGE / 1e6},
        lambda look: _sides(look),
    ),
    "stretched_pictures": (
        lambda look: max(look.width, look.height) > STRETCHED * min(look.width, look.height),
        {"limit": STRETCHED},
        lambda look: _sides(look),
    ),
    "animated_pictures": (lambda look: look.animated, {}, lambda look: look.form),
}


def odd_pictures(checked: Checked) -> Iterator[Finding]:
    """Blank, tiny, huge, stretched, animated pictures; each distinct one counts once."""
    odd = {
        key: [(review, path, look) for review, path, look in checked.inspected() if belongs(look)]
        for key, (belongs, _, _) in TRAITS.items()
    }
    for key, (_, details, shown) in TRAITS.items():
        examples = [
            example([review], f"'{review.name_of(path)}' is {shown(look)}", [path])
            for review, path, look in odd[key][:SHOWN]
        ]
        if examples:
            yield finding(key, len(odd[key]), examples, **details)


def wrong_extensions(checked: Checked) -> Iterator[Finding]:
    found = [
        example([review], f"'{path.name}' is {look.form}", [path])
        for review, path, look in checked.inspected()
        if path.suffix.lower() not in SUFFIXES.get(look.form, (path.suffix.lower(),))
    ]
    if found:
        yield finding("wrong_extensions", len(found), found)


def one_picture(checked: Checked) -> Iterator[Finding]:
    """A picture that a large part of the pictured reviews have: a placeholder, most often."""
    pictured = [review for review in checked.reviews if review.images]
    counts = Counter(digest for review in pictured for digest in checked.digests(review))
    for digest, count in counts.most_common(3):
        share = count / len(pictured)
        if share >= ONE_PICTURE_SHARE and count >= ONE_PICTURE_REVIEWS:
            reviews = [review for review in pictured if digest in checked.digests(review)]
            path = next(path for path in reviews[0].images if checked.inspections.digests.get(path) == digest)
            shown = example(reviews, f"'{reviews[0].name_of(path)}'", [path])
            yield finding("one_picture", count, [shown], share=share)


def repeated_pictures(checked: Checked) -> Iterator[Finding]:
    """Reviews that have the same picture more than once."""
    found = []
    for review in checked.reviews:
        if len(review.images) > 1:
            counts = Counter(picture_name(path, checked.inspections.digests) for path in review.images)
            twice = [path for path in review.images if counts[picture_name(path, checked.inspections.digests)] > 1]
            if twice:
                found.append(example([review], ", ".join(f"'{path.name}'" for path in twice), twice[:1]))
    if found:
        yield finding("repeated_pictures", len(found), found)


def no_pictures(checked: Checked) -> Iterator[Finding]:
    """No review with a picture, where an unused column has a name as those of pictures have."""
    fields = checked.dataset.manifest.fields
    if fields is None or any(review.images or review.absent for review in checked.reviews):
        return
    columns = [column for column in unused_columns(checked.dataset) if names_pictures(column)]
    if columns:
        words = [yaml_word(column) for column in columns]
        images = words[0] if len(words) == 1 else f"[{', '.join(words)}]"
        yield finding("no_pictures", len(checked.reviews), [], columns=", ".join(map(repr, columns)), images=images)


def names_pictures(column: str) -> bool:
    """Whether a column's name is that of names of pictures, of no count or size of them and of no portrait."""
    words = words_of(column)
    named = not PICTURES.isdisjoint(words) or "".join(words) in FILES
    return named and NO_PICTURES.isdisjoint(words) and not names_portrait(column)


def unreadable(dataset: Dataset, bad: Mapping[Path, str]) -> Iterator[Finding]:
    """Pictures that cannot be read, and why; an error unless the manifest says what becomes of them."""
    rule = dataset.manifest.images.on_bad
    found = [
        example([review], f"'{path.name}': {bad[path]}")
        for review in dataset.reviews
        for path in review.images
        if path in bad
    ]
    if found:
        yield finding("unreadable_pictures" if rule == "error" else "left_out_pictures", len(found), found, rule=rule)


def _sides(look: Inspection) -> str:
    return f"{look.width} x {look.height}"
