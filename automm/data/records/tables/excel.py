"""Read the first sheet of an Excel workbook (.xlsx); openpyxl is needed (automm[excel])."""

import datetime
import warnings
import zipfile
from collections.abc import Iterator, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import Any

from automm.data.records.shape import MALFORMED, repeated_names
from automm.errors import Problem

NEEDED = "pip install 'automm[excel]'"
NO_OPENPYXL, UNCLEAR_HEADER = "no_openpyxl", "unclear_header"  # codes of problems
HEAD = 40  # rows that are searched for the header
SHOWN = 4  # cells above the header that are named
LONGEST_NAME = 80  # characters of a column's name

Row = tuple[int, tuple[Any, ...]]  # the number that Excel shows, and the cells


def excel_rows(file: Path, encoding: str, problems: list[Problem]) -> Iterator[tuple[int, dict[str, object]]]:
    """Yield the rows of the first sheet below its header; titles and notes above it are skipped (`sheet_notes`).

    Empty rows and columns without a name and content are skipped. Dates become texts such as "2024-03-31".
    """
    book = _workbook(file, problems)
    if book is None:
        return
    try:
        if book.worksheets:
            yield from _rows(file, book.worksheets[0].iter_rows(values_only=True), problems)
        else:
            text = "the workbook has no sheet with cells"
            problems.append(
                Problem(
                    MALFORMED,
                    file.name,
                    text,
                    "Check that this is the right file. If Excel shows a table in it, save that as CSV",
                )
            )
    finally:
        book.close()


def _rows(
    file: Path, rows: Iterator[tuple[Any, ...]], problems: list[Problem]
) -> Iterator[tuple[int, dict[str, object]]]:
    """Yield the rows of a sheet below its header."""
    filled = _filled(file, rows, problems)
    head = list(islice(filled, HEAD))
    place = _header_of(head, file, problems)
    if place is None:
        return
    header = _names(head[place][1])
    if repeated := repeated_names([name for name in header if name], f"{file.name}:{head[place][0]}"):
        problems.append(repeated)
        return
    for number, cells in chain(head[place + 1 :], filled):
        values: dict[str, object] = {name: None for name in header if name}
        for column, cell in enumerate(cells):
            name = header[column] if column < len(header) else ""
            if name or not _is_blank(cell):
                values[name or f"Unnamed: {column}"] = _plain(cell)
        yield number, values


def _filled(file: Path, rows: Iterator[tuple[Any, ...]], problems: list[Problem]) -> Iterator[Row]:
    """Yield the rows that are not empty."""
    for number, cells in enumerate(_guarded(rows, file, problems), 1):
        if not all(map(_is_blank, cells)):
            yield number, cells


