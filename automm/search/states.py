"""What the frozen lower halves of both encoders yield, computed once and kept like features: tier 2 trains on it.

Token states are ragged: a text takes the rows of its own word pieces, not of the longest text.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from automm.data.arrays import Arrays
from automm.search.features import Features, Progress, compiled_encoder, key_of, stored
from automm.search.train import Rows

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

    def batch(self, rows: np.ndarray) -> dict[str, np.ndarray]:
        """The inputs of a fine-tunable suffix (`models/whole`); texts padded to the longest of them."""
        texts = self.text_rows[rows]
        lengths = self.starts[texts + 1] - self.starts[texts]
        longest = -(-int(lengths.max()) // LENGTHS) * LENGTHS
        states = np.zeros((len(rows), longest, self.tokens.shape[1]), np.float32)
        mask = (np.arange(longest) < lengths[:, None]).astype(np.int32)
        for row, (text, length) in enumerate(zip(texts, lengths, strict=True)):
            states[row, :length] = self.tokens[self.starts[text] : self.starts[text] + length]
        chosen = self.arrays.picture_rows[rows]
        cells = np.zeros((*chosen.shape, *self.cells.shape[1:]), np.float32)
        real = chosen >= 0
        if real.any():
            cells[real] = self.cells[chosen[real]]
        return {
            "text_states": states,
            "token_mask": mask,
            "text_mask": self.arrays.text_mask[rows],
            "image_cells": cells,
            "image_mask": real.astype(np.float32),
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
    arrays: Arrays, text_lower: Any, image_lower: Any, cache: Path, *, progress: Progress | None = None
) -> States:
    """Run each lower half once over the distinct texts and pictures, or find that somebody did."""
    token_ids, text_rows = np.unique(arrays.token_ids, axis=0, return_inverse=True)
    lengths = np.maximum((token_ids != 0).sum(axis=1), 1)
    starts = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    tokens = stored(
        key_of(text_lower.fingerprint, hashlib.sha256(token_ids.tobytes()).hexdigest()),
        cache,
        int(starts[-1]),
        lambda: _TokenBatches(text_lower, token_ids, starts),
        "texts, lower half",
        progress,
    )
    cells = stored(
        key_of(image_lower.fingerprint, arrays.pixels_digest),
        cache,
        len(arrays.pixels),
        lambda: _CellBatches(image_lower, arrays.pixels),
        "pictures, lower half",
        progress,
    )
    return States(arrays, tokens, starts, text_rows.reshape(-1), cells)


class _TokenBatches:
    """Texts by length; each yields a row a word piece."""

    batch_size = 32

    def __init__(self, lower: Any, token_ids: np.ndarray, starts: np.ndarray):
        self.shape = (int(starts[-1]), int(lower.features))
        self._token_ids, self._starts = token_ids, starts
        self._encode = compiled_encoder(lambda batch, training: lower(batch, training=training)[0])
        self.order = np.argsort(np.diff(starts), kind="stable")

    def places(self, rows: np.ndarray) -> np.ndarray:
        return np.concatenate([np.arange(self._starts[row], self._starts[row + 1]) for row in rows])

    def __call__(self, rows: np.ndarray) -> np.ndarray:
        lengths = self._starts[rows + 1] - self._starts[rows]
        longest = min(-(-int(lengths.max()) // LENGTHS) * LENGTHS, self._token_ids.shape[1])
        states = self._encode(self._token_ids[rows, :longest])
        return np.concatenate([state[:length] for state, length in zip(states, lengths, strict=True)])


class _CellBatches:
    """Few pictures at a time, as in `features`."""

    batch_size = 8

    def __init__(self, lower: Any, pixels: np.ndarray):
        one = lower.backbone.compute_output_shape((1, *pixels.shape[1:]))
        self.shape = (len(pixels), *(int(size) for size in one[1:]))
        self._pixels = pixels
        self._encode = compiled_encoder(lower)
        self.order = np.arange(len(pixels))

    def places(self, rows: np.ndarray) -> np.ndarray:
        return rows

    def __call__(self, rows: np.ndarray) -> np.ndarray:
        return self._encode(self._pixels[rows][:, None])[:, 0]


def source_of(names: Sequence[str], arrays: Arrays, features: Features, states: Any) -> Rows:
    """What a model with inputs of these names reads.

    Args:
        states: () -> States, asked for only where a name is one of theirs.
    """
    if "images" in names:
        return arrays
    if {"text_states", "image_cells"} & set(names):
        return Both(features, states(), names)
    return features
