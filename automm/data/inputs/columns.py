"""Encode metadata and history as numbers, with medians and values learned from the training split.

A numeric column becomes two: its value (the training median if it is missing), and 1.0 if it is missing. A categorical
column becomes one per frequent value, one for all other values, and one for a missing value.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from automm.data.records.review import Review
from automm.data.sections import Fields

MOST_VALUES = 50  # values of one categorical column; rarer ones are "other"
LEAST_REVIEWS = 2  # a value of fewer training reviews is "other", which gives "other" some reviews to learn from
OTHER, MISSING = "(other)", "(missing)"


@dataclass(frozen=True)
class Columns:
    """The encoding of the columns of a manifest, learned from the training split.

    Attributes:
        medians: the median of each numeric column; 0.0 if it is empty in training.
        values: the frequent values of each categorical column, most frequent first.
        steps: the number of latest steps of a history that are kept; 0 without a history.
    """

    medians: dict[str, float]
    values: dict[str, tuple[str, ...]]
    steps: int

    @classmethod
    def learn(cls, fields: Fields | None, train: Sequence[Review], history_steps: int) -> "Columns":
        """Learn the encoding from the training reviews, which were read with `fields`."""
        if fields is None:
            return cls({}, {}, 0)
        medians = {}
        for place, column in enumerate(fields.numeric):
            known = [number for review in train if (number := review.numbers[place]) is not None]
            medians[column] = float(np.median(known)) if known else 0.0
        values = {}
        for place, column in enumerate(fields.categorical):
            counts = Counter(value for review in train if (value := review.categories[place]))
            frequent = [value for value, count in counts.items() if count >= LEAST_REVIEWS]
            values[column] = tuple(sorted(frequent, key=lambda value: (-counts[value], value))[:MOST_VALUES])
        return cls(medians, values, history_steps if fields.history else 0)

    @classmethod
    def from_dict(cls, plain: dict[str, Any]) -> "Columns":
        """Restore the encoding from `to_dict`, or from its JSON."""
        return cls(plain["medians"], {name: tuple(values) for name, values in plain["values"].items()}, plain["steps"])

    def to_dict(self) -> dict[str, Any]:
        """Return plain values that JSON can hold."""
        return asdict(self)

    @property
    def names(self) -> list[str]:
        """The name of each column of `metadata`: "price", "price (missing)", "brand=acme", "brand (other)", ..."""
        names = [name for column in self.medians for name in (column, f"{column} {MISSING}")]
        for column, values in self.values.items():
            names += [*(f"{column}={value}" for value in values), f"{column} {OTHER}", f"{column} {MISSING}"]
        return names

    def encode(self, reviews: Sequence[Review]) -> dict[str, np.ndarray]:
        """Encode reviews; the result has only the arrays of columns that the manifest names.

        Returns:
            metadata (n, columns) float32, and metadata_mask (n,) float32, 0.0 if every cell is empty; history and
            history_mask (n, steps) float32, the latest step last, zeros if there is no step or a missing one.
        """
        arrays = {}
        if self.names:
            arrays["metadata"] = self._metadata(reviews)
            known = [any(n is not None for n in r.numbers) or any(r.categories) for r in reviews]
            arrays["metadata_mask"] = np.array(known, np.float32)
        if self.steps:
            history = np.zeros((len(reviews), self.steps), np.float32)
            mask = np.zeros_like(history)
            for row, review in enumerate(reviews):
                for place, step in enumerate(reversed(review.history[-self.steps :]), 1):
                    if step is not None:
                        history[row, -place], mask[row, -place] = step, 1.0
            arrays |= {"history": history, "history_mask": mask}
        return arrays

    def dropped_steps(self, reviews: Sequence[Review]) -> int:
        """Count the steps of histories that are older than the kept ones."""
        return sum(max(0, len(review.history) - self.steps) for review in reviews)

    def _metadata(self, reviews: Sequence[Review]) -> np.ndarray:
        array = np.zeros((len(reviews), len(self.names)), np.float32)
        column = 0
        for place, median in enumerate(self.medians.values()):
            for row, review in enumerate(reviews):
                known = review.numbers[place]
                array[row, column : column + 2] = (median, 1.0) if known is None else (known, 0.0)
            column += 2
        for place, values in enumerate(self.values.values()):
            number = {value: position for position, value in enumerate(values)}
            other, missing = len(values), len(values) + 1
            for row, review in enumerate(reviews):
                cell = review.categories[place]
                array[row, column + number.get(cell, other if cell else missing)] = 1.0
            column += len(values) + 2
        return array


def largest_shapes(fields: Fields | None, history_steps: int) -> dict[str, tuple[int, ...]]:
    """Return the largest possible shapes of one review in the arrays of `Columns.encode`, before data are read."""
    shapes: dict[str, tuple[int, ...]] = {}
    if fields is not None and fields.metadata is not None:
        columns = 2 * len(fields.numeric) + (MOST_VALUES + 2) * len(fields.categorical)
        shapes |= {"metadata": (columns,), "metadata_mask": ()}
    if fields is not None and fields.history:
        shapes |= {"history": (history_steps,), "history_mask": (history_steps,)}
    return shapes
