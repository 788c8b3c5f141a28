"""Rank the columns that may be the label, each with its reasons in words."""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from automm.data.onboarding.columns.column import Column
from automm.data.onboarding.columns.names import (
    ASIDE,
    CATEGORIES,
    EXACT_LABELS,
    IDS,
    LABELS,
    NUMBERS,
    OF_OTHERS,
    SUBJECTS,
    WEAK_LABELS,
    counts_something,
    is_nameless,
    names_person,
    names_text,
    snake_case,
    words_of,
)
from automm.data.onboarding.columns.roles import reads_like_text
from automm.data.onboarding.columns.splits import SPLIT_VALUES

MANY = 20  # a column with more different numbers is measured rather than chosen from a scale
FEW = 20  # values that are surely classes
SEPARATORS = ("|", ";", ",", "/")
ENOUGH = 2.0  # points that make a column a likely label
DECISIVE = 50.0  # points of a column that the test table lacks, or that a submission predicts
CLEARLY = 3.0  # points by which a column is a likelier label than another
ALIKE = 3  # so many columns that look like labels make a question
EXAMPLES = 4
_DEGREES = ("not", "very", "no", "non", "un", "slightly", "general")  # first words of graded classes: not_funny


@dataclass(frozen=True)
class Candidate:
    """A column that may be the label.

    Attributes:
        column: the column.
        points: how likely it is.
        reasons: why, in words.
        number: whether the target is a number (task: regression).
        looks_like_label: whether its name or values suggest a label, and not only its few values.
        separator: what joins several labels in a cell; None for one label.
        listed: whether the cells are lists of labels.
    """

    column: Column
    points: float
    reasons: tuple[str, ...]
    number: bool = False
    looks_like_label: bool = False
    separator: str | None = None
    listed: bool = False

    @property
    def reason(self) -> str:
        """The reasons and the values, in one line."""
        if self.number:
            values = f"{self.column.distinct:,} different numbers"
        else:
            values = f"{self.column.distinct:,} different values: {examples_of(self.column)}"
        return ", ".join([*self.reasons, values])


def examples_of(column: Column) -> str:
    """Return the most frequent values with their counts."""
    examples = [f"{value} ({count:,})" for value, count in column.values.most_common(EXAMPLES)]
    return ", ".join(examples + ["..."] * (len(column.values) > EXAMPLES))


def rank_labels(columns: Sequence[Column], hints: Mapping[str, str]) -> list[Candidate]:
    """Return the columns that may be the label, the likeliest first.

    Args:
        columns: the columns that may be it.
        hints: why other tables say that a column is the target, by its name.
    """
    named = [column for column in columns if not is_nameless(column.name)]
    last = named[-1].name if named else ""
    found = [_judged(column, column.name == last, hints.get(column.name)) for column in named]
    likely = [candidate for candidate in found if candidate is not None and candidate.points >= ENOUGH]
    return sorted(likely, key=lambda candidate: -candidate.points)


def is_undecided(candidates: Sequence[Candidate]) -> bool:
    """Return whether several columns look like labels of equal standing, so that a person must choose."""
    alike = [candidate for candidate in candidates if candidate.looks_like_label]
    if not candidates or candidates[0].points >= DECISIVE or len(alike) < ALIKE:
        return False
    return _plain_name(candidates[0].column) not in EXACT_LABELS


def lacked_labels(columns: Sequence[Column], lacks: Collection[str]) -> list[str]:
    """Return the columns that a table with labels has and another one lacks, and that are its label by their role.

    [] if the label is clearly another column: the other table only lacks optional columns, and has labels.
    """
    ranked = rank_labels(columns, {})
    lacked = [candidate for candidate in ranked if candidate.column.name in lacks]
    kept = [candidate for candidate in ranked if candidate.column.name not in lacks and candidate.looks_like_label]
    if not lacked and not kept:  # with a hint, a column of many values may be the label
        others = [column for column in columns if column.name in lacks and column.full and not column.unique]
        return [
            one.name for one in others if not (reads_like_text(one) or one.is_date or one.is_url or one.is_embedded)
        ]
    if lacked and kept:
        best, usual = lacked[0], _plain_name(kept[0].column) in EXACT_LABELS
        weaker = not (best.looks_like_label or best.number) and kept[0].points >= best.points + CLEARLY
        if weaker or (usual and _plain_name(best.column) not in EXACT_LABELS):
            return []
    return [candidate.column.name for candidate in lacked]


def _judged(column: Column, is_last: bool, hint: str | None) -> Candidate | None:
    """Return a column with its points; None if it cannot be a label."""
    if column.distinct < 2 and not column.is_listed:
        return None
    if hint is None and (column.is_date or column.is_url or column.is_embedded):
        return None
    name_points, name_reason = _points_of_name(column)
    if {value.strip().lower() for value in column.values} <= SPLIT_VALUES:
        return None
    separator = None if column.is_listed else joined_by(column)
    is_number = _is_measured(column, name_points, hint)
    points = name_points + (DECISIVE if hint is not None else 0.0)
    reasons = [text for text in (hint, name_reason) if text]
    if column.is_listed or separator is not None:
        points += 1 if name_points > 0 else -3
        reasons.append("several labels in a cell")
    elif is_number:
        points += 3
        reasons.append("a number with many values")
    else:
        few = _points_of_values(column)
        if few is None and (name_points < 4 or 2 * column.distinct > column.filled) and hint is None:
            return None
        points += few or 0.0
    graded = _is_graded(column) and not is_number
    points += 3 * graded + 3 * is_last + _penalties(column, name_points, hint)
    reasons += ["graded classes"] * graded + ["the last column"] * is_last
    looks = graded or name_points >= 4 or hint is not None
    return Candidate(column, points, tuple(reasons), is_number, looks, separator, column.is_listed)


