"""Encode metadata and history as numbers or text, with medians and values learned from the training split.

A numeric column becomes two: its value (the training median if it is missing), and 1.0 if it is missing. A categorical
column becomes one per frequent value, one for all other values, and one for a missing value. With `inputs.categories`
categorical columns become lines of the text (`brand: Acme`) instead, or both.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from automm.config.inputs import TEXT, TOWER, Categories, Inputs
from automm.data.records.review import Review
from automm.data.sections import Fields

MOST_VALUES = 50  # values of one categorical column; rarer ones are "other"
LEAST_REVIEWS = 2  # a value of fewer training reviews is "other", which gives "other" some reviews to learn from
MOST_CHARACTERS = 100  # of a value that is written into the text; more would displace the text itself
OTHER, MISSING = "(other)", "(missing)"


@dataclass(frozen=True)
class Columns:
    """The encoding of the columns of a manifest, learned from the training split.

    Attributes:
        medians: the median of each numeric column; 0.0 if it is empty in training.
        values: the frequent values of each categorical column, most frequent first.
        steps: the number of latest steps of a history that are kept; 0 without a history.
        categories: where categorical columns are read: in numbers (`tower`), in the text, or in both.
    """

    medians: dict[str, float]
    values: dict[str, tuple[str, ...]]
    steps: int
    categories: Categories = TOWER

    @classmethod
    def learn(
        cls, fields: Fields | None, train: Sequence[Review], history_steps: int, categories: Categories = TOWER
    ) -> "Columns":
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
        return cls(medians, values, history_steps if fields.history else 0, categories)

    @classmethod
    def from_dict(cls, plain: dict[str, Any]) -> "Columns":
        """Restore the encoding from `to_dict`, or from its JSON."""
        values = {name: tuple(values) for name, values in plain["values"].items()}
        return cls(plain["medians"], values, plain["steps"], plain.get("categories", TOWER))  # absent in earlier runs

    def to_dict(self) -> dict[str, Any]:
        """Return plain values that JSON can hold."""
        return asdict(self)

    @property
    def in_text(self) -> tuple[str, ...]:
        """The categorical columns that are written into the text."""
        return () if self.categories == TOWER else tuple(self.values)

    @property
    def in_tower(self) -> dict[str, tuple[str, ...]]:
        """The categorical columns that become numbers, and their frequent values."""
        return {} if self.categories == TEXT else self.values

    @property
    def names(self) -> list[str]:
        """The name of each column of `metadata`: "price", "price (missing)", "brand=acme", "brand (other)", ..."""
        names = [name for column in self.medians for name in (column, f"{column} {MISSING}")]
        for column, values in self.in_tower.items():
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
            known = [any(n is not None for n in r.numbers) or any(r.categories[: len(self.in_tower)]) for r in reviews]
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

    def texts(self, reviews: Sequence[Review]) -> list[str]:
        """Return the texts that encoders and words read: a line for each category, then the review's own text.

        A line is `brand: Acme`; a missing category has none. Categories come first, because encoders cut the ends of
        long texts. Runs of white space in a value become one space, so that a value cannot begin a line of its own;
        what is over MOST_CHARACTERS is cut (`cut_values`).
        """
        if not self.in_text:
            return [review.text for review in reviews]
        names = [_one_line(name) for name in self.in_text]
        texts = []
        for review in reviews:
            pairs = zip(names, review.categories, strict=True)
            lines = [f"{name}: {_one_line(value)}" for name, value in pairs if value]
            texts.append("\n".join([*lines, review.text] if review.text else lines))
        return texts

    def without(self, column: str, review: Review) -> Review:
        """Return a review without its category of a column."""
        place = list(self.values).index(column)
        return replace(review, categories=(*review.categories[:place], "", *review.categories[place + 1 :]))

    def cut_values(self, reviews: Sequence[Review]) -> int:
        """Count the values that are written into a text in part."""
        if not self.in_text:
            return 0
        return sum(len(" ".join(value.split())) > MOST_CHARACTERS for review in reviews for value in review.categories)

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
        for place, values in enumerate(self.in_tower.values()):
            number = {value: position for position, value in enumerate(values)}
            other, missing = len(values), len(values) + 1
            for row, review in enumerate(reviews):
                cell = review.categories[place]
                array[row, column + number.get(cell, other if cell else missing)] = 1.0
            column += len(values) + 2
        return array


def _one_line(value: str) -> str:
    return " ".join(value.split())[:MOST_CHARACTERS]


def largest_shapes(fields: Fields | None, inputs: Inputs) -> dict[str, tuple[int, ...]]:
    """Return the largest possible shapes of one review in the arrays of `Columns.encode`, before data are read."""
    shapes: dict[str, tuple[int, ...]] = {}
    if fields is not None and fields.metadata is not None:
        categorical = () if inputs.categories == TEXT else fields.categorical
        columns = 2 * len(fields.numeric) + (MOST_VALUES + 2) * len(categorical)
        shapes |= {"metadata": (columns,), "metadata_mask": ()} if columns else {}
    if fields is not None and fields.history:
        shapes |= {"history": (inputs.history_steps,), "history_mask": (inputs.history_steps,)}
    return shapes
