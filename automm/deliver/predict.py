"""Raw reviews in, one line each out, in input order: {id, label, probabilities, picture_counts, error}.

A regression has {id, value, picture_counts, error}. `picture_counts: {given, read}` are the pictures that the record
names, and those that the model read.

A review that cannot be predicted gets an error and no label; it never ends the others. Explained, a line says too what
its answer hangs on: {..., modalities: {text: effect, ...}, pictures: [{picture, weight, effect}], error}, pictures in
the order of the record. An effect is the probability of the predicted label, or the value, less what it is without that
part (`deliver/effects`); null where the review has no such part. A weight is what the model's own attention gave the
picture; null where its poolings have none. Both are null where a picture was not read, because it is one too many or
unreadable.
"""

import json
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from automm.data.changes import Change
from automm.data.download.urls import is_url
from automm.data.images.decode import PictureError, UnreachableError, decode_many
from automm.data.inputs.tokens import encode_texts
from automm.data.records.reviews import Review
from automm.deliver.bundle import Bundle
from automm.deliver.effects import Arrays, effects_of
from automm.deliver.opened import OpenedReviews, Refused, open_reviews
from automm.deliver.picture_counts import Lost, PictureCounts
from automm.errors import ConfigError
from automm.models.explain import Explained, poolings_of
from automm.models.packing import pack, packed_layout
from automm.models.whole import compiled, rows_at_once

UNREADABLE = "unreadable_picture"  # the kind of error of a review that was read

Prediction = dict[str, Any]
Progress = Callable[[str, int, int], None]


class Written(NamedTuple):
    """What a file of predictions holds.

    Attributes:
        lines: one a review.
        errors: lines that carry one.
        poolings: over so many of the model's poolings the weights of pictures are a mean; 0 where there are no weights.
        pictures: how many pictures were given and read, and why not.
        failed: the lines with an error by kind: their number and the first error.
    """

    lines: int
    errors: int
    poolings: int
    pictures: PictureCounts
    failed: dict[str, tuple[int, str]]


def predict_file(
    bundle: Bundle,
    reviews: Path,
    to: Path,
    *,
    image_root: Path | None = None,
    explain: bool = False,
    opened: Iterable[Review | Refused] | None = None,
    progress: Progress | None = None,
) -> Written:
    """Predict a manifest's reviews or a records file into a JSON Lines file, whole or not at all.

    Args:
        explain: see the module.
        opened: what `open_reviews` has made of `reviews`, where that was asked before the bundle was loaded.
    """
    if to.is_dir() or to.absolute() == reviews.absolute():
        raise ConfigError(f"--to {to}: name a file of its own for the predictions")
    to.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=to.parent, prefix=f".{to.name}-")
    lines, counts = 0, PredictionCounts()
    try:
        if opened is None:
            opened = open_reviews(bundle.about, reviews, image_root)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            for batch in predict_reviews(bundle, opened, explain=explain, counts=counts):
                for prediction in batch:
                    lines += 1
                    file.write(json.dumps(prediction, ensure_ascii=False) + "\n")
                if progress is not None:
                    progress("reviews predicted", lines, 0)
        Path(name).chmod(0o644)
        Path(name).replace(to)
    finally:
        Path(name).unlink(missing_ok=True)
    poolings = poolings_of(bundle.model) if explain else 0
    errors = sum(count for count, _ in counts.failed.values())
    return Written(lines, errors, poolings, counts.pictures, counts.failed)


def predict_reviews(
    bundle: Bundle,
    reviews: Iterable[Review | Refused],
    *,
    explain: bool = False,
    counts: "PredictionCounts | None" = None,
) -> Iterator[list[Prediction]]:
    """Predict in batches, in order.

    Args:
        reviews: what to predict; `OpenedReviews` know the rule for bad pictures, for others the bundle's holds.
        counts: filled while batches are predicted.
        explain: see the module; each batch is then read once more for each modality and each place of a picture.
    """
    read = _reader(bundle, explain)
    at_once = rows_at_once(bundle.about["inputs"]["max_images"])
    on_bad = reviews.on_bad if isinstance(reviews, OpenedReviews) else bundle.about["reading"]["images"]["on_bad"]
    counts = PredictionCounts() if counts is None else counts
    iterator = iter(reviews)
    while batch := list(islice(iterator, at_once)):
        inputs = _inputs(bundle, batch, strict=on_bad != "drop-image")
        lines = [_line(bundle, item, inputs.refused.get(place), explain) for place, item in enumerate(batch)]
        for place, item in enumerate(batch):
            lines[place]["picture_counts"] = counts.add(item, inputs, place)
        if inputs.good:
            answers, weights = read(inputs.arrays)
            for place, row in zip(inputs.good, answers, strict=True):
                lines[place] |= bundle.task.record(row, bundle.about["labels"])
            if explain:
                modalities, effects = effects_of(bundle.task, answers, lambda arrays: read(arrays)[0], inputs.arrays)
                for number, place in enumerate(inputs.good):
                    lines[place]["modalities"] = {name: _figure(found[number]) for name, found in modalities.items()}
                    lines[place]["pictures"] = _pictures(
                        batch[place], inputs.slots[place], None if weights is None else weights[number], effects[number]
                    )
        yield lines


