"""Findings about single pictures."""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from automm.data.images.inspect import Inspection
from automm.data.onboarding.columns.names import counts_something, names_portrait
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
# Words in the name of a column that may name pictures, unless words of NO_PICTURES are in it, too.
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

# A kind of finding: which pictures have it, the placeholders of its texts, and what an example shows.
TRAITS: dict[str, tuple[Callable[[Inspection], bool], dict[str, object], Callable[[Inspection], str]]] = {
    "blank_pictures": (lambda picture: picture.contrast <= BLANK, {}, lambda picture: _sides(picture)),
    "tiny_pictures": (
        lambda picture: min(picture.width, picture.height) < TINY,
        {"limit": TINY},
        lambda picture: _sides(picture),
    ),
    "huge_pictures": (
        lambda picture: picture.width * picture.height > HUGE,
        {"limit": HUGE / 1e6},
        lambda picture: _sides(picture),
    ),
    "stretched_pictures": (
        lambda picture: max(picture.width, picture.height) > STRETCHED * min(picture.width, picture.height),
        {"limit": STRETCHED},
        lambda picture: _sides(picture),
    ),
    "animated_pictures": (lambda picture: picture.animated, {}, lambda picture: picture.form),
}


def odd_pictures(checked: Checked) -> Iterator[Finding]:
    """Report blank, tiny, huge, stretched and animated pictures; each distinct picture counts once."""
    odd = {
        key: [(review, path, picture) for review, path, picture in checked.inspected() if has_trait(picture)]
        for key, (has_trait, _, _) in TRAITS.items()
    }
    for key, (_, details, evidence) in TRAITS.items():
        examples = [
            example([review], f"'{review.name_of(path)}' is {evidence(picture)}", [path])
            for review, path, picture in odd[key][:SHOWN]
        ]
        if examples:
            yield finding(key, len(odd[key]), examples, **details)


def wrong_extensions(checked: Checked) -> Iterator[Finding]:
    """Report pictures whose file extension does not match their format."""
    examples = [
        example([review], f"'{path.name}' is {picture.form}", [path])
        for review, path, picture in checked.inspected()
        if path.suffix.lower() not in SUFFIXES.get(picture.form, (path.suffix.lower(),))
    ]
    if examples:
        yield finding("wrong_extensions", len(examples), examples)


def one_picture(checked: Checked) -> Iterator[Finding]:
    """Report a picture that a large share of the reviews with pictures have, most often a placeholder."""
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
    """Report reviews that name the same picture more than once."""
    examples = []
    for review in checked.reviews:
        if len(review.images) > 1:
            counts = Counter(picture_name(path, checked.inspections.digests) for path in review.images)
            repeated = [path for path in review.images if counts[picture_name(path, checked.inspections.digests)] > 1]
            if repeated:
                examples.append(example([review], ", ".join(f"'{path.name}'" for path in repeated), repeated[:1]))
    if examples:
        yield finding("repeated_pictures", len(examples), examples)


def no_pictures(checked: Checked) -> Iterator[Finding]:
    """Report that no review has a picture although the name of an unused column suggests pictures."""
    fields = checked.dataset.manifest.fields
    if fields is None or any(review.images or review.absent for review in checked.reviews):
        return
    columns = [column for column in unused_columns(checked.dataset) if names_pictures(column)]
    if columns:
        words = [yaml_word(checked.unused.path_of_pictures(column)) for column in columns]
        images = words[0] if len(words) == 1 else f"[{', '.join(words)}]"
        yield finding("no_pictures", len(checked.reviews), [], columns=", ".join(map(repr, columns)), images=images)


def names_pictures(column: str) -> bool:
    """Return whether a column's name suggests names of pictures: not counts, sizes, captions or portraits."""
    words = words_of(column)
    named = not PICTURES.isdisjoint(words) or "".join(words) in FILES
    counts = counts_something(column) or not NO_PICTURES.isdisjoint(words)
    return named and not counts and not names_portrait(column)


def unreadable(dataset: Dataset, bad: Mapping[Path, str]) -> Iterator[Finding]:
    """Report pictures that cannot be read, and why: an error, or a note if images.on_bad drops them."""
    rule = dataset.manifest.images.on_bad
    examples = [
        example([review], f"'{path.name}': {bad[path]}")
        for review in dataset.reviews
        for path in review.images
        if path in bad
    ]
    if examples:
        key = "unreadable_pictures" if rule == "error" else "left_out_pictures"
        yield finding(key, len(examples), examples, rule=rule)


def _sides(picture: Inspection) -> str:
    return f"{picture.width} x {picture.height}"
