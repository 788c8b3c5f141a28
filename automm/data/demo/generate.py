"""Generate the demo data: reviews whose label depends on the text and on one of the pictures.

A reviewer praises or criticises a product, and attaches up to four pictures. One of them shows the product that the
text names, intact or damaged. The others are distractors: a parcel, a receipt, a room, or sometimes another product,
also intact or damaged.

The rule for labels, before some labels are replaced at random:

    text    product damaged    product intact    no picture
    bad     negative           neutral           negative
    good    neutral            positive          positive

Best possible accuracy, by that rule on 2,000 fresh reviews (`best_accuracy(CEILING_SEED)`):
text alone 0.647, pictures alone 0.597, both 0.971.
"""

import json
import shutil
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from automm.data.demo.drawing import COLOURS, DISTRACTORS, PRODUCTS, render
from automm.data.demo.text import SENTIMENTS, compose
from automm.errors import ConfigError

LABELS = ("negative", "neutral", "positive")
RULE = {
    ("bad", True): "negative",
    ("bad", False): "neutral",
    ("good", True): "neutral",
    ("good", False): "positive",
}
RULE_WITHOUT_PICTURE = {"bad": "negative", "good": "positive"}

DAMAGED = {"bad": 0.64, "good": 0.36}  # how often a product is damaged, given the text
PICTURES = (0.1, 0.1, 0.2, 0.3, 0.3)  # how often a review has 0, 1, 2, 3, 4 pictures
OTHER_PRODUCT = 0.05  # how often a distractor is another product
NOISE = 0.05  # how often a label is replaced by a random one of the three
REVIEWS_PER_PRODUCT = 5
CEILING_SEED = 20_000

MANIFEST = """\
# The demo data of automm: rendered by `automm demo`, deterministic.
# Best possible accuracy, by the generator's own rule on 2,000 fresh reviews (seed {seed}):
# text alone {text:.3f}, pictures alone {image:.3f}, both {both:.3f}.
name: demo
records: {records}
image_root: {image_root}
fields:
  id: review_id
  text: [title, body]
  images: photos
  label: label
  group: product_id              # the reviews of a product stay in one split
splits:
  fractions: {{train: 0.7, validation: 0.15, test: 0.15}}
  seed: 1
source:
  licence: Apache-2.0
  size: 600 reviews unless asked otherwise, 0 to 4 pictures each
  get: automm demo demo/
"""


@dataclass(frozen=True)
class Picture:
    """What a picture shows."""

    kind: str
    colour: str
    damaged: bool


@dataclass(frozen=True)
class Review:
    """The facts of a review. `relevant` is the index of the product's picture, None without pictures."""

    product: int
    kind: str
    colour: str
    sentiment: str
    pictures: tuple[Picture, ...]
    relevant: int | None
    label: str


