"""Read the first sheet of an Excel workbook (.xlsx); openpyxl is needed (automm[excel])."""

import datetime
import warnings
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from automm.data.records.shape import MALFORMED, repeated_names
from automm.errors import Problem

NEEDED = "pip install 'automm[excel]'"
NO_OPENPYXL = "no_openpyxl"  # code of problems


def excel_rows(file: Path, encoding: str, problems: list[Problem]) -> Iterator[tuple[int, dict[str, object]]]:
    """Yield the rows of the first sheet below its header, which is the first row that is not empty.

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
    header: list[str] | None = None
    for number, cells in enumerate(_guarded(rows, file, problems), 1):
        if all(_is_blank(cell) for cell in cells):
            continue
        if header is None:
            header = _names(cells)
            if repeated := repeated_names([name for name in header if name], f"{file.name}:{number}"):
                problems.append(repeated)
                return
            continue
        values: dict[str, object] = {name: None for name in header if name}
        for place, cell in enumerate(cells):
            name = header[place] if place < len(header) else ""
            if name or not _is_blank(cell):
                values[name or f"Unnamed: {place}"] = _plain(cell)
        yield number, values


def sheet_names(file: Path) -> list[str]:
    """Return the names of a workbook's sheets; [] if it cannot be read."""
    book = _workbook(file, [])
    if book is None:
        return []
    names = list(book.sheetnames)
    book.close()
    return names


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
