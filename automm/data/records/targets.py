"""Targets of reviews, read from the cells of records: labels, or numbers.

A task names its kind of target (`Task.target`); a kind is one class here, named in TARGETS.
"""

import json
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from automm.data.change_kinds import Change
from automm.data.images.missing_hints import shown
from automm.data.manifest import Manifest
from automm.data.records.cells.written_numbers import decimal_mark, written_number
from automm.data.records.field_values import cell_labels, cell_number, is_number
from automm.data.records.review import Review
from automm.data.sections import LabelColumn, plain_value
from automm.errors import Problem, yaml_word

MANY = 20  # labels with one review each; with more, fields.label most likely names the wrong column
LABEL_SEPARATORS = (",", ";", "|", "/")


class Target(ABC):
    """A kind of target.

    Attributes:
        absent: how a record that is dropped because it has none is counted.
        reported: whether `automm check` reports records without one and goes on, where the manifest has no rule.
    """

    absent: ClassVar[Change]
    reported: ClassVar[bool] = False

    @abstractmethod
    def values(self, cell: object, rule: LabelColumn) -> list[str]:
        """The targets of a cell in their normal form, in order; [] where it has none.

        Raises:
            ValueError: the cell holds something else.
        """

    @abstractmethod
    def missing(self, where: str, column: str) -> Problem:
        """What is wrong with a record that has none."""

    def number(self, label: str) -> float | None:
        """`Review.value` of a label, None where a target is no number."""
        return None

    @abstractmethod
    def label_set(self, manifest: Manifest, reviews: Sequence[Review]) -> tuple[tuple[str, ...], list[Problem]]:
        """The labels in their order, () where targets are numbers; and why these reviews cannot be learned from."""

    @abstractmethod
    def array(self, reviews: Sequence[Review], labels: Sequence[str]) -> np.ndarray:
        """(n, ...): the targets of n reviews."""


class Label(Target):
    """One label of a label set; (n,) int32 places in it, -1 where there is none."""

    absent = Change.NO_LABEL

    def values(self, cell: object, rule: LabelColumn) -> list[str]:
        return cell_labels(cell, rule)

    def missing(self, where: str, column: str) -> Problem:
        fix = "Add one, or set labels: {on_missing: drop} to drop such reviews"
        return Problem("missing_label", where, f"no label in column {column!r}", fix)

    def label_set(self, manifest: Manifest, reviews: Sequence[Review]) -> tuple[tuple[str, ...], list[Problem]]:
        counts = Counter(label for review in reviews for label in review.all_labels)
        if manifest.labels.map is None:
            labels = tuple(sorted(counts, key=_place))
        elif manifest.labels.min_count is None:
            labels = tuple(manifest.labels.map)
        else:  # without the rare labels, and "other" last
            labels = tuple(label for label in dict.fromkeys([*manifest.labels.map, *counts]) if counts[label])
        several = any(review.labels for review in reviews)  # among genres and tags, rare labels are no mistake
        rare = [label for label in labels if counts[label] < 2]
        if not several and (other := _other_meaning(labels, rare, manifest)):
            return labels, [other]
        problems: list[Problem] = []
        first = {review.label: review.where for review in reversed(reviews)}
        for label in [] if several else rare:
            examples = "one example" if counts[label] else "no example"
            text = f"label {shown(label)} has {examples}, expected two or more"
            fix = "Add examples, merge it with another in labels.map, or set labels: {min_count: 2, rare: drop}"
            problems.append(Problem("rare_label", first.get(label, manifest.file.name), text, fix))
        if len(labels) < 2:
            text = f"{'one distinct label' if labels else 'no label'} in the data, expected two or more"
            problems.append(Problem("one_label", manifest.file.name, text, "Check fields.label"))
        return labels, problems

    def array(self, reviews: Sequence[Review], labels: Sequence[str]) -> np.ndarray:
        places = {label: place for place, label in enumerate(labels)}
        return np.array([-1 if one.label is None else places[one.label] for one in reviews], np.int32)


class Number(Target):
    """A number; (n,) float32."""

    absent = Change.NO_NUMBER
    reported = True

    def values(self, cell: object, rule: LabelColumn) -> list[str]:
        if rule.decimal is not None and isinstance(cell, str):
            cell = written_number(cell, rule.decimal) or cell
        number = cell_number(cell, rule.column, fix=_fix_of_number(cell))
        return [] if number is None else [plain_value(number)]

    def missing(self, where: str, column: str) -> Problem:
        fix = "Add one, or set labels: {on_missing: drop} to drop such reviews"
        return Problem("missing_number", where, f"no number in column {column!r}", fix)

    def number(self, label: str) -> float | None:
        return float(label)

    def label_set(self, manifest: Manifest, reviews: Sequence[Review]) -> tuple[tuple[str, ...], list[Problem]]:
        values = {review.label for review in reviews}
        if len(values) != 1:
            return (), []
        text = f"every review has the value {values.pop()}, so there is nothing to learn"
        return (), [Problem("one_value", manifest.file.name, text, "Check fields.label")]

    def array(self, reviews: Sequence[Review], labels: Sequence[str]) -> np.ndarray:
        return np.array([review.value for review in reviews], np.float32)


TARGETS: dict[str, Target] = {"label": Label(), "number": Number()}


def _fix_of_number(cell: object) -> str:
    mark = decimal_mark([cell]) if isinstance(cell, str) else None
    return "Correct it" if mark is None else f"Set fields: {{label: {{column: ..., decimal: {json.dumps(mark)}}}}}"


def _other_meaning(labels: Sequence[str], rare: Sequence[str], manifest: Manifest) -> Problem | None:
    """Return the likely reason why most labels occur once; None if most do not, or the manifest maps labels.

    The values may be numbers to predict, several labels in one cell, or not labels at all.
    """
    if manifest.labels.map is not None or len(rare) <= max(2, len(labels) / 2):
        return None
    rule = manifest.fields.label if manifest.fields is not None else None
    column, file = (rule.column if rule is not None else "..."), manifest.file.name
    if sum(is_number(label) for label in labels) > 0.9 * len(labels):
        fix = "To predict a number, set task: regression. To predict classes, merge the numbers in labels.map"
        text = f"column {column!r} holds {len(labels)} different numbers, most of which occur once"
        return Problem("numbers_as_labels", file, text, fix)
    for mark in LABEL_SEPARATORS:
        parts = Counter(part.strip() for label in labels for part in label.split(mark))
        if sum(mark in label for label in rare) > len(rare) / 2 and len(parts) < len(labels):
            rule_of_several = f"column: {yaml_word(column)}, separator: {json.dumps(mark)}, pick: first"
            text = f"column {column!r} holds {len(labels)} different labels, most of which occur once"
            text += f", such as {shown(rare[0])}"
            fix = f"If a cell holds several labels, set fields: {{label: {{{rule_of_several}}}}} to use the first"
            return Problem("several_in_one", file, text, fix)
    if len(rare) > MANY:
        text = f"column {column!r} holds {len(labels):,} different labels, {len(rare):,} of which occur once"
        fix = "Check that fields.label names the right column. If it does, set labels: {min_count: 2, rare: drop}"
        return Problem("labels_of_one", file, f"{text}, such as {shown(rare[0])}", fix)
    return None


def _place(label: str) -> tuple[int, float, str]:
    """Return the sort key of a label: numbers by value, then words."""
    return (0, float(label), label) if is_number(label) else (1, 0.0, label)
