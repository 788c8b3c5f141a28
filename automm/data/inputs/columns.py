"""Metadata and history become numbers: what the training split says of them, and the arrays that it makes.

A numeric column becomes two: its value, the training median where there is none, and 1.0 where there is none. A
categorical column becomes one for each of its frequent values, one for every other value, and one for none.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from automm.data.records.review import Review
from automm.data.sections import Fields

MOST_VALUES = 50  # of one categorical column; rarer ones are "other"
LEAST_REVIEWS = 2  # with a value, or it is "other": so there is something to learn of "other"
OTHER, MISSING = "(other)", "(missing)"


@dataclass(frozen=True)
class Columns:
    """What is learned of the columns of a manifest.

    Attributes:
        medians: of each numeric column; 0.0 of one that is empty in training.
        values: of each categorical column, those with a column of their own, frequent ones first.
        steps: the latest so many steps of a history are kept; 0 where there is none.
    """

    medians: dict[str, float]
    values: dict[str, tuple[str, ...]]
    steps: int

    @classmethod
    def learn(cls, fields: Fields | None, train: Sequence[Review], history_steps: int) -> "Columns":
        """From the training reviews, which `fields` has read."""
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
        """Of `to_dict`, or of its JSON."""
        return cls(plain["medians"], {name: tuple(values) for name, values in plain["values"].items()}, plain["steps"])

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)

    @property
    def names(self) -> list[str]:
        """Of each column of `metadata`: "price", "price (missing)", "brand=acme", "brand (other)", ..."""
        names = [name for column in self.medians for name in (column, f"{column} {MISSING}")]
        for column, values in self.values.items():
            names += [*(f"{column}={value}" for value in values), f"{column} {OTHER}", f"{column} {MISSING}"]
        return names

    def encode(self, reviews: Sequence[Review]) -> dict[str, np.ndarray]:
        """The arrays that there are.

        Returns:
            metadata (n, columns) and metadata_mask (n,) float32, 0.0 where every cell is empty; history and
            history_mask (n, steps) float32, the latest step last, zeros where there is no step or a missing one.
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

    def beyond(self, reviews: Sequence[Review]) -> int:
        """How many steps are older than those that are kept."""
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
    """The shapes of one review in the arrays of `Columns.encode`, at the most, before anything is read."""
    shapes: dict[str, tuple[int, ...]] = {}
    if fields is not None and fields.metadata is not None:
        columns = 2 * len(fields.numeric) + (MOST_VALUES + 2) * len(fields.categorical)
        shapes |= {"metadata": (columns,), "metadata_mask": ()}
    if fields is not None and fields.history:
        shapes |= {"history": (history_steps,), "history_mask": (history_steps,)}
    return shapes
