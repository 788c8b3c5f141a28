"""What frozen encoders yield, computed once and kept.

What is encoded, and on which engine, stands here; where it is kept, in `search/store`. An entry's key names the
weights, the preprocessing (through the data's own digest) and the engine. Identical texts and pictures are encoded
once, and reviews without a picture cost nothing.
"""

import hashlib
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from automm.data.arrays import Arrays
from automm.models.encoders import ImageSource, TextSource
from automm.models.heads import Shapes, Statistics
from automm.search.engines import Engine, engine_for
from automm.search.store import Encoding, FeatureStore
from automm.search.store_format import About

Progress = Callable[[str, int, int], None]  # what, done, of how many

log = logging.getLogger("automm")


@dataclass(frozen=True)
class Features:
    """The encoded reviews of `arrays`, row for row.

    Attributes:
        arrays: the same reviews, raw.
        text: (distinct texts, text_features) float32.
        text_rows: (n,) int64, a row of `text`.
        image: (distinct pictures, image_features) float32.
        engines: what the 'text' and the 'image' encoder ran on.
    """

    arrays: Arrays
    text: np.ndarray
    text_rows: np.ndarray
    image: np.ndarray
    engines: dict[str, str]

    def __len__(self) -> int:
        return len(self.arrays)

    def shapes(self, classes: int) -> Shapes:
        columns = {name: array.shape[1:] for name, array in self.arrays.columns.items()}
        return Shapes(self.text.shape[1], self.image.shape[1], self.arrays.picture_rows.shape[1], classes, columns)

    def batch(self, rows: np.ndarray) -> dict[str, np.ndarray]:
        """The inputs of a suffix (`models/heads`) for some reviews."""
        return {
            "text": self.text[self.text_rows[rows]],
            "text_mask": self.arrays.text_mask[rows],
            "image": self.arrays.of_pictures(self.image, rows),
            "image_mask": self.arrays.image_mask_of(rows),
            **self.arrays.columns_of(rows),
        }

    def statistics(self, train: np.ndarray) -> Statistics:
        """Mean and deviation over the training rows; of pictures and steps, over each real one of them."""
        texts = self.text_rows[train[self.arrays.text_mask[train] > 0]]
        pictures = self.arrays.picture_rows[train]
        found = {"text": _moments(self.text, texts), "image": _moments(self.image, pictures[pictures >= 0])}
        if self.arrays.labels.dtype == np.float32:
            found["label"] = _moments(self.arrays.labels[:, None], train)
        columns = self.arrays.columns_of(train)
        if "metadata" in columns:
            found["metadata"] = _of_columns(columns["metadata"])
        if "history" in columns:
            steps = columns["history"][columns["history_mask"] > 0][:, None]
            found["history"] = _moments(steps, np.arange(len(steps)))
        return found


def encode(
    arrays: Arrays,
    text_source: TextSource,
    image_source: ImageSource,
    store: FeatureStore,
    *,
    progress: Progress | None = None,
) -> Features:
    """Run each encoder once over the distinct texts and pictures, or find that somebody did.

    The encoders themselves are built only where something is missing in the store.
    """
    tokens, text_rows = np.unique(arrays.token_ids, axis=0, return_inverse=True)
    text, text_engine = stored(
        store,
        Wanted("texts", text_source.name, text_source.fingerprint, len(tokens), digest_of(tokens)),
        lambda engine: _Texts(text_source.build(), engine, tokens, progress),
    )
    image, image_engine = stored(
        store,
        Wanted("pictures", image_source.name, image_source.fingerprint, len(arrays.pixels), arrays.pixels_digest),
        lambda engine: _Pictures(image_source.build(), engine, arrays.pixels, progress),
    )
    return Features(arrays, text, text_rows.reshape(-1), image, {"text": text_engine, "image": image_engine})


@dataclass(frozen=True)
class Wanted:
    """What an encoder is to yield: `what` for people, so many rows, of data by its digest."""

    what: str
    encoder: str
    fingerprint: str
    rows: int
    digest: str


