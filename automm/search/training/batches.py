"""Training rows on their way to the graph: shuffled into batches, the batches in portions."""

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
    """Anything that makes a model's inputs for some rows: raw arrays or features."""

    def batch(self, rows: np.ndarray) -> dict[str, np.ndarray]: ...


@dataclass(frozen=True)
class Lacking:
    """`Rows` of reviews that have all lost a modality."""

    source: Rows
    modality: str

    def batch(self, rows: np.ndarray) -> dict[str, np.ndarray]:
        return without(self.source.batch(rows), self.modality, np.ones(len(rows), bool))


@dataclass(frozen=True)
class Epoch:
    """One fold's batches of an epoch, and what else is drawn for them.

    Attributes:
        rows: (steps, size).
        shares: (steps, size) float32: 1 / rows of the batch, 0 where a row is a filler.
        rng: for what the rows shall lose.
        mixing: with mixup: (steps, size) int32, the place in the batch of each row's partner, and (steps,) float32, how
            much of the row itself is kept.
    """

    rows: np.ndarray
    shares: np.ndarray
    rng: np.random.Generator
    mixing: tuple[np.ndarray, np.ndarray] | None


class Batches:
    """One fold's shuffled batches, their order fixed by the seed and the epoch.

    An epoch has `steps` batches of nearly equal size, so that no update hangs on the few rows that were left over.

    Args:
        costs: (all rows,) of each row, or None: rows of like cost come into one batch, and the batches in any order.
        mixup: alpha of the beta distribution of what is kept; 0: rows are not mixed.
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
    """(steps, size) int32: in each batch a permutation of its rows; fillers are their own partners."""
    keys = np.where(shares > 0, rng.random(shares.shape), 2.0)
    return np.argsort(keys, axis=1, kind="stable").astype(np.int32)


@dataclass(frozen=True)
class Feed:
    """What every pass over training rows is given.

    Attributes:
        targets: (all rows, ...) float32, what the loss has prepared.
        portion: steps that are given to the graph at once; None: as many as fit in CHUNK_BYTES.
        dropout: the rate at which modalities are left out (`data/inputs/modalities`).
    """

    source: Rows
    targets: np.ndarray
    convert: Convert | None
    portion: int | None
    dropout: float

    def portions(
        self, epochs: Sequence[Epoch], weights: Sequence[np.ndarray]
    ) -> Iterator[tuple[list[Any], list[dict[str, np.ndarray]]]]:
        """Inputs, and what else a `Criterion` asks for, of a few steps at a time: one of each a fold.

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
        """The steps of an epoch in portions."""
        (steps, size), models = epochs[0].rows.shape, len(epochs)
        portion = self.portion
        if portion is None:
            one = self.source.batch(epochs[0].rows[0, :1])
            arrays = self.convert(one) if self.convert else one
            row_bytes = sum(array.nbytes for array in (arrays.values() if isinstance(arrays, dict) else [arrays]))
            portion = int(np.clip(CHUNK_BYTES // max(1, row_bytes * size * models), 1, CHUNK_STEPS))
        return [slice(start, start + portion) for start in range(0, steps, portion)]

    def _inputs(self, rows: np.ndarray, rng: np.random.Generator) -> Any:
        """The inputs of (steps, size) rows: arrays (steps, size, ...)."""
        flat = self.source.batch(rows.reshape(-1))
        if self.dropout:
            flat = with_dropout(flat, self.dropout, rng)
        if self.convert is not None:
            packed = self.convert(flat)
            return packed.reshape(*rows.shape, *packed.shape[1:])
        return {name: array.reshape(*rows.shape, *array.shape[1:]) for name, array in flat.items()}
