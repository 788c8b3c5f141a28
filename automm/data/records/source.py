"""The record that every reader yields, and the source that says how to interpret records."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from automm.data.change_kinds import Change
from automm.data.records.forms import Values
from automm.data.records.shape import MALFORMED, nests_too_deep, too_deep
from automm.data.records.surrogates import LONE_SURROGATE, has_surrogate
from automm.data.sections import Fields
from automm.errors import Problem


@dataclass(frozen=True)
class Record:
    """One record.

    Attributes:
        where: "reviews.jsonl:17", for messages. The number is a line, or the row of an array or a Parquet file.
        values: cells by column. Cells of CSV and TSV are strings.
        fallback_id: "reviews-17", the id if no column holds one.
    """

    where: str
    values: Values
    fallback_id: str


@dataclass(frozen=True)
class Source:
    """Records and how to interpret them.

    Attributes:
        name: of the file or folder, for messages.
        rows: the records; raises DataError at the end if anything was unreadable.
        fields: the roles of their columns.
        image_root: the folder that must contain every picture.
        label_optional: a record without a label is not an error, but is ignored in labelled data.
        changes: how often the reader dropped or altered content, filled while `rows` is consumed.
        encoding: of the texts; "" if the user's own reader decodes them.
        opened: the files that a native layout has read, filled while `rows` is consumed.
    """

    name: str
    rows: Iterator[Record]
    fields: Fields
    image_root: Path
    label_optional: bool = False
    changes: dict[Change, int] = field(default_factory=dict)
    encoding: str = ""
    opened: set[Path] = field(default_factory=set)


def record_problem(record: Record) -> Problem | None:
    """Return the problem of a record whose values come from any reader; None if it is fine."""
    where = record.where.encode("utf-8", "backslashreplace").decode()
    unnamed = [name for name in record.values if not isinstance(name, str)]
    if unnamed:
        return Problem(MALFORMED, where, f"column name {unnamed[0]!r} is not a string", "Use strings as column names")
    if nests_too_deep(record.values):
        return too_deep(where)
    if has_surrogate(record.values) or has_surrogate(record.fallback_id):
        column = next(
            (f"column {name!r}" for name, value in record.values.items() if has_surrogate([name, value])), "id"
        )
        return Problem("surrogate", where, f"{column} {LONE_SURROGATE}", "Correct or remove it")
    return None
