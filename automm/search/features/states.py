"""States: the outputs of encoders' frozen lower halves, computed once and stored like features. Tier 2 trains on them.

Token states are ragged: a text has a row for each of its word pieces, without padding.
"""

from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any

import numpy as np

from automm.data.inputs.arrays import Arrays
from automm.data.inputs.input_sources import LOWER, PIXELS, TOKEN_MASK, InputSource, source_of_input
from automm.models.whole import EncoderKey
from automm.search.features.encode import (
    EncoderOutputs,
    Job,
    PicturePass,
    Progress,
    TextPass,
    Texts,
    started_once,
)
from automm.search.features.encoded import Features, picture_items
from automm.search.features.encoding_time import EncodingTime, encoding_time
from automm.search.features.load import choose_engine, load_or_encode
from automm.search.features.store import FeatureStore
from automm.search.training.batches import Rows


@dataclass(frozen=True)
class States:
    """The lower halves' outputs for the reviews of `arrays`, row for row.

    Attributes:
        arrays: the raw arrays of the reviews.
        texts: the distinct texts, by encoder.
        lower: by source, memory-mapped float32. Of texts: (word pieces of all distinct texts, width). Of pictures:
            (distinct pictures, height, width, features).
    """

    arrays: Arrays
    texts: Mapping[str, Texts]
    lower: Mapping[InputSource, np.ndarray]

    @property
    def shapes(self) -> dict[str, tuple[tuple[int | None, ...], str]]:
        """Return the shape without the batch, and the dtype, of each input that comes from a lower half."""
        shapes: dict[str, tuple[tuple[int | None, ...], str]] = {}
        for source, values in self.lower.items():
            if source.modality == "text":
                shapes[source.name] = (None, values.shape[1]), "float32"
                shapes[_token_mask(source).name] = (None,), "int32"
            else:
                shapes[source.name] = (self.arrays.picture_rows.shape[1], *values.shape[1:]), "float32"
        return shapes

    def batch(self, rows: np.ndarray) -> dict[str, np.ndarray]:
        """Return the inputs of a fine-tunable suffix (`models/whole`); texts are padded to the longest of the batch."""
        batch = {"text_mask": self.arrays.text_mask[rows], "image_mask": self.arrays.image_mask_of(rows)}
        batch |= self.arrays.columns_of(rows)
        for source, values in self.lower.items():
            if source.modality == "text":
                batch[source.name], batch[_token_mask(source).name] = self.texts[source.encoder].padded(values, rows)
            else:
                batch[source.name] = self.arrays.of_pictures(values, rows)
        return batch


def _token_mask(states: InputSource) -> InputSource:
    return InputSource(states.modality, states.encoder, TOKEN_MASK)


class StatesAndFeatures:
    """`Rows` of a model that reads states and possibly features, for example an ensemble of both tiers.

    Args:
        names: the names of the model's inputs, which are short in older run folders.
    """

    def __init__(self, features: Features, states: States, names: Sequence[str]):
        self._states = states
        self._sources = {name: source_of_input(name).of(features.encoders) for name in names}
        ready = {*states.shapes, *features.arrays.columns, "text_mask", "image_mask"}
        self._features = features.only([s.name for s in self._sources.values() if s.name not in ready])

    def batch(self, rows: np.ndarray) -> dict[str, np.ndarray]:
        arrays = self._states.batch(rows) | self._features.batch(rows)
        return {name: arrays[source.name] for name, source in self._sources.items()}


@dataclass(frozen=True)
class RawAndOther:
    """`Rows` of a whole model, which reads some of the raw arrays, or of an ensemble of such a model and of suffixes.

    Attributes:
        others: the source of the inputs that are no arrays; None: there are none.
        names: the names of the model's inputs.
    """

    arrays: Arrays
    others: Rows | None
    names: Sequence[str]

    def batch(self, rows: np.ndarray) -> dict[str, np.ndarray]:
        arrays = self.arrays.batch(rows, self.names) | ({} if self.others is None else self.others.batch(rows))
        return {name: arrays[name] for name in self.names}


def encode_states(
    arrays: Arrays,
    lowers: Sequence[Any],
    store: FeatureStore,
    *,
    progress: Progress | None = None,
) -> States:
    """Run each lower half once over the distinct texts or pictures that the store lacks.

    Args:
        lowers: the lower half of each encoder.
    """
    texts = _texts(arrays, lowers)
    values = {}
    for lower in lowers:
        job = _job(lower, arrays, texts)
        stored, _ = load_or_encode(store, job, choose_engine(job), progress)
        values[lower.sources[0]] = _in_shape(lower, arrays, stored[lower.sources[0].short_name])
    return States(arrays, texts, values)


def states_time(arrays: Arrays, lowers: Sequence[Any], store: FeatureStore) -> EncodingTime:
    """Measure how long `encode_states` will take; its arguments."""
    texts = _texts(arrays, lowers)
    jobs = [_job(lower, arrays, texts) for lower in lowers]
    return sum((encoding_time(store, job, choose_engine(job).engine) for job in jobs), EncodingTime())


def _texts(arrays: Arrays, lowers: Sequence[Any]) -> dict[str, Texts]:
    """Return the distinct texts, by encoder."""
    names = [lower.encoder for lower in lowers if lower.modality == "text"]
    return {name: Texts.of(arrays.tokens[name]) for name in names}


def _job(lower: Any, arrays: Arrays, texts: Mapping[str, Texts]) -> Job:
    name = lower.sources[0].short_name
    if lower.modality == "text":
        what, own, start = "texts, lower half", texts[lower.encoder], started_once(lambda names: lower, TextPass.inputs)
        return Job(
            EncoderOutputs(what, lower.encoder, lower.fingerprint, own.items, [name], ragged=frozenset([name])),
            lambda engine, keys, to_encode, progress: TextPass(
                start(engine, (name,)), keys, own, to_encode, progress, what
            ),
        )
    what, pictures = "pictures, lower half", arrays.pictures[lower.encoder]
    start = started_once(lambda names: lower, PicturePass.inputs(pictures.pixels))
    return Job(
        EncoderOutputs(what, lower.encoder, lower.fingerprint, picture_items(pictures), [name]),
        lambda engine, keys, to_encode, progress: PicturePass(
            start(engine, (name,)), keys, pictures.pixels, to_encode, progress, what
        ),
    )


def _in_shape(lower: Any, arrays: Arrays, values: np.ndarray) -> np.ndarray:
    """Return values as in `States.lower`: a feature map is stored flat in one row."""
    if lower.modality == "text":
        return values
    pixels = arrays.pictures[lower.encoder].pixels
    return values.reshape(-1, *lower.backbone.compute_output_shape((1, *pixels.shape[1:]))[1:])


def input_rows(
    names: Sequence[str], arrays: Arrays, features: Features, states: Callable[[Set[EncoderKey]], States]
) -> Rows:
    """Return the source of input rows that matches the input names of a model.

    Args:
        states: called if the model reads states, with the encoders whose states it reads.
    """
    sources = {name: source_of_input(name).of(features.encoders) for name in names}
    if any(source.is_raw and source.how != PIXELS for source in sources.values()):
        others = [name for name, source in sources.items() if not source.is_array]
        return RawAndOther(arrays, input_rows(others, arrays, features, states) if others else None, names)
    lower = frozenset((source.modality, source.encoder) for source in sources.values() if source.how == LOWER)
    if lower:
        return StatesAndFeatures(features, states(lower), names)
    return features.only(names)
