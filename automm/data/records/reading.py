"""Turn one record into one review, a problem, or a counted change."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeVar

from automm.data.change_kinds import Change
from automm.data.download.urls import is_url
from automm.data.images.missing_hints import NOT_FETCHED, SHOWN, shown
from automm.data.images.of_record import RecordPictures
from automm.data.images.root import ImageRoot
from automm.data.manifest import Manifest
from automm.data.records.field_values import (
    cell_history,
    cell_id,
    cell_number,
    cell_text,
    cell_value,
    holds_several,
)
from automm.data.records.opening import Record, Source
from automm.data.records.review import Review
from automm.data.records.targets import TARGETS
from automm.data.records.times import cell_time
from automm.data.sections import SPLITS, Fields
from automm.errors import SHOWN_EXAMPLES, Problem, nearest

# Codes of problems.
REPEATED_ID = "repeated_id"  # cells that cannot be read: text_cell, images_cell, id_cell, ...
UNKNOWN_LABEL = "unknown_label"
EMPTY = "empty_review"

LISTED = 30  # labels of labels.map that a message lists

T = TypeVar("T")


@dataclass(frozen=True)
class MissingContent:
    """Missing values and pictures: a search needs them, `automm check` reports them and continues.

    Attributes:
        targets: a problem for each record without the value to predict; it becomes no review.
        pictures: a problem for each missing picture; its review is kept without it.
        none_fetched: one problem in place of all `pictures`, if none was found and at most one is not a URL.
    """

    targets: list[Problem] = field(default_factory=list)
    pictures: list[Problem] = field(default_factory=list)
    none_fetched: Problem | None = None

    @property
    def problems(self) -> list[Problem]:
        """All problems, for people."""
        return self.targets + self.of_pictures

    @property
    def of_pictures(self) -> list[Problem]:
        """The problems of pictures, for people."""
        return self.pictures if self.none_fetched is None else [self.none_fetched]


class ReviewReader:
    """Turn records into reviews, and collect problems and changes.

    Attributes:
        problems: in the order of the records; missing targets are included, missing pictures are not.
        missing: missing targets and pictures.
        changes: how often content was dropped or altered, by kind.
        pictures: the reader of the records' pictures; its `learn` must see all records before the first review.
    """

    def __init__(self, manifest: Manifest, source: Source, root: ImageRoot, labelled: bool):
        self.manifest, self.source, self.labelled = manifest, source, labelled
        self.target = TARGETS[manifest.task_object.target]
        self.problems: list[Problem] = []
        self.missing = MissingContent()
        self.changes: Counter[Change] = Counter()
        rule = manifest.labels.on_missing
        self.may_lack_label = source.label_optional if rule is None else rule == "drop"
        self.given = 0  # pictures that the last record names
        self.unknown_labels = 0
        self.seen: dict[str, str] = {}
        self.pictures = RecordPictures(manifest, source, root, self.problems, self.missing.pictures, self.changes)
        self.label_of = {value: label for label, values in (manifest.labels.map or {}).items() for value in values}

    def review(self, record: Record) -> Review | None:
        """Return the review of a record; None if it is dropped or wrong."""
        fields, before = self.source.fields, len(self.problems)
        text = self._cell("text", record, lambda: _text(record, fields))
        given = self._cell("images", record, lambda: self.pictures.named(record.values))
        identity = self._cell("id", record, lambda: self._identity(record, fields))
        values = self._cell("label", record, lambda: self._values(record))
        group = self._cell("group", record, lambda: self._group(record, fields.group))
        split = self._cell("split", record, lambda: self._split(record))
        time = self._cell("time", record, lambda: self._time(record))
        columns = self._cell("columns", record, lambda: read_columns(record.values, fields))
        self.given = len(given or ())
        if text is None or given is None or identity is None or values is None or columns is None:
            return None
        if self.labelled and not values and self.may_lack_label:
            self.changes[self.target.absent] += 1
            return None
        labels = self._labels(values, record.where) if self.labelled else ()
        pictures = self.pictures.of(given, record.where)
        if pictures is None or (self.labelled and not labels) or len(self.problems) > before:
            return None
        images, absent, names = pictures
        if not text.strip() and self._drops_empty(bool(images), absent, record.where):
            return None
        label = labels[0] if labels else None
        several = labels if self.labelled and holds_several(record.values, fields.label) else ()
        value = None if label is None else self.target.number(label)
        return Review(
            id=identity,
            text=text,
            images=images,
            label=label,
            group=group or None,
            split=split,
            where=record.where,
            labels=several,
            time=time,
            value=value,
            absent=absent,
            names=names,
            **columns,
        )

    def _cell(self, part: str, record: Record, read: Callable[[], T]) -> T | None:
        """Return what `read` returns; None if it raises ValueError, which becomes a problem of kind `part`_cell."""
        try:
            return read()
        except ValueError as error:
            self.problems.append(Problem(f"{part}_cell", record.where, str(error)))
            return None

    def _group(self, record: Record, column: str | None) -> str:
        if column is None or not self.labelled:
            return ""
        return cell_value(record.values.get(column), column)

    def _identity(self, record: Record, fields: Fields) -> str:
        """Return the id of a record; note a repeated one."""
        if fields.id is None:
            identity = record.fallback_id
        else:
            identity = cell_id(record.values.get(fields.id), fields.id)
            if not identity:
                raise ValueError(f"no id in column {fields.id!r}. Add one, or remove fields.id from the manifest")
        if identity in self.seen:
            text = f"id {shown(identity)} is already used at {self.seen[identity]}"
            self.problems.append(Problem(REPEATED_ID, record.where, text, "Make ids unique"))
        self.seen.setdefault(identity, record.where)
        return identity

    def _split(self, record: Record) -> str | None:
        column = self.manifest.splits.column
        if column is None or not self.labelled:
            return None
        value = cell_value(record.values.get(column), column)
        split = self.manifest.splits.values.get(value, value)
        if split not in SPLITS:
            text = f"split {shown(value)} in column {column!r} is not one of {', '.join(SPLITS)}"
            raise ValueError(f"{text}. Map it in splits.values")
        return split

    def _time(self, record: Record) -> float | None:
        column = self.manifest.splits.time
        return cell_time(record.values.get(column), column) if column is not None and self.labelled else None

    def _values(self, record: Record) -> list[str]:
        """Return the labels in the cell, or the number to predict, before labels.map; [] if the cell is empty."""
        rule = self.source.fields.label
        return [] if rule is None or not self.labelled else self.target.values(record.values.get(rule.column), rule)

    def _labels(self, values: list[str], where: str) -> tuple[str, ...]:
        """Return the record's labels after labels.map, in order; note missing and unlisted labels."""
        if not values and self.source.fields.label is not None:
            self.problems.append(self.target.missing(where, self.source.fields.label.column))
            if self.target.reported and self.manifest.labels.on_missing is None:
                self.missing.targets.append(self.problems[-1])
        if not self.label_of:
            return tuple(values)
        unlisted = [value for value in values if value not in self.label_of]
        labels = tuple(dict.fromkeys(self.label_of[value] for value in values if value in self.label_of))
        if self.manifest.labels.on_unlisted == "error":
            for value in unlisted:
                self.problems.append(self._unknown_label(value, where))
        elif labels and unlisted:
            self.changes[Change.UNLISTED_LABEL_OF_SEVERAL] += len(unlisted)
        elif unlisted:
            self.changes[Change.UNLISTED_LABEL] += 1
        return labels

    def _unknown_label(self, value: str, where: str) -> Problem:
        # Only for the problems that are shown: finding the nearest label for each of a million takes hours.
        self.unknown_labels += 1
        hint = nearest(value[:SHOWN], list(self.label_of)) if self.unknown_labels <= SHOWN_EXAMPLES else ""
        text = f"label {shown(value)} is not in labels.map.{hint} {self._listed}"
        return Problem(UNKNOWN_LABEL, where, text, "Add it to labels.map, or set labels.on_unlisted: drop")

    @cached_property
    def _listed(self) -> str:
        more = f" and {len(self.label_of) - LISTED:,} more" if len(self.label_of) > LISTED else ""
        return f"Listed: {', '.join(list(self.label_of)[:LISTED])}{more}"

    def _drops_empty(self, pictured: bool, absent: tuple[str, ...], where: str) -> bool:
        """Return whether text.on_empty drops a review without text; note the change or the problem.

        Args:
            pictured: whether a picture of the review was found.
            absent: names or URLs of its missing pictures.
        """
        rule, is_bare = self.manifest.text.on_empty, not pictured
        if rule == "drop":
            self.changes[Change.EMPTY_TEXT] += 1
            return True
        if rule == "error":
            self.problems.append(Problem(EMPTY, where, "empty text", "Add a text, or set text.on_empty: keep or drop"))
            return False
        if not is_bare or (absent and self.manifest.images.on_bad == "error"):  # the missing picture is the problem
            return False
        unfetched = next(filter(is_url, absent), None)
        if rule == "drop-bare":
            change = Change.NOT_FETCHED_REVIEW if unfetched else Change.NO_PICTURE_FOUND
            self.changes[change if absent else Change.NO_CONTENT] += 1
            return True
        text, fix = "neither text nor picture", "Remove the record, or set text.on_empty: drop-bare"
        if unfetched:
            text, fix = (
                f"no text, and picture {shown(unfetched)} is not fetched",
                f"Download it: {self.pictures.fetch}, or set text.on_empty: drop-bare",
            )
        elif absent:
            text = f"no text, and picture {shown(absent[0])} is missing"
            fix = "Correct the picture's path, or set text.on_empty: drop-bare"
        self.problems.append(Problem(NOT_FETCHED if unfetched else EMPTY, where, text, fix))
        return False


def _text(record: Record, fields: Fields) -> str:
    return "\n".join(part for name in fields.text if (part := cell_text(record.values.get(name), name)))


def read_columns(values: Mapping[str, object], fields: Fields) -> dict[str, Any]:
    """Return `numbers`, `categories` and `history` of a review; {} if the manifest names no such column.

    Raises:
        ValueError: a cell cannot be read as its column's kind.
    """
    if not (fields.numeric or fields.categorical or fields.history):
        return {}
    return {
        "numbers": tuple(cell_number(values.get(column), column) for column in fields.numeric),
        "categories": tuple(cell_value(values.get(column), column) for column in fields.categorical),
        "history": cell_history(values, fields),
    }
