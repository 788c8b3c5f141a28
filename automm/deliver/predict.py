"""Predict raw reviews: one line each, in input order: {id, ..., picture_counts, error}.

The keys between are those of `Task.record`. `picture_counts: {given, read}` are the pictures that the record names, and
those that the model read.

A review that cannot be predicted gets an error and no label; the others are still predicted. With `explain` a line also
says what the prediction depends on: {..., modalities: {text: effect, ...}, pictures: [{picture, weight, effect}],
error}, pictures in the order of the record; and columns: {brand: effect, ...} for categories that are written into the
text. An effect is the probability of the predicted label, or the value, minus its value without that part
(`deliver/explain`); null if the review lacks the part. A weight is the attention weight of the picture; null where the
model has no attention pooling. Both are null for a picture that was not used, because it is over max_images or
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

from automm.data.change_kinds import FOUND_OTHERWISE, Change
from automm.data.download.urls import is_url
from automm.data.images.decode import PictureError, UnreachableError, decode_many
from automm.data.inputs.arrays import raw_arrays, text_mask
from automm.data.inputs.words import word_arrays
from automm.data.records.reviews import Review
from automm.deliver.bundle import Bundle
from automm.deliver.explain import Arrays, effects_of
from automm.deliver.input_reviews import InputReviews, RejectedRecord, open_reviews
from automm.deliver.picture_counts import Lost, PictureCounts
from automm.errors import ConfigError
from automm.evaluate.decision import decisions
from automm.models.devices import in_halves
from automm.models.packing import pack, packed_layout
from automm.models.pooling.picture_weights import Explained, count_attention_poolings
from automm.models.whole import compiled, rows_at_once

UNREADABLE = "unreadable_picture"  # the kind of error of a review that was read

Prediction = dict[str, Any]
Progress = Callable[[str, int, int], None]


class Written(NamedTuple):
    """A summary of a file of predictions.

    Attributes:
        lines: number of lines, one per review.
        errors: number of lines with an error.
        poolings: number of attention poolings that the picture weights are averaged over; 0 if there are no weights.
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
    opened: Iterable[Review | RejectedRecord] | None = None,
    progress: Progress | None = None,
) -> Written:
    """Predict the reviews of a manifest or a records file, and write them to a JSON Lines file.

    The file is written under a temporary name and renamed at the end.

    Args:
        image_root: as in `open_reviews`.
        explain: also explain each prediction; see the module.
        opened: the result of `open_reviews`, if it was called before the bundle was loaded.

    Raises:
        ConfigError: `to` is a folder or the file of the reviews, or as in `open_reviews`.
        NotFoundError, DataError: as in `open_reviews`.
    """
    if to.is_dir():
        raise ConfigError(f"--to {to} is a folder. Name a file for the predictions")
    if to.absolute() == reviews.absolute():
        raise ConfigError(f"--to {to} is the file of the reviews. Name another file for the predictions")
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
    poolings = count_attention_poolings(bundle.model) if explain else 0
    errors = sum(count for count, _ in counts.failed.values())
    return Written(lines, errors, poolings, counts.pictures, counts.failed)