def _plain_name(column: Column) -> str:
    return "_".join(words_of(column.name))


def _points_of_name(column: Column) -> tuple[float, str]:
    words = words_of(column.name.rpartition(".")[0] or column.name) if column.name.endswith(".name") else []
    words = words or words_of(column.name)
    name = "_".join(words)
    if name in EXACT_LABELS:
        return 8.0, "a usual name for labels"
    if name in LABELS:
        return 5.0 if name in CATEGORIES else 6.0, "a usual name for labels"
    if words and words[0] not in OF_OTHERS and (words[-1] in LABELS or words[-1].removesuffix("s") in LABELS):
        return 4.0, "a usual name for labels"
    if not NUMBERS.isdisjoint(words):
        return 2.0, "a usual name for numbers to predict"
    if not WEAK_LABELS.isdisjoint(words):
        return 1.0, ""
    if "?" in column.name or (words and words[0] in ("is", "would", "has", "can")):
        return 1.0, ""
    return 0.0, ""


def _is_measured(column: Column, name_points: float, hint: str | None) -> bool:
    """Return whether the target is a number with many values, which task: regression predicts."""
    if not (column.numeric or column.decimal) or column.distinct <= MANY:
        return False
    words = set(words_of(column.name))
    if words & NUMBERS or not column.whole:
        return name_points > 0 or hint is not None
    return hint is not None and column.distinct > column.filled / 4


def _points_of_values(column: Column) -> float | None:
    """Return the points of the number of classes; None if there are too many."""
    if column.words >= 4 or column.unique:
        return None
    if column.distinct <= FEW and 2 * column.distinct <= column.filled:
        return 2.0 if 10 * column.distinct <= column.filled or column.distinct <= 5 else 1.0
    if column.distinct <= 100 and 2 * column.distinct <= column.filled and not column.numeric:
        return 1.0
    return None


def _is_graded(column: Column) -> bool:
    """Return whether the classes are degrees of one thing, such as not_funny, funny and very_funny."""
    if column.numeric or not 2 <= len(column.values) <= 10:
        return False
    return any(value.lower().split("_")[0].split(" ")[0] in _DEGREES and len(value) > 4 for value in column.values)


def _penalties(column: Column, name_points: float, hint: str | None) -> float:
    if hint is not None:
        return 0.0
    words = words_of(column.name)
    points = -8.0 * names_person(column.name) - 5.0 * (names_text(column.name) and name_points < 4)
    points -= 3.0 * (counts_something(column.name) and name_points < 4)
    points -= 3.0 * (not SUBJECTS.isdisjoint(words) and name_points < 6)
    points -= 2.0 * (IDS.search(snake_case(column.name)) is not None)
    points -= 3.0 * (ASIDE.search(column.name) is not None)
    points -= 2.0 * (2 * column.filled < column.all_records)
    return points - 1.0 * (column.is_boolean and name_points < 1)


def joined_by(column: Column) -> str | None:
    """Return the separator of several labels in a cell, such as "|" in "Drama|Romance"; None for one label."""
    values = column.values
    if column.numeric or column.decimal or column.words >= 4 or not values:
        return None
    for mark in SEPARATORS:
        joined = [value for value in values if mark in value]
        if mark == "|" and len(joined) > 1 and all(part.strip() for value in joined for part in value.split(mark)):
            return mark
        parts = {part.strip() for value in values for part in value.split(mark)}
        if 4 * len(joined) >= len(values) and len(parts) < len(values) and all(len(part) <= 40 for part in parts):
            return mark
        single = {value for value in values if mark not in value}
        if joined and parts <= single | {""} and "" not in parts:
            return mark
        if joined and len(joined) >= 2 and sum(part in single for part in parts) >= len(parts) / 2:
            return mark
    return None


@dataclass(frozen=True)
class LabelNames:
    """A file that names the codes of a label.

    Attributes:
        file: the file.
        map: `labels.map`: the codes of each name.
    """

    file: Path
    map: dict[str, list[str]] = field(default_factory=dict)


def find_label_names(column: Column, folder: Path) -> LabelNames | None:
    """Return the file in a folder that names all values of a label: {"0": "politics"} or {"politics": 0}."""
    try:
        files = sorted(one for one in folder.iterdir() if one.suffix.lower() == ".json" and one.stat().st_size < 10**6)
    except OSError:
        return None
    for file in files:
        if not any(word in file.stem.lower() for word in ("label", "class", "map", "categor", "id2")):
            continue
        try:
            content = json.loads(file.read_text(encoding="utf-8-sig"))
        except (OSError, ValueError, RecursionError):
            continue
        names = _names_by_code(content, set(column.values))
        if names is not None:
            return LabelNames(file, names)
    return None


def _names_by_code(content: Any, codes: set[str]) -> dict[str, list[str]] | None:
    if isinstance(content, list) and all(isinstance(name, str) for name in content):
        content = {str(number): name for number, name in enumerate(content)}
    if not isinstance(content, dict) or not all(isinstance(value, str | int) for value in content.values()):
        return None
    for pairs in (content.items(), ((str(value), key) for key, value in content.items())):
        names: dict[str, list[str]] = {}
        by_code = {str(code): str(name) for code, name in pairs}
        if codes <= by_code.keys() and codes != set(by_code.values()):
            for code, name in by_code.items():
                names.setdefault(name, []).append(code)
            used = {name: listed for name, listed in names.items() if codes & set(listed)}
            return used if len(used) > 1 else None
    return None
