"""Read the columns of records files for the guesser: encoding, delimiter, quotes, a sample, and counts of all rows."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any

from automm.data.onboarding.columns.column import Column, Totals, cells_of, shortened
from automm.data.onboarding.thinning import Thinned
from automm.data.records.cells.nested import flattened
from automm.data.records.encoding import delimiter_of, encoding_of
from automm.data.records.field_values import is_empty
from automm.data.records.forms import DEFAULT_DIALECT, DELIMITERS, ENCODING, Dialect
from automm.data.records.opening import read_files
from automm.data.records.tables.excel import sheet_notes
from automm.data.sections import known_encoding
from automm.errors import ConfigError, DataError

FIRST = 10_000  # records from the start of a file; neighbouring records distinguish an id from a group
HEAD = 2_000  # records that show what the columns of another table mean
SAMPLE = 2 * FIRST  # records; the others are from the rest of the file
BINARY = (".parquet", ".xlsx")


@dataclass(frozen=True)
class Table:
    """The columns of a records file.

    Attributes:
        columns: by name; objects in cells are taken apart into columns such as "category.name".
        rows: the sampled records.
        records: the number of all records.
        written: encoding, delimiter and quotes, as the manifest must name them.
        reasons: why, by key.
    """

    columns: dict[str, Column]
    rows: list[Mapping[str, object]]
    records: int
    written: dict[str, Any] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)


def read_table_of(files: list[Path], encoding: str | None = None, quotes: bool | None = None) -> Table:
    """Read the columns of some records files with the same columns.

    Args:
        files: the files.
        encoding: the encoding of the texts; by default it is detected.
        quotes: whether cells may be quoted; by default it is detected.

    Raises:
        ConfigError: the encoding is unknown.
        DataError: the files cannot be read.
    """
    file = files[0]
    written: dict[str, Any] = {}
    reasons: dict[str, str] = {}
    if file.suffix.lower() in BINARY:
        if file.suffix.lower() == ".xlsx" and (notes := sheet_notes(file)):
            reasons["records"] = notes
        return _table(files, "utf-8", DEFAULT_DIALECT, written, reasons)
    given = encoding
    encoding, reason = (_known(encoding), "given by --encoding") if encoding is not None else encoding_of(file)
    if given is not None or reason:
        written["encoding"], reasons["encoding"] = encoding, reason
    delimiter, reason = delimiter_of(file, encoding)
    if delimiter is not None:
        written["delimiter"], reasons["delimiter"] = delimiter, reason
    if quotes is not None:
        written["quotes"], reasons["quotes"] = quotes, "given by --quotes"
    try:
        return _table(files, encoding, Dialect(delimiter, quotes), written, reasons)
    except DataError as error:
        named = [
            replace(one, fix="Add --encoding NAME to automm init") if one.code == ENCODING else one
            for one in error.problems
        ]
        if file.suffix.lower() not in DELIMITERS or quotes is not None:
            raise DataError(named) from error
        return _other_quotes(files, encoding, delimiter, written, reasons, DataError(named))


def _other_quotes(
    files: list[Path],
    encoding: str,
    delimiter: str | None,
    written: dict[str, Any],
    reasons: dict[str, str],
    error: DataError,
) -> Table:
    """Read a table whose quotation marks were not understood: cells with line breaks, or marks inside the texts."""
    tries = ((True, "cells contain line breaks"), (False, "quotation marks are read as part of the texts"))
    for quotes, why in tries:
        if quotes and not any("continues to line" in problem.text for problem in error.problems):
            continue
        try:
            table = _table(files, encoding, Dialect(delimiter, quotes), written, reasons)
        except DataError:
            continue
        if not quotes and any(name.startswith('"') for name in table.columns):  # the cells are quoted, too
            continue
        if quotes and _swallows(table):
            continue
        table.written["quotes"] = quotes
        table.reasons["quotes"] = f"{why}, because otherwise: {error.problems[0]}"
        return table
    raise error


def _swallows(table: Table) -> bool:
    """Return whether a cell with a line break also holds a tab: then a mark that belongs to a text joined two rows."""
    cells = [cell for column in table.columns.values() for cell in column.cells if isinstance(cell, str)]
    return any("\t" in cell and "\n" in cell for cell in cells)


def _known(encoding: str) -> str:
    try:
        return known_encoding(encoding)
    except ValueError as error:
        raise ConfigError(f"--encoding: {error}") from error


def _table(
    files: list[Path], encoding: str, dialect: Dialect, written: dict[str, Any], reasons: dict[str, str]
) -> Table:
    """Return the columns of the files: a sample of the cells, and counts of all of them.

    All records are read. This finds errors far down (a quotation mark that is never closed) and columns that begin
    late.
    """
    first: list[Mapping[str, object]] = []
    rest = Thinned[Mapping[str, object]](SAMPLE - FIRST, prepare=_shortened)
    totals: dict[str, Totals] = {}
    count = 0
    for record in read_files([file.absolute() for file in files], encoding, dialect):
        count += 1
        values = flattened(record.values)
        is_new = False
        for name, cell in values.items():
            known = totals.get(name)
            if known is None:
                known = totals[name] = Totals()
                is_new = True
            if not is_empty(cell) and cell != []:
                known.add(cell)
        if len(first) < (SAMPLE if is_new else FIRST):
            first.append(_shortened(values))
        else:
            rest.add(values)
    rows = [*first, *rest.kept]
    cells = cells_of(totals, rows)
    columns = {name: Column(name, len(rows), cells[name], totals[name], count) for name in totals}
    more = dict(reasons)
    if count > len(rows):
        sample = f"guessed from {len(rows):,} of {count:,} records: the first {FIRST:,}, and others at equal distances"
        more["records"] = ". ".join(filter(None, [more.get("records", ""), sample]))
    return Table(columns, rows, count, dict(written), more)


def sample_of(file: Path) -> list[Column]:
    """Return the columns of the first records of a table; [] if it cannot be read. Never raises."""
    rows: list[Mapping[str, object]] = []
    try:
        is_text = file.suffix.lower() not in BINARY
        encoding = encoding_of(file)[0] if is_text else "utf-8"
        dialect = Dialect(delimiter_of(file, encoding)[0], None) if is_text else DEFAULT_DIALECT
        rows.extend(flattened(one.values) for one in islice(read_files([file.absolute()], encoding, dialect), HEAD))
    except (DataError, OSError):  # what is wrong is reported when the whole table is read
        return []
    names = dict.fromkeys(name for row in rows for name in row)
    return [Column(name, len(rows), cells) for name, cells in cells_of(names, rows).items()]


def _shortened(values: Mapping[str, object]) -> Mapping[str, object]:
    return {name: shortened(cell) for name, cell in values.items()}