def draw_reviews(count: int, rng: np.random.Generator) -> list[Review]:
    """Draw the facts of `count` reviews of about a fifth as many products, without words and pixels."""
    products = max(1, count // REVIEWS_PER_PRODUCT)
    kinds = [_pick(PRODUCTS, rng) for _ in range(products)]
    colours = [_pick(COLOURS, rng) for _ in range(products)]
    reviews = []
    for _ in range(count):
        product = int(rng.integers(products))
        reviews.append(_draw_review(product, kinds[product], colours[product], rng))
    return reviews


def _draw_review(product: int, kind: str, colour: str, rng: np.random.Generator) -> Review:
    sentiment = _pick(SENTIMENTS, rng)
    count = int(rng.choice(len(PICTURES), p=PICTURES))
    damaged = bool(rng.random() < DAMAGED[sentiment])
    pictures = [_draw_distractor(kind, rng) for _ in range(count)]
    relevant = int(rng.integers(count)) if count else None
    if relevant is None:
        label = RULE_WITHOUT_PICTURE[sentiment]
    else:
        pictures[relevant] = Picture(kind, colour, damaged)
        label = RULE[sentiment, damaged]
    if rng.random() < NOISE:
        label = _pick(LABELS, rng)
    return Review(product, kind, colour, sentiment, tuple(pictures), relevant, label)


def _draw_distractor(product: str, rng: np.random.Generator) -> Picture:
    others = [kind for kind in PRODUCTS if kind != product]
    kind = _pick(others if rng.random() < OTHER_PRODUCT else DISTRACTORS, rng)
    return Picture(kind, _pick(COLOURS, rng), bool(rng.random() < 0.5))


def best_accuracy(seed: int, n: int = 2000) -> dict[str, float]:
    """Return the accuracy of the best prediction from the text, the pictures, or both, on `n` fresh reviews.

    The best prediction is Bayes' rule on the facts behind words and pixels: the sentiment, and what each picture shows.

    Returns:
        {"text": ..., "image": ..., "both": ...}, each between 0 and 1.
    """
    reviews = draw_reviews(n, np.random.Generator(np.random.PCG64(seed)))
    ways = {"text": _from_text, "image": _from_pictures, "both": _from_both}
    return {name: sum(predict(review) == review.label for review in reviews) / n for name, predict in ways.items()}


def _from_text(review: Review) -> str:
    votes = dict.fromkeys(LABELS, 0.0)
    votes[RULE_WITHOUT_PICTURE[review.sentiment]] += PICTURES[0]
    for damaged, share in _states(review.sentiment):
        votes[RULE[review.sentiment, damaged]] += (1 - PICTURES[0]) * share
    return max(LABELS, key=votes.__getitem__)


def _from_pictures(review: Review) -> str:
    """Predict without the text: any product in a picture may be the reviewed one."""
    seen = [picture.damaged for picture in review.pictures if picture.kind in PRODUCTS]
    votes = dict.fromkeys(LABELS, 0.0)
    for sentiment in SENTIMENTS:
        if not seen:
            votes[RULE_WITHOUT_PICTURE[sentiment]] += 1
        for damaged in seen:
            votes[RULE[sentiment, damaged]] += dict(_states(sentiment))[damaged]
    return max(LABELS, key=votes.__getitem__)


def _from_both(review: Review) -> str:
    if review.relevant is None:
        return RULE_WITHOUT_PICTURE[review.sentiment]
    return RULE[review.sentiment, review.pictures[review.relevant].damaged]


def _states(sentiment: str) -> Iterable[tuple[bool, float]]:
    return (True, DAMAGED[sentiment]), (False, 1 - DAMAGED[sentiment])


def write_demo(folder: Path, *, reviews: int = 600, seed: int = 1) -> Path:
    """Write manifest.yaml, reviews.jsonl and images/ into a new or empty folder.

    Returns:
        The manifest's path.

    Raises:
        ConfigError: the folder is not empty, or cannot be written.
    """
    if reviews < 1:
        raise ConfigError(f"the demo needs at least one review, got {reviews}")
    folder = folder.absolute()
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        raise ConfigError(f"{folder} exists and is not an empty folder. Name a new one for the demo")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.parent) as scratch:
            _write(Path(scratch) / "demo", reviews, seed)
            if folder.exists():
                folder.rmdir()
            shutil.move(Path(scratch) / "demo", folder)
    except OSError as error:
        raise ConfigError(f"cannot write the demo into {folder}: {error}") from error
    return folder / "manifest.yaml"


def manifest_text(records: str, image_root: str) -> str:
    """Return the demo's manifest; both paths are relative to the manifest's folder."""
    ceilings = best_accuracy(CEILING_SEED)
    return MANIFEST.format(records=records, image_root=image_root, seed=CEILING_SEED, **ceilings)


def _write(folder: Path, count: int, seed: int) -> None:
    (folder / "images").mkdir(parents=True)
    drawn = draw_reviews(count, np.random.Generator(np.random.PCG64(seed)))
    with (folder / "reviews.jsonl").open("w", encoding="utf-8", newline="\n") as records:
        for number, review in enumerate(drawn):
            # A separate generator per review: one more sentence does not change later reviews.
            rng = np.random.Generator(np.random.PCG64([seed, number]))
            record = _record(review, number, rng)
            records.write(json.dumps(record, ensure_ascii=False) + "\n")
            for name, picture in zip(record["photos"], review.pictures, strict=True):
                image = render(picture.kind, picture.colour, picture.damaged, rng)
                image.save(folder / "images" / name, quality=92)
    (folder / "manifest.yaml").write_text(manifest_text("reviews.jsonl", "images"), "utf-8", newline="\n")


def _record(review: Review, number: int, rng: np.random.Generator) -> dict[str, Any]:
    title, body = compose(review.kind, review.colour, review.sentiment, rng)
    return {
        "review_id": f"r{number:04d}",
        "product_id": f"p{review.product:03d}",
        "title": title,
        "body": body,
        "photos": [f"r{number:04d}_{place}.jpg" for place in range(len(review.pictures))],
        "label": review.label,
        "relevant_image": review.relevant,  # for measuring attention; the manifest does not name it
    }


def _pick(choices: Iterable[str], rng: np.random.Generator) -> str:
    listed = list(choices)
    return listed[int(rng.integers(len(listed)))]
