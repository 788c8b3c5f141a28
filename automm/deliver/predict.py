"""Raw reviews in, one line each out, in input order: {id, label, probabilities, error}, or {id, value, error}.

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
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from automm.data.images.decode import PictureError, decode_many
from automm.data.inputs.tokens import encode_texts
from automm.data.records.reviews import Review
from automm.deliver.bundle import Bundle
from automm.deliver.effects import Arrays, effects_of
from automm.deliver.opened import Refused, open_reviews
from automm.errors import ConfigError
from automm.models.explain import Explained, poolings_of
from automm.models.packing import pack, packed_layout
from automm.models.whole import compiled, rows_at_once

Prediction = dict[str, Any]
Progress = Callable[[str, int, int], None]


class Written(NamedTuple):
    """What a file of predictions holds.

    Attributes:
        lines: one a review.
        errors: lines that carry one.
        poolings: over so many of the model's poolings the weights of pictures are a mean; 0 where there are no weights.
    """

    lines: int
    errors: int
    poolings: int


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
    lines = errors = 0
    try:
        if opened is None:
            opened = open_reviews(bundle.about, reviews, image_root)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            for batch in predict_reviews(bundle, opened, explain=explain):
                for prediction in batch:
                    lines += 1
                    errors += prediction["error"] is not None
                    file.write(json.dumps(prediction, ensure_ascii=False) + "\n")
                if progress is not None:
                    progress("reviews predicted", lines, 0)
        Path(name).chmod(0o644)
        Path(name).replace(to)
    finally:
        Path(name).unlink(missing_ok=True)
    return Written(lines, errors, poolings_of(bundle.model) if explain else 0)


def predict_reviews(
    bundle: Bundle, reviews: Iterable[Review | Refused], *, explain: bool = False
) -> Iterator[list[Prediction]]:
    """Predict in batches, in order.

    Args:
        explain: see the module; each batch is then read once more for each modality and each place of a picture.
    """
    read = _reader(bundle, explain)
    at_once = rows_at_once(bundle.about["inputs"]["max_images"])
    iterator = iter(reviews)
    while batch := list(islice(iterator, at_once)):
        inputs = _inputs(bundle, batch)
        lines = [_line(bundle, item, inputs.refused.get(place), explain) for place, item in enumerate(batch)]
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
    """

    good: list[int]
    arrays: dict[str, np.ndarray]
    slots: list[list[int | None]]
    refused: dict[int, str]


def _inputs(bundle: Bundle, batch: Sequence[Review | Refused]) -> _Inputs:
    inputs = bundle.about["inputs"]
    size, most = inputs["image_size"], inputs["max_images"]
    refused = {place: item.error for place, item in enumerate(batch) if isinstance(item, Refused)}
    # All pictures, as in training: unreadable ones are dropped first, then those beyond max_images.
    wanted = [(place, path) for place, item in enumerate(batch) if isinstance(item, Review) for path in item.images]
    images = np.zeros((len(batch), most, size, size, 3), np.uint8)
    mask = np.zeros((len(batch), most), np.float32)
    slots: list[list[int | None]] = [[] for _ in batch]
    strict = bundle.about["reading"]["images"]["on_bad"] != "drop-image"
    for index, picture in decode_many([path for _, path in wanted], size):
        place, path = wanted[index]
        slots[place].append(None)
        if isinstance(picture, PictureError):
            if strict:
                refused.setdefault(place, f"picture '{path.name}': {picture}")
            continue
        slot = int(mask[place].sum())
        if slot < most:
            images[place, slot], mask[place, slot], slots[place][-1] = picture, 1.0, slot
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
    return _Inputs(good, arrays, slots, refused)


def _line(bundle: Bundle, item: Review | Refused, error: str | None, explain: bool) -> Prediction:
    explanations = ("modalities", "pictures") if explain else ()
    return {"id": item.id, **dict.fromkeys(bundle.task.record_types), **dict.fromkeys(explanations), "error": error}


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