def _reader(bundle: Bundle, weigh: bool) -> Callable[[Arrays], tuple[np.ndarray, np.ndarray | None]]:
    """From raw arrays to answers (n, outputs) and, where the model weighs pictures, weights (n, max_images)."""
    layout = packed_layout(bundle.model)
    weigh = weigh and poolings_of(bundle.model) > 0
    call = compiled(Explained(bundle.model) if weigh else bundle.model)

    def read(arrays: Arrays) -> tuple[np.ndarray, np.ndarray | None]:
        answer = call(pack(arrays, layout) if layout else arrays)
        return (answer["probabilities"], answer["weights"]) if weigh else (answer, None)

    return read


@dataclass(frozen=True)
class _Inputs:
    """What a model is given of a batch.

    Attributes:
        good: places that can be predicted.
        arrays: of these.
        slots: for each place of the batch, where each of its pictures stands in the arrays, None where nowhere.
        refused: places that cannot be predicted, and why.
        lost: for each place, the pictures that were not read, and why.
    """

    good: list[int]
    arrays: dict[str, np.ndarray]
    slots: list[list[int | None]]
    refused: dict[int, str]
    lost: list[list[Lost]]

    def read(self, place: int) -> int:
        """The number of pictures that the model is given of a place."""
        return 0 if place in self.refused else sum(slot is not None for slot in self.slots[place])


@dataclass
class PredictionCounts:
    """What became of the reviews and their pictures.

    Attributes:
        pictures: pictures given and read.
        failed: reviews with an error by kind: their number and the first error.
    """

    pictures: PictureCounts = field(default_factory=PictureCounts)
    failed: dict[str, tuple[int, str]] = field(default_factory=dict)

    def add(self, item: Review | Refused, inputs: _Inputs, place: int) -> dict[str, int]:
        """Count one review; return {given, read} of its pictures."""
        error = inputs.refused.get(place)
        given = item.given if isinstance(item, Refused) else len(item.images) + len(item.absent)
        read = inputs.read(place)
        self.pictures.add(item.where or item.id, given, read, inputs.lost[place], answered=error is None)
        if error is not None:
            code = item.code if isinstance(item, Refused) else UNREADABLE
            count, first = self.failed.get(code, (0, error))
            self.failed[code] = (count + 1, first)
        return {"given": given, "read": read}


def _inputs(bundle: Bundle, batch: Sequence[Review | Refused], *, strict: bool) -> _Inputs:
    inputs = bundle.about["inputs"]
    size, most = inputs["image_size"], inputs["max_images"]
    refused = {place: item.error for place, item in enumerate(batch) if isinstance(item, Refused)}
    # All pictures, as in training: unreadable ones are dropped first, then those beyond max_images.
    wanted = [(place, path) for place, item in enumerate(batch) if isinstance(item, Review) for path in item.images]
    images = np.zeros((len(batch), most, size, size, 3), np.uint8)
    mask = np.zeros((len(batch), most), np.float32)
    slots: list[list[int | None]] = [[] for _ in batch]
    lost = [_absent(item) for item in batch]
    for index, picture in decode_many([path for _, path in wanted], size):
        place, path = wanted[index]
        slots[place].append(None)
        if isinstance(picture, PictureError):
            is_there = not isinstance(picture, UnreachableError)
            lost[place].append((Change.UNREADABLE_PICTURE if is_there else Change.MISSING_PICTURE, path.name))
            if strict:
                refused.setdefault(place, f"picture '{path.name}': {picture}")
            continue
        slot = int(mask[place].sum())
        if slot < most:
            images[place, slot], mask[place, slot], slots[place][-1] = picture, 1.0, slot
        else:
            lost[place].append((Change.MORE_PICTURES, path.name))
    for place, item in enumerate(batch):
        if isinstance(item, Review) and item.images and not item.text.strip() and not mask[place].any():
            refused.setdefault(place, f"{item.where}: neither text nor a readable picture. Replace its pictures")
    good = [place for place in range(len(batch)) if place not in refused]
    texts = [item.text if isinstance(item, Review) else "" for item in batch]
    token_ids = encode_texts(bundle.tokenizer, texts, inputs["sequence_length"])
    arrays = {
        "token_ids": token_ids[good],
        "text_mask": np.array([float(bool(texts[place].strip())) for place in good], np.float32),
        "images": images[good],
        "image_mask": mask[good],
        **bundle.columns.encode([item for place in good if isinstance(item := batch[place], Review)]),
    }
    return _Inputs(good, arrays, slots, refused, lost)


def _absent(item: Review | Refused) -> list[Lost]:
    names = item.absent if isinstance(item, Review) else ()
    return [(Change.NOT_FETCHED if is_url(name) else Change.MISSING_PICTURE, name) for name in names]


def _line(bundle: Bundle, item: Review | Refused, error: str | None, explain: bool) -> Prediction:
    explanations = ("modalities", "pictures") if explain else ()
    keys = (*bundle.task.record_types, *explanations, "picture_counts")
    return {"id": item.id, **dict.fromkeys(keys), "error": error}


def _pictures(
    review: Review | Refused, slots: Sequence[int | None], weights: np.ndarray | None, effects: np.ndarray
) -> list[Prediction]:
    assert isinstance(review, Review)
    return [
        {
            "picture": path.name,
            "weight": None if slot is None or weights is None else _figure(weights[slot]),
            "effect": None if slot is None else _figure(effects[slot]),
        }
        for path, slot in zip(review.images, slots, strict=True)
    ]


def _figure(value: float) -> float | None:
    """Of four digits, which is as far as an explanation goes; None for NaN."""
    return None if np.isnan(value) else float(f"{float(value):.4g}")
