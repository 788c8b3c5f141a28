"""Shuffle training rows into batches, and pass the batches to the graph in portions."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from automm.data.inputs.modalities import with_dropout, without

CHUNK_BYTES = 48 * 2**20  # inputs passed to the graph at once: enough to be fast, little compared to other memory
CHUNK_STEPS = 64

Convert = Callable[[dict[str, np.ndarray]], Any]  # the last conversion of a batch for a model: packing


class Rows(Protocol):
    """Builds a model's inputs for some rows, from raw arrays or features."""

    def batch(self, rows: np.ndarray) -> dict[str, np.ndarray]: ...


@dataclass(frozen=True)
class WithoutModality:
    """`Rows` with one modality masked in all reviews."""

    source: Rows
    modality: str

    def batch(self, rows: np.ndarray) -> dict[str, np.ndarray]:
        return without(self.source.batch(rows), self.modality, np.ones(len(rows), bool))


@dataclass(frozen=True)
class Epoch:
    """The batches of one fold in one epoch, and their random draws.

    Attributes:
        rows: (steps, size) int64.
        shares: (steps, size) float32: 1 / the number of real rows in the batch, 0 for padding rows.
        rng: the generator for modality dropout.
    """

    rows: np.ndarray
    shares: np.ndarray
    rng: np.random.Generator


class Batches:
    """The shuffled batches of one fold; their order is determined by the seed and the epoch.

    An epoch has `steps` batches of nearly equal size, so there is no small last batch.

    Args:
        costs: (all rows,) the cost of each row: rows of similar cost share a batch, and batches are shuffled. None: the
            rows are shuffled.
    """

    def __init__(self, rows: np.ndarray, steps: int, seed: Sequence[int], costs: np.ndarray | None = None):
        self._rows, self._steps, self._seed, self._costs = rows, steps, tuple(seed), costs
        self.size = math.ceil(len(rows) / steps)

    def epoch(self, number: int) -> Epoch:
        rng = np.random.default_rng((*self._seed, number))
        order = rng.permutation(self._rows)
        if self._costs is not None:
            order = order[np.argsort(self._costs[order], kind="stable")]
        parts = np.array_split(order, self._steps)
        if self._costs is not None:
            parts = [parts[place] for place in rng.permutation(self._steps)]
        rows = np.full((self._steps, self.size), self._rows[0])
        shares = np.zeros((self._steps, self.size), np.float32)
        for step, part in enumerate(parts):
            rows[step, : len(part)], shares[step, : len(part)] = part, 1.0 / max(1, len(part))
        return Epoch(rows, shares, rng)


@dataclass(frozen=True)
class Feed:
    """Provides the inputs and targets of training rows in portions.

    Attributes:
        targets: (all rows, ...) float32, from `Loss.prepare`.
        convert: applied to each batch, or None.
        portion: the number of steps that the graph gets at once; None: as many as fit in CHUNK_BYTES.
        dropout: the rate of modality dropout (`data/inputs/modalities`).
    """

    source: Rows
    targets: np.ndarray
    convert: Convert | None
    portion: int | None
    dropout: float

    def portions(
        self, epochs: Sequence[Epoch], weights: Sequence[np.ndarray]
    ) -> Iterator[tuple[list[Any], list[dict[str, np.ndarray]]]]:
        """Yield the inputs, and the targets and weights (`step.loss_of`), of a few steps; one of each per fold.

        Args:
            weights: the row weights of each fold, (all rows,) float32.
        """
        for chunk in self._chunks(epochs):
            inputs, parts = [], []
            for epoch, weight in zip(epochs, weights, strict=True):
                rows = epoch.rows[chunk]
                inputs.append(self._inputs(rows, epoch.rng))
                parts.append({"targets": self.targets[rows], "weights": weight[rows] * epoch.shares[chunk]})
            yield inputs, parts

    def _chunks(self, epochs: Sequence[Epoch]) -> list[slice]:
        """Divide the steps of an epoch into portions."""
        (steps, size), models = epochs[0].rows.shape, len(epochs)
        portion = self.portion
        if portion is None:
            batch = self.source.batch(epochs[0].rows[0, :1])
            arrays = self.convert(batch) if self.convert else batch
            row_bytes = sum(array.nbytes for array in (arrays.values() if isinstance(arrays, dict) else [arrays]))
            portion = int(np.clip(CHUNK_BYTES // max(1, row_bytes * size * models), 1, CHUNK_STEPS))
        return [slice(start, start + portion) for start in range(0, steps, portion)]

    def _inputs(self, rows: np.ndarray, rng: np.random.Generator) -> Any:
        """Return the inputs of (steps, size) rows: arrays (steps, size, ...)."""
        flat = self.source.batch(rows.reshape(-1))
        if self.dropout:
            flat = with_dropout(flat, self.dropout, rng)
        if self.convert is not None:
            packed = self.convert(flat)
            return packed.reshape(*rows.shape, *packed.shape[1:])
        return {name: array.reshape(*rows.shape, *array.shape[1:]) for name, array in flat.items()}