def stored(store: FeatureStore, wanted: Wanted, encoding: Callable[[Engine], Encoding]) -> tuple[np.ndarray, str]:
    """The features from the store, encoded now if nobody did before; and the version of the engine that they ran on."""
    engine = engine_for(wanted.encoder, wanted.rows)
    if wanted.rows == 0:  # a memory map cannot be empty
        return np.zeros((0, encoding(engine).features), np.float32), engine.version
    log.info("%d %s: %s on %s", wanted.rows, wanted.what, wanted.encoder, engine.version)
    key = hashlib.sha256("\0".join((wanted.fingerprint, wanted.digest, engine.version)).encode()).hexdigest()
    about = About(wanted.what, wanted.encoder, engine.version, wanted.rows)
    return store.get(key, about, lambda: encoding(engine)), engine.version


def digest_of(tokens: np.ndarray) -> str:
    """Names the content of an array."""
    return hashlib.sha256(tokens.tobytes()).hexdigest()


class _Texts:
    """Texts by length: a batch is as long as its longest text, not as the longest of all."""

    batch_size = 32

    def __init__(self, encoder: Any, engine: Engine, tokens: np.ndarray, progress: Progress | None):
        self.features = int(encoder.features)
        self._tokens = tokens
        self._encode = engine.start(encoder, np.int32, (None,))
        self._progress = progress

    def batches(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        lengths = np.maximum((self._tokens != 0).sum(axis=1), 1)
        for rows in portions(np.argsort(lengths, kind="stable"), self.batch_size, "texts", self._progress):
            # Lengths go up in steps, so that TensorFlow traces a few shapes and not one for each length.
            longest = min(-(-int(lengths[rows].max()) // 8) * 8, self._tokens.shape[1])
            yield rows, self._encode(self._tokens[rows, :longest])


class _Pictures:
    """Few pictures at a time: the activations of more leave a CPU's caches, and are slower for it."""

    batch_size = 8

    def __init__(self, encoder: Any, engine: Engine, pixels: np.ndarray, progress: Progress | None):
        self.features = int(encoder.features)
        self._pixels = pixels
        self._encode = engine.start(encoder, np.uint8, (1, *pixels.shape[1:]))
        self._progress = progress

    def batches(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        for rows in portions(np.arange(len(self._pixels)), self.batch_size, "pictures", self._progress):
            yield rows, self._encode(self._pixels[rows][:, None])[:, 0]


def portions(order: np.ndarray, size: int, what: str, progress: Progress | None) -> Iterator[np.ndarray]:
    """`size` rows at a time; those that were asked for and written count as progress."""
    for start in range(0, len(order), size):
        yield order[start : start + size]
        if progress is not None:
            progress(what, min(start + size, len(order)), len(order))


def _of_columns(metadata: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Indicators stay 0 and 1: divided by its deviation, a rare one would outweigh all numbers."""
    mean, deviation = _moments(metadata, np.arange(len(metadata)))
    indicator = np.isin(metadata, (0.0, 1.0)).all(axis=0)
    return np.where(indicator, np.float32(0), mean), np.where(indicator, np.float32(1), deviation)


def _moments(values: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and deviation of some rows of a memory-mapped array, a portion at a time."""
    features = values.shape[1]
    if len(rows) == 0:  # a modality that the training split does not have
        return np.zeros(features, np.float32), np.ones(features, np.float32)
    mean, squares = np.zeros(features), np.zeros(features)
    portions = [rows[start : start + 4096] for start in range(0, len(rows), 4096)]
    for portion in portions:
        mean += values[portion].sum(axis=0, dtype=np.float64)
    mean /= len(rows)
    for portion in portions:
        squares += ((values[portion] - mean) ** 2).sum(axis=0)
    return mean.astype(np.float32), np.sqrt(squares / len(rows)).astype(np.float32)
