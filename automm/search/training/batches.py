"""Shuffle training rows into batches, and give the batches to the graph in portions."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from automm.data.inputs.modalities import with_dropout, without

CHUNK_BYTES = 48 * 2**20  # inputs given to the graph at once: enough to be quick, little beside everything else
CHUNK_STEPS = 64

Convert = Callable[[dict[str, np.ndarray]], Any]  # the last step to what a model takes: packing


class Rows(Protocol):
    """Makes a model's inputs for some rows: raw arrays or features."""

    def batch(self, rows: np.ndarray) -> dict[str, np.ndarray]: ...


@dataclass(frozen=True)
class Lacking:
    """`Rows` of reviews that all lack a modality."""

    source: Rows
    modality: str

    def batch(self, rows: np.ndarray) -> dict[str, np.ndarray]:
        return without(self.source.batch(rows), self.modality, np.ones(len(rows), bool))


@dataclass(frozen=True)
class Epoch:
    """One fold's batches of an epoch, and the random draws that belong to them.

    Attributes:
        rows: (steps, size).
        shares: (steps, size) float32: 1 / rows of the batch, 0 where a row is a filler.
        rng: draws which modalities rows lose.
        mixing: with mixup: (steps, size) int32, the place in the batch of each row's partner, and (steps,) float32, how
            much of the row itself is kept.
    """

    rows: np.ndarray
    shares: np.ndarray
    rng: np.random.Generator
    mixing: tuple[np.ndarray, np.ndarray] | None


class Batches:
    """One fold's shuffled batches, their order fixed by the seed and the epoch.

    An epoch has `steps` batches of nearly equal size: no update is computed from a few rows that were left over.

    Args:
        costs: (all rows,) the cost of each row, or None: rows of similar cost share a batch, and batches are shuffled.
        mixup: alpha of the beta distribution of each row's own share; 0: rows are not mixed.
    """

    def __init__(
        self,
        rows: np.ndarray,
        steps: int,
        seed: Sequence[int],
        costs: np.ndarray | None = None,
        mixup: float = 0.0,
    ):
        self._rows, self._steps, self._seed, self._costs, self._mixup = rows, steps, tuple(seed), costs, mixup
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
        mixing = None
        if self._mixup:
            kept = rng.beta(self._mixup, self._mixup, self._steps).astype(np.float32)
            mixing = partners(shares, rng), kept
        return Epoch(rows, shares, rng, mixing)


def partners(shares: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return (steps, size) int32, a permutation of the rows in each batch; fillers are their own partners."""
    keys = np.where(shares > 0, rng.random(shares.shape), 2.0)
    return np.argsort(keys, axis=1, kind="stable").astype(np.int32)


@dataclass(frozen=True)
class Feed:
    """The inputs and targets of training rows, portion by portion.

    Attributes:
        targets: (all rows, ...) float32, as the loss has prepared them.
        portion: steps that the graph gets at once; None: as many as fit in CHUNK_BYTES.
        dropout: the rate at which reviews lose modalities (`data/inputs/modalities`).
    """

    source: Rows
    targets: np.ndarray
    convert: Convert | None
    portion: int | None
    dropout: float

    def portions(
        self, epochs: Sequence[Epoch], weights: Sequence[np.ndarray]
    ) -> Iterator[tuple[list[Any], list[dict[str, np.ndarray]]]]:
        """Yield the inputs and the other arguments of a `Criterion` for a few steps at a time, one of each for a fold.

        Args:
            weights: (all rows,) float32 of each fold.
        """
        for chunk in self._chunks(epochs):
            inputs, parts = [], []
            for epoch, weight in zip(epochs, weights, strict=True):
                rows = epoch.rows[chunk]
                inputs.append(self._inputs(rows, epoch.rng))
                parts.append({"targets": self.targets[rows], "weights": weight[rows] * epoch.shares[chunk]})
                if epoch.mixing is not None:
                    parts[-1] |= {"partners": epoch.mixing[0][chunk], "kept": epoch.mixing[1][chunk]}
            yield inputs, parts

    def _chunks(self, epochs: Sequence[Epoch]) -> list[slice]:
        """Cut the steps of an epoch into portions."""
        (steps, size), models = epochs[0].rows.shape, len(epochs)
        portion = self.portion
        if portion is None:
            one = self.source.batch(epochs[0].rows[0, :1])
            arrays = self.convert(one) if self.convert else one
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
