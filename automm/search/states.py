"""What the frozen lower halves of both encoders yield, computed once and kept like features: tier 2 trains on it.

Token states are ragged: a text takes the rows of its own word pieces, not of the longest text.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from automm.data.arrays import Arrays
from automm.search.engines import Engine
from automm.search.features import Features, Progress, Wanted, digest_of, portions, stored
from automm.search.feed import Rows
from automm.search.store import FeatureStore

LENGTHS = 8  # padded lengths go up in steps, so that TensorFlow traces a few shapes and not one for each length


@dataclass(frozen=True)
class States:
    """The lower halves' outputs for the reviews of `arrays`, row for row.

    Attributes:
        arrays: the same reviews, raw.
        tokens: (word pieces of all distinct texts, width) float32, memory-mapped.
        starts: (distinct texts + 1,) int64, where each text begins in `tokens`.
        text_rows: (n,) int64, a distinct text.
        cells: (distinct pictures, height, width, features) float32, memory-mapped.
    """

    arrays: Arrays
    tokens: np.ndarray
    starts: np.ndarray
    text_rows: np.ndarray
    cells: np.ndarray

    @property
    def shapes(self) -> dict[str, tuple[tuple[int | None, ...], str]]:
        """Shape without the batch, and dtype, of each array of a batch that a lower half makes."""
        return {
            "text_states": ((None, self.tokens.shape[1]), "float32"),
            "token_mask": ((None,), "int32"),
            "image_cells": ((self.arrays.picture_rows.shape[1], *self.cells.shape[1:]), "float32"),
        }

    @property
    def lengths(self) -> np.ndarray:
        """(n,) word pieces of each review."""
        return np.diff(self.starts)[self.text_rows]

    def batch(self, rows: np.ndarray) -> dict[str, np.ndarray]:
        """The inputs of a fine-tunable suffix (`models/whole`); texts padded to the longest of them."""
        texts = self.text_rows[rows]
        lengths = self.starts[texts + 1] - self.starts[texts]
        longest = padded(lengths)
        states = np.zeros((len(rows), longest, self.tokens.shape[1]), np.float32)
        mask = (np.arange(longest) < lengths[:, None]).astype(np.int32)
        for row, (text, length) in enumerate(zip(texts, lengths, strict=True)):
            states[row, :length] = self.tokens[self.starts[text] : self.starts[text] + length]
        return {
            "text_states": states,
            "token_mask": mask,
            "text_mask": self.arrays.text_mask[rows],
            "image_cells": self.arrays.of_pictures(self.cells, rows),
            "image_mask": self.arrays.image_mask_of(rows),
            **self.arrays.columns_of(rows),
        }


class Both:
    """Features and states side by side, as far as a model asks for them: `Rows` of an ensemble of both tiers."""

    def __init__(self, features: Features, states: States, names: Sequence[str]):
        self._features, self._states, self._names = features, states, set(names)

    def batch(self, rows: np.ndarray) -> dict[str, np.ndarray]:
        arrays = self._states.batch(rows)
        if self._names & {"text", "image"}:
            arrays |= self._features.batch(rows)
        return {name: array for name, array in arrays.items() if name in self._names}


def encode_states(
    arrays: Arrays,
    text: tuple[str, Any],
    image: tuple[str, Any],
    store: FeatureStore,
    *,
    progress: Progress | None = None,
) -> States:
    """Run each lower half once over the distinct texts and pictures, or find that somebody did.

    Args:
        text, image: an encoder's name, and its lower half.
    """
    (text_name, text_lower), (image_name, image_lower) = text, image
    token_ids, text_rows = np.unique(arrays.token_ids, axis=0, return_inverse=True)
    lengths = np.maximum((token_ids != 0).sum(axis=1), 1)
    starts = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    tokens, _ = stored(
        store,
        Wanted("word pieces", text_name, text_lower.fingerprint, int(starts[-1]), digest_of(token_ids)),
        lambda engine: _Tokens(text_lower, engine, token_ids, starts, progress),
    )
    cells, _ = stored(
        store,
        Wanted("pictures, lower half", image_name, image_lower.fingerprint, len(arrays.pixels), arrays.pixels_digest),
        lambda engine: _Cells(image_lower, engine, arrays.pixels, progress),
    )
    shape = image_lower.backbone.compute_output_shape((1, *arrays.pixels.shape[1:]))[1:]
    return States(arrays, tokens, starts, text_rows.reshape(-1), cells.reshape(-1, *shape))


class _Tokens:
    """Texts by length; each yields a row a word piece."""

    batch_size = 32

    def __init__(
        self, lower: Any, engine: Engine, token_ids: np.ndarray, starts: np.ndarray, progress: Progress | None
    ):
        self.features = int(lower.features)
        self._token_ids, self._starts, self._progress = token_ids, starts, progress
        self._encode = engine.start(lambda batch, training: lower(batch, training=training)[0], np.int32, (None,))

    def batches(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        order = np.argsort(np.diff(self._starts), kind="stable")
        for texts in portions(order, self.batch_size, "texts, lower half", self._progress):
            lengths = self._starts[texts + 1] - self._starts[texts]
            states = self._encode(self._token_ids[texts, : min(padded(lengths), self._token_ids.shape[1])])
            rows = [np.arange(self._starts[text], self._starts[text + 1]) for text in texts]
            values = [state[:length] for state, length in zip(states, lengths, strict=True)]
            yield np.concatenate(rows), np.concatenate(values)


class _Cells:
    """Few pictures at a time, as in `features`; a feature map lies flat in its row."""

    batch_size = 8

    def __init__(self, lower: Any, engine: Engine, pixels: np.ndarray, progress: Progress | None):
        self.features = math.prod(lower.backbone.compute_output_shape((1, *pixels.shape[1:]))[1:])
        self._pixels, self._progress = pixels, progress
        self._encode = engine.start(lower, np.uint8, (1, *pixels.shape[1:]))

    def batches(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        order = np.arange(len(self._pixels))
        for rows in portions(order, self.batch_size, "pictures, lower half", self._progress):
            yield rows, self._encode(self._pixels[rows][:, None]).reshape(len(rows), -1)


def padded(lengths: np.ndarray) -> int:
    """The length that texts of these lengths are padded to."""
    return -(-int(lengths.max()) // LENGTHS) * LENGTHS


def source_of(names: Sequence[str], arrays: Arrays, features: Features, states: Callable[[], States]) -> Rows:
    """What a model with inputs of these names reads. States are asked for only where a name is one of theirs."""
    if "images" in names:
        return arrays
    if {"text_states", "image_cells"} & set(names):
        return Both(features, states(), names)
    return features