def predict_reviews(
    bundle: Bundle,
    reviews: Iterable[Review | RejectedRecord],
    *,
    explain: bool = False,
    counts: "PredictionCounts | None" = None,
) -> Iterator[list[Prediction]]:
    """Predict in batches, in order.

    Args:
        reviews: what to predict; `InputReviews` know the rule for bad pictures, for others the bundle's holds.
        explain: also explain each prediction; the model then predicts each batch again for each modality and each
            picture position.
        counts: filled while batches are predicted.
    """
    read = _reader(bundle, explain)
    at_once = rows_at_once(bundle.about["inputs"]["max_images"])
    on_bad = reviews.on_bad if isinstance(reviews, InputReviews) else bundle.about["reading"]["images"]["on_bad"]
    counts = PredictionCounts() if counts is None else counts
    iterator = iter(reviews)
    while batch := list(islice(iterator, at_once)):
        inputs = _inputs(bundle, batch, strict=on_bad != "drop-image")
        lines = [_line(bundle, item, inputs.rejected.get(place), explain) for place, item in enumerate(batch)]
        for place, item in enumerate(batch):
            lines[place]["picture_counts"] = counts.add(item, inputs, place)
        if inputs.good:
            answers, weights = read(inputs.arrays)
            decided, labels = decisions(answers, bundle.decision), bundle.about["labels"]
            for place, row, scores in zip(inputs.good, answers, decided, strict=True):
                lines[place] |= bundle.task.record(row, labels)
                if bundle.decision:
                    lines[place]["label"] = labels[int(scores.argmax())]
            if explain:
                chosen = bundle.task.explained_output(decided)
                without = _without_columns(bundle, _reviews_at(batch, inputs.good))
                effects = effects_of(chosen, answers, lambda arrays: read(arrays)[0], inputs.arrays, without)
                named = {"modalities": effects.modalities} | ({"columns": effects.columns} if without else {})
                for number, place in enumerate(inputs.good):
                    lines[place] |= {key: _rounded_of(parts, number) for key, parts in named.items()}
                    weight = None if weights is None else weights[number]
                    lines[place]["pictures"] = _pictures(
                        batch[place], inputs.slots[place], weight, effects.pictures[number]
                    )
        yield lines
    if isinstance(reviews, InputReviews):
        changes = reviews.changes
        counts.pictures.otherwise = {change: changes[change] for change in FOUND_OTHERWISE if changes.get(change)}


def _reader(bundle: Bundle, weigh: bool) -> Callable[[Arrays], tuple[np.ndarray, np.ndarray | None]]:
    """Return a function from raw arrays to answers (n, outputs) and picture weights (n, max_images), None if none."""
    layout = packed_layout(bundle.model)
    weigh = weigh and count_attention_poolings(bundle.model) > 0
    call = in_halves(compiled(Explained(bundle.model) if weigh else bundle.model))

    def read(arrays: Arrays) -> tuple[np.ndarray, np.ndarray | None]:
        answer = call(pack(arrays, layout) if layout else arrays)
        return (answer["probabilities"], answer["weights"]) if weigh else (answer, None)

    return read


@dataclass(frozen=True)
class _Inputs:
    """The model inputs of a batch.

    Attributes:
        good: positions in the batch that can be predicted.
        arrays: the arrays of these reviews.
        slots: for each position of the batch, the index of each of its pictures in the arrays, None if it is not used.
        rejected: positions that cannot be predicted, and why.
        lost: for each position, the pictures that were not read, and why.
    """

    good: list[int]
    arrays: dict[str, np.ndarray]
    slots: list[list[int | None]]
    rejected: dict[int, str]
    lost: list[list[Lost]]

    def read(self, place: int) -> int:
        """Return the number of pictures of a position that the model reads."""
        return 0 if place in self.rejected else sum(slot is not None for slot in self.slots[place])


@dataclass
class PredictionCounts:
    """What became of the reviews and their pictures.

    Attributes:
        pictures: pictures given and read.
        failed: reviews with an error by kind: their number and the first error.
    """

    pictures: PictureCounts = field(default_factory=PictureCounts)
    failed: dict[str, tuple[int, str]] = field(default_factory=dict)

    def add(self, item: Review | RejectedRecord, inputs: _Inputs, place: int) -> dict[str, int]:
        """Count one review; return {given, read} of its pictures."""
        error = inputs.rejected.get(place)
        given = item.given if isinstance(item, RejectedRecord) else len(item.images) + len(item.absent)
        read = inputs.read(place)
        self.pictures.add(item.where or item.id, given, read, inputs.lost[place], answered=error is None)
        if error is not None:
            code = item.code if isinstance(item, RejectedRecord) else UNREADABLE
            count, first = self.failed.get(code, (0, error))
            self.failed[code] = (count + 1, first)
        return {"given": given, "read": read}


