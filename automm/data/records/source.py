"""What a reader yields: records, and how to read them."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from automm.data.changes import Change
from automm.data.records.forms import Values
from automm.data.records.shape import MALFORMED, nests_too_deep, too_deep
from automm.data.records.surrogates import HALF, holds_half
from automm.data.sections import Fields
from automm.errors import Problem


@dataclass(frozen=True)
class Record:
    """One record.

    Attributes:
        where: "reviews.jsonl:17", for messages. The number is a line, or a row in an array or a Parquet file.
        values: its columns. Cells of CSV and TSV are texts.
        fallback_id: "reviews-17", its id where no column holds one.
    """

    where: str
    values: Values
    fallback_id: str


@dataclass(frozen=True)
class Source:
    """Records and how to read them.

    Attributes:
        name: of the file or folder, for messages.
        rows: the records; raises DataError at the end if there was anything unreadable.
        fields: what their columns mean.
        image_root: the folder that no picture may lead out of.
        label_optional: a record without a label is no mistake, but stands outside the labelled data.
        changes: what the reader left out, filled while `rows` is consumed.
        encoding: in which texts are decoded; "" where a reader of somebody's own decides.
    """

    name: str
    rows: Iterator[Record]
    fields: Fields
    image_root: Path
    label_optional: bool = False
    changes: dict[Change, int] = field(default_factory=dict)
    encoding: str = ""


def wrong_record(record: Record) -> Problem | None:
    """What is wrong with a record that a reader has made, of whatever values."""
    where = record.where.encode("utf-8", "backslashreplace").decode()
    unnamed = [name for name in record.values if not isinstance(name, str)]
    if unnamed:
        return Problem(MALFORMED, where, f"a column has the name {unnamed[0]!r}, which is no text", "Name it by a text")
    if nests_too_deep(record.values):
        return too_deep(where)
    if holds_half(record.values) or holds_half(record.fallback_id):
        column = next((repr(name) for name, value in record.values.items() if holds_half([name, value])), "name")
        return Problem("surrogate", where, f"{column} {HALF}", "Correct or remove it")
    return None