def _header_of(head: Sequence[Row], file: Path, problems: list[Problem]) -> int | None:
    """Return the place of the header among the first rows: the first row that fills most of the usual columns.

    Titles and notes fill fewer. None if there is no row, or if two rows may be the header, which is a problem.
    """
    later = [_columns(cells) for _, cells in head[len(head) // 2 :]]
    usual = {column for columns in later for column in columns if 2 * sum(column in one for one in later) > len(later)}
    for place, (number, cells) in enumerate(head):
        share = len(_columns(cells) & usual) / len(usual) if usual else 1.0
        following = next(
            (n for n in range(place + 1, min(place + 4, len(head))) if usual <= _columns(head[n][1])), None
        )
        if share < 0.5:
            continue
        if share > 0.75 or following is None or not _are_names(head[following][1]):
            return place
        below = [cells for _, cells in head[following + 1 :]]
        if any(_holds_values(below, column) for column in usual):
            return following
        text = (
            f"the header may be row {number} or row {head[following][0]}: row {number} fills {share:.0%} of the columns"
        )
        fix = "Delete the rows above the header, and give each column a name"
        problems.append(Problem(UNCLEAR_HEADER, file.name, text, fix))
        return None
    return 0 if head else None


def _columns(cells: tuple[Any, ...]) -> set[int]:
    return {column for column, cell in enumerate(cells) if not _is_blank(cell)}


def _are_names(cells: tuple[Any, ...]) -> bool:
    """Return whether all cells are short texts, each different."""
    filled = [cell for cell in cells if not _is_blank(cell)]
    return len(set(filled)) == len(filled) and all(isinstance(one, str) and len(one) <= LONGEST_NAME for one in filled)


def _holds_values(rows: Sequence[tuple[Any, ...]], column: int) -> bool:
    """Return whether most cells of a column are numbers or dates, and not texts."""
    cells = [row[column] for row in rows if column < len(row) and not _is_blank(row[column])]
    return 2 * sum(not isinstance(cell, str) for cell in cells) > len(cells)


def sheet_notes(file: Path) -> str:
    """Return which sheet and which header are read, if there are others; "" if the file cannot be read."""
    book = _workbook(file, [])
    if book is None or not book.worksheets:
        return ""
    notes = []
    if len(book.sheetnames) > 1:
        others = ", ".join(map(repr, book.sheetnames[1:]))
        notes.append(f"the first sheet, {book.sheetnames[0]!r}; not read: {others}")
    head = list(islice(_filled(file, book.worksheets[0].iter_rows(values_only=True), []), HEAD))
    book.close()
    place = _header_of(head, file, [])
    if place:
        above = [str(_plain(cell)).strip()[:40] for _, cells in head[:place] for cell in cells if not _is_blank(cell)]
        notes.append(f"the header is row {head[place][0]}; not read above it: {', '.join(map(repr, above[:SHOWN]))}")
    return ". ".join(notes)


def _guarded(rows: Iterator[tuple[Any, ...]], file: Path, problems: list[Problem]) -> Iterator[tuple[Any, ...]]:
    """Yield rows; damage further down becomes a problem."""
    try:
        yield from rows
    except Exception as error:  # noqa: BLE001 (openpyxl raises whatever its XML parser and converters raise)
        problems.append(_unreadable(file, error))


def _workbook(file: Path, problems: list[Problem]) -> Any:
    try:
        import openpyxl
    except ImportError:
        text = "reading Excel workbooks needs openpyxl, which is not installed"
        fix = f"Install it: {NEEDED}. Or save the sheet as CSV, and use the .csv file"
        problems.append(Problem(NO_OPENPYXL, file.name, text, fix))
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of styles and validations, which do not matter here
            return openpyxl.load_workbook(file, read_only=True, data_only=True)
    except (OSError, KeyError, ValueError, TypeError, AttributeError, zipfile.BadZipFile, SyntaxError) as error:
        problems.append(_unreadable(file, error))
        return None
    except Exception as error:
        if type(error).__module__.startswith("openpyxl"):
            problems.append(_unreadable(file, error))
            return None
        raise


def _unreadable(file: Path, error: Exception) -> Problem:
    reason = " ".join(str(error).split())[:100] or type(error).__name__
    return Problem(MALFORMED, file.name, f"not readable as an Excel workbook: {reason}", "Save the sheet as CSV")


def _names(cells: tuple[Any, ...]) -> list[str]:
    return ["" if cell is None else str(_plain(cell)).strip() for cell in cells]


def _is_blank(cell: object) -> bool:
    return cell is None or (isinstance(cell, str) and not cell.strip())


def _plain(cell: Any) -> object:
    """Return a cell as text, number or None."""
    if isinstance(cell, datetime.datetime):
        return cell.date().isoformat() if cell.time() == datetime.time() else cell.isoformat(" ")
    if isinstance(cell, datetime.date | datetime.time):
        return cell.isoformat()
    if isinstance(cell, datetime.timedelta):
        return cell.total_seconds()
    return cell if isinstance(cell, str | int | float | bool) or cell is None else str(cell)