def _inputs(bundle: Bundle, batch: Sequence[Review | RejectedRecord], *, strict: bool) -> _Inputs:
    inputs = bundle.about["inputs"]
    most, forms = inputs["max_images"], list(dict.fromkeys(bundle.pictures))
    rejected = {place: item.error for place, item in enumerate(batch) if isinstance(item, RejectedRecord)}
    # All pictures, as in training: unreadable ones are dropped first, then those over max_images.
    paths = [(place, path) for place, item in enumerate(batch) if isinstance(item, Review) for path in item.images]
    images = {form: np.zeros((len(batch), most, form.size, form.size, 3), np.uint8) for form in forms}
    mask = np.zeros((len(batch), most), np.float32)
    slots: list[list[int | None]] = [[] for _ in batch]
    lost = [_absent(item) for item in batch]
    for index, decoded in decode_many([path for _, path in paths], forms):
        place, path = paths[index]
        slots[place].append(None)
        if isinstance(decoded, PictureError):
            is_there = not isinstance(decoded, UnreachableError)
            lost[place].append((Change.UNREADABLE_PICTURE if is_there else Change.MISSING_PICTURE, path.name))
            if strict:
                rejected.setdefault(place, f"picture '{path.name}': {decoded}")
            continue
        slot = int(mask[place].sum())
        if slot < most:
            mask[place, slot], slots[place][-1] = 1.0, slot
            for form, pixels in zip(forms, decoded, strict=True):
                images[form][place, slot] = pixels
        else:
            lost[place].append((Change.MORE_PICTURES, path.name))
    for place, item in enumerate(batch):
        if isinstance(item, Review) and item.images and not item.text.strip() and not mask[place].any():
            rejected.setdefault(place, f"{item.where}: neither text nor a readable picture. Replace its pictures")
    good = [place for place in range(len(batch)) if place not in rejected]
    arrays = {
        **_other_arrays(bundle, _reviews_at(batch, good)),
        **raw_arrays("image", [(images[form][good],) for form in bundle.pictures]),
        "image_mask": mask[good],
    }
    return _Inputs(good, arrays, slots, rejected, lost)


def _reviews_at(batch: Sequence[Review | RejectedRecord], good: Sequence[int]) -> list[Review]:
    return [item for place in good if isinstance(item := batch[place], Review)]


def _other_arrays(bundle: Bundle, reviews: Sequence[Review]) -> dict[str, np.ndarray]:
    """Return the model inputs that are not pictures."""
    texts = bundle.columns.texts(reviews)
    return {
        **raw_arrays("text", [preprocessing.encode(texts, length) for preprocessing, length in bundle.texts]),
        "text_mask": text_mask(texts),
        **({} if bundle.word_idf is None else word_arrays(texts, bundle.word_idf)),
        **bundle.columns.encode(reviews),
    }


def _without_columns(bundle: Bundle, reviews: Sequence[Review]) -> dict[str, tuple[np.ndarray, Arrays]]:
    """Return, by column written into the text, the reviews that have it, (n,) bool, and the inputs without it."""
    changed: dict[str, tuple[np.ndarray, Arrays]] = {}
    for column in bundle.columns.in_text:
        left = [bundle.columns.without(column, review) for review in reviews]
        has = [one != review for one, review in zip(left, reviews, strict=True)]
        changed[column] = np.array(has, bool), _other_arrays(bundle, left)
    return changed


def _absent(item: Review | RejectedRecord) -> list[Lost]:
    names = item.absent if isinstance(item, Review) else ()
    return [(Change.NOT_FETCHED if is_url(name) else Change.MISSING_PICTURE, name) for name in names]


def _line(bundle: Bundle, item: Review | RejectedRecord, error: str | None, explain: bool) -> Prediction:
    explanations = ("modalities", *(("columns",) if bundle.columns.in_text else ()), "pictures") if explain else ()
    keys = (*bundle.task.record_types, *explanations, "picture_counts")
    return {"id": item.id, **dict.fromkeys(keys), "error": error}


def _pictures(
    review: Review | RejectedRecord, slots: Sequence[int | None], weights: np.ndarray | None, effects: np.ndarray
) -> list[Prediction]:
    assert isinstance(review, Review)
    return [
        {
            "picture": path.name,
            "weight": None if slot is None or weights is None else _rounded(weights[slot]),
            "effect": None if slot is None else _rounded(effects[slot]),
        }
        for path, slot in zip(review.images, slots, strict=True)
    ]


def _rounded_of(effects: dict[str, np.ndarray], number: int) -> dict[str, float | None]:
    return {name: _rounded(effect[number]) for name, effect in effects.items()}


def _rounded(value: float) -> float | None:
    """Round to four digits, the precision of an explanation; NaN becomes None."""
    return None if np.isnan(value) else float(f"{float(value):.4g}")
