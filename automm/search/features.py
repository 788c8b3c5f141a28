"""What frozen encoders yield, computed once and kept.

One file a pair of encoder and data: `<cache>/features/<key>.npy`, float32, memory-mapped, written under a temporary
name and then renamed. The key names the weights, the preprocessing (through the data's own digest) and the engine.
Identical texts and pictures are encoded once, and reviews without a picture cost nothing.
"""

import hashlib
import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from automm.data.arrays import Arrays
from automm.models.encoders import ImageSource, TextSource
from automm.models.heads import Shapes, Statistics

Progress = Callable[[str, int, int], None]  # what, done, of how many


@dataclass(frozen=True)
class Features:
    """The encoded reviews of `arrays`, row for row.

    Attributes:
        arrays: the same reviews, raw.
        text: (distinct texts, text_features) float32.
        text_rows: (n,) int64, a row of `text`.
        image: (distinct pictures, image_features) float32.
    """

    arrays: Arrays
    text: np.ndarray
    text_rows: np.ndarray
    image: np.ndarray

    def __len__(self) -> int:
        return len(self.arrays)

    def shapes(self, classes: int) -> Shapes:
        return Shapes(self.text.shape[1], self.image.shape[1], self.arrays.picture_rows.shape[1], classes)

    def batch(self, rows: np.ndarray) -> dict[str, np.ndarray]:
        """The inputs of a suffix (`models/heads`) for some reviews."""
        chosen = self.arrays.picture_rows[rows]
        image = np.zeros((*chosen.shape, self.image.shape[1]), np.float32)
        real = chosen >= 0
        if real.any():
            image[real] = self.image[chosen[real]]
        return {
            "text": self.text[self.text_rows[rows]],
            "text_mask": self.arrays.text_mask[rows],
            "image": image,
            "image_mask": real.astype(np.float32),
        }

    def statistics(self, train: np.ndarray) -> Statistics:
        """Mean and deviation over the training rows; of pictures, over each real picture of them."""
        texts = self.text_rows[train[self.arrays.text_mask[train] > 0]]
        pictures = self.arrays.picture_rows[train]
        return Statistics(*_moments(self.text, texts), *_moments(self.image, pictures[pictures >= 0]))


def encode(
    arrays: Arrays,
    text_source: TextSource,
    image_source: ImageSource,
    cache: Path,
    *,
    progress: Progress | None = None,
) -> Features:
    """Run each encoder once over the distinct texts and pictures, or find that somebody did.

    The encoders themselves are built only where something is missing in the cache.
    """
    tokens, text_rows = np.unique(arrays.token_ids, axis=0, return_inverse=True)
    text = stored(
        key_of(text_source.fingerprint, hashlib.sha256(tokens.tobytes()).hexdigest()),
        cache,
        len(tokens),
        lambda: _TextBatches(text_source.build(), tokens),
        "texts",
        progress,
    )
    image = stored(
        key_of(image_source.fingerprint, arrays.pixels_digest),
        cache,
        len(arrays.pixels),
        lambda: _ImageBatches(image_source.build(), arrays.pixels),
        "pictures",
        progress,
    )
    return Features(arrays, text, text_rows.reshape(-1), image)


class _TextBatches:
    """Texts by length: a batch is as long as its longest text, not as the longest of all."""

    batch_size = 32

    def __init__(self, encoder: Any, tokens: np.ndarray):
        self.shape = (len(tokens), int(encoder.features))
        self._tokens = tokens
        self._lengths = np.maximum((tokens != 0).sum(axis=1), 1)
        self._encode = compiled_encoder(encoder)
        self.order = np.argsort(self._lengths, kind="stable")

    def places(self, rows: np.ndarray) -> np.ndarray:
        return rows

    def __call__(self, rows: np.ndarray) -> np.ndarray:
        # Lengths go up in steps, so that TensorFlow traces a few shapes and not one for each length.
        longest = min(-(-int(self._lengths[rows].max()) // 8) * 8, self._tokens.shape[1])
        return self._encode(self._tokens[rows, :longest])


class _ImageBatches:
    """Few pictures at a time: the activations of more leave a CPU's caches, and are slower for it."""

    batch_size = 8

    def __init__(self, encoder: Any, pixels: np.ndarray):
        self.shape = (len(pixels), int(encoder.features))
        self._pixels = pixels
        self._encode = compiled_encoder(encoder)
        self.order = np.arange(len(pixels))

    def places(self, rows: np.ndarray) -> np.ndarray:
        return rows

    def __call__(self, rows: np.ndarray) -> np.ndarray:
        return self._encode(self._pixels[rows][:, None])[:, 0]


def compiled_encoder(encoder: Any) -> Callable[[np.ndarray], np.ndarray]:
    """One of the encoders' layers as a graph: a batch of arrays in, an array out."""
    import tensorflow as tf

    function = tf.function(lambda batch: encoder(batch, training=False), reduce_retracing=True, autograph=False)
    return lambda batch: function(tf.convert_to_tensor(batch)).numpy()


class Batches(Protocol):
    """An encoder over its data: what is stored, in which portions, and where each portion goes."""

    shape: Any  # tuple of integers
    batch_size: int
    order: np.ndarray

    def places(self, rows: np.ndarray) -> np.ndarray:
        """The rows of the stored array that some items of `order` fill."""

    def __call__(self, rows: np.ndarray) -> np.ndarray:
        """The values for them."""


def stored(
    key: str,
    cache: Path,
    rows: int,
    open_encoder: Callable[[], Batches],
    what: str,
    progress: Progress | None,
) -> np.ndarray:
    """The array of this key, memory-mapped; encoded now if nobody did before.

    Args:
        rows: the length of the array.
        open_encoder: makes the encoder, only where it is needed.
        what: is being encoded, for people.
    """
    path = cache / "features" / f"{key}.npy"
    found = _read(path, rows) if rows else None
    if found is not None:
        return found
    encoder = open_encoder()
    if rows == 0:  # a memory map cannot be empty
        return np.zeros(encoder.shape, np.float32)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{key[:16]}-", suffix=".part")
    os.close(handle)
    try:
        values = np.lib.format.open_memmap(name, mode="w+", dtype=np.float32, shape=encoder.shape)
        size, count = encoder.batch_size, len(encoder.order)
        for start in range(0, count, size):
            chosen = encoder.order[start : start + size]
            values[encoder.places(chosen)] = encoder(chosen)
            if progress is not None:
                progress(what, min(start + size, count), count)
        values.flush()
        del values
        Path(name).chmod(0o644)  # mkstemp makes it unreadable to the others of a shared cache
        Path(name).replace(path)
    finally:
        Path(name).unlink(missing_ok=True)
    found = _read(path, rows)
    assert found is not None, path
    return found


def _read(path: Path, rows: int) -> np.ndarray | None:
    """The stored features, or None where they are missing, truncated or of another shape."""
    try:
        values = np.load(path, mmap_mode="r", allow_pickle=False)
    except (FileNotFoundError, ValueError, OSError, EOFError):
        return None
    good = values.ndim >= 2 and len(values) == rows and values.dtype == np.float32
    return values if good else None


def key_of(fingerprint: str, data: str) -> str:
    """Names an array: by its encoder, its data and the engine."""
    import keras

    engine = f"keras-{keras.__version__}-{keras.backend.backend()}"
    return hashlib.sha256("\0".join((fingerprint, data, engine)).encode()).hexdigest()


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
