"""Convert cells of a record: to text, labels, ids, numbers and picture names."""

import json
import math
import re
import warnings
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime
from decimal import Decimal
from typing import Any

from automm.data.download.urls import SUFFIXES, is_url
from automm.data.images.embedded import Embedded, embedded_pictures, is_embedded
from automm.data.images.missing_hints import means_no_picture
from automm.data.images.patterns import PLACEHOLDER, Filled, Pattern, is_pattern
from automm.data.records.forms import UNREADABLE, parse_literal
from automm.data.sections import LONGEST_INTEGER, Fields, LabelColumn, plain_value

LARGEST_EXACT = 2**53  # above it a float no longer distinguishes neighbouring integers

LARGEST = 3e38  # above it float32 has only infinity

# Constants, because a union written in isinstance() is created again for each of millions of cells.
SEQUENCE = (list, tuple)
NO_VALUE = (*SEQUENCE, dict, bytes)
NO_ID = (*NO_VALUE, bool)

SHOWN = 40  # characters of a cell in a message
LONGEST_NUMBER = 1_000  # characters; a longer text is not meant as a number

# Strict, because float() also accepts "1_000", "nan" and digits of other scripts.
_NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_SIDE_BY_SIDE = re.compile(r"""['"]\s+['"]""")  # ['a.jpg' 'b.jpg'], a NumPy array as text: Python reads one string


def is_empty(cell: object) -> bool:
    """Return whether a cell is None, NaN, pandas' NaT, or a text of white space only."""
    if isinstance(cell, str):
        return not cell or cell.isspace()
    if isinstance(cell, float):
        return math.isnan(cell)
    return (
        cell is None
        or (isinstance(cell, Decimal) and cell.is_nan())
        or (isinstance(cell, datetime) and cell != cell)  # NaT is a datetime, equal to nothing
    )


def brief(cell: object) -> str:
    """Return a cell for a message: the start of a text or number in quotes; the type of a container or of bytes."""
    if isinstance(cell, str):
        return repr(cell[:SHOWN])
    if isinstance(cell, NO_VALUE):
        return type(cell).__name__
    if isinstance(cell, int) and cell.bit_length() > LONGEST_INTEGER:
        return "an integer of more than a thousand digits"
    return repr(str(cell)[:SHOWN])


def cell_text(cell: object, column: str) -> str:
    """Return the text of a cell, "" if it is empty; texts of a list are joined by line breaks.

    Raises:
        ValueError: the cell holds an object or bytes.
    """
    if is_empty(cell):
        return ""
    if isinstance(cell, str):
        return cell
    if isinstance(cell, SEQUENCE):
        return "\n".join(part for item in cell if (part := cell_text(item, column)))
    if isinstance(cell, dict | bytes):
        raise ValueError(f"column {column!r} holds {type(cell).__name__}, expected text. Convert it to text")
    return plain_value(cell)


def cell_value(cell: object, column: str | None) -> str:
    """Return the normal form of one value, "" if the cell is empty.

    Raises:
        ValueError: the cell holds several values, an object or bytes.
    """
    if isinstance(cell, NO_VALUE):
        raise ValueError(f"column {column!r} holds {type(cell).__name__}, expected one value. Keep one value per cell")
    return "" if is_empty(cell) else plain_value(cell)


def cell_labels(cell: object, rule: LabelColumn) -> list[str]:
    """Return the distinct labels of a cell in their normal form, in order; [] if it is empty.

    Raises:
        ValueError: the cell holds an object, bytes, or lists in a list.
    """
    listed = _label_list(cell)
    if listed is not None:
        cells = listed
    elif isinstance(cell, str) and rule.separator is not None:
        cells = list(cell.split(rule.separator))
    else:
        cells = [cell]
    labels = [label for one in cells if (label := cell_value(one, rule.column))]
    return list(dict.fromkeys(labels))[: 1 if rule.pick == "first" else None]


def holds_several(values: Mapping[str, object], rule: LabelColumn | None) -> bool:
    """Return whether a record may have several labels: its cell is a list or split, and `pick` is not set."""
    if rule is None or rule.pick is not None:
        return False
    return rule.separator is not None or _label_list(values.get(rule.column)) is not None


def cell_id(cell: object, column: str) -> str:
    """Return an id as text, "" if the cell is empty; leading zeros and decimal points of a text stay.

    Raises:
        ValueError: the cell is not a text or number, or a float that may have lost digits of a 64-bit id.
    """
    if isinstance(cell, float) and not is_empty(cell) and not abs(cell) < LARGEST_EXACT:
        raise ValueError(f"id {cell!r} in column {column!r} is a float and may have lost digits. Write ids as text")
    if isinstance(cell, NO_ID):
        raise ValueError(
            f"column {column!r} holds a value of type {type(cell).__name__}, expected an id. Write ids as text, or set "
            "fields: {id: ...} to another column"
        )
    return cell_text(cell, column).strip()


def cell_images(
    values: Mapping[str, object], fields: Fields, by_pattern: Callable[[str], list[str]] = lambda pattern: []
) -> list[str]:
    """Return the names of a record's pictures, in order; [] if its cells hold the pictures themselves.

    Args:
        values: the cells by column.
        fields: what the columns mean.
        by_pattern: returns the names that a pattern finds.

    Raises:
        ValueError: a cell holds anything but names.
    """
    if fields.image_kind is not None:
        return []
    names = []
    for entry in fields.images:
        if is_pattern(entry):
            names += [name for name in by_pattern(entry) if name not in names]
        elif "{" in entry:
            names += _filled(entry, values)
        else:
            cell = values.get(entry)
            # The whole cell first: a none_value that is a sentence may contain the separator.
            if not (isinstance(cell, str) and cell.strip() in fields.none_values):
                names += _listed(cell, entry, fields.separator)
    return [name for name in names if name not in fields.none_values and not means_no_picture(name)]


def cell_pictures(values: Mapping[str, object], fields: Fields) -> list[Embedded]:
    """Return the pictures that the cells of a record hold themselves, in order, also the broken ones."""
    pictures = []
    for column in fields.images:
        cell = values.get(column)
        if not (isinstance(cell, str) and cell.strip() in fields.none_values):
            pictures += embedded_pictures(cell, column, _parsed)
    return pictures


def _parsed(text: str) -> object:
    """Return the value of a text in JSON or Python syntax.

    Raises:
        ValueError: it has none.
    """
    with suppress(ValueError, RecursionError):
        return json.loads(text)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Python warns of a backslash in a name
        value = parse_literal(text)
    if value is UNREADABLE:
        raise ValueError("neither JSON nor Python")
    return value


def cell_number(cell: object, column: str, fix: str = "Correct it, or list the column as categorical") -> float | None:
    """Return the number of a cell, None if it is empty.

    Raises:
        ValueError: the cell is not a plain number. The meaning of "1,024" or "$12.50" is not guessed.
    """
    if is_empty(cell):
        return None
    number = math.inf
    value = cell.strip() if isinstance(cell, str) else cell
    if (isinstance(value, int | float | Decimal) and not isinstance(value, bool)) or (
        isinstance(value, str) and is_number(value)
    ):
        with suppress(OverflowError):  # an integer of hundreds of digits
            number = float(value)
    if abs(number) > LARGEST:
        raise ValueError(
            f"column {column!r} holds {brief(cell)}, expected a plain number such as 12.5 or an empty cell. {fix}"
        )
    return number


def is_number(text: str) -> bool:
    """Return whether a text is a plain number, such as 12.5."""
    return len(text) <= LONGEST_NUMBER and _NUMBER.fullmatch(text) is not None


def cell_history(values: Mapping[str, object], fields: Fields) -> tuple[float | None, ...]:
    """Return the steps of a record's history, the latest last; None for a missing step.

    Raises:
        ValueError: a step is not a number.
    """
    if fields.history is None:
        return ()
    several = len(fields.history.columns) > 1
    steps: list[float | None] = []
    for column in fields.history.columns:
        cell = values.get(column)
        if several or not is_empty(cell):
            steps += [cell_number(step, column) for step in _steps(cell, column, fields.history.separator)]
    return tuple(steps)


def listed_names(cell: str) -> list[str] | None:
    """Return the strings of a list written as text in JSON or Python syntax; None if the cell is anything else."""
    listed = _listed_text(cell)
    names = None if listed is None else [name for name in listed if not is_empty(name)]
    return names if names is not None and all(isinstance(name, str) for name in names) else None


def _label_list(cell: object) -> list[object] | None:
    """Return the labels of a list, also of a list written as text; None if the cell is one value."""
    if isinstance(cell, SEQUENCE):
        return list(cell)
    listed = _listed_text(cell) if isinstance(cell, str) else None
    return None if listed is None or any(isinstance(one, NO_VALUE) for one in listed) else listed


def _listed_text(cell: str) -> list[Any] | None:
    """Return a list written as text in JSON or Python syntax; None if the cell is anything else."""
    if not cell.lstrip().startswith("["):
        return None
    try:
        listed = json.loads(cell)
    except (ValueError, RecursionError):
        if _SIDE_BY_SIDE.search(cell):
            return None
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Python warns of a backslash in a name
            listed = parse_literal(cell)
    return listed if isinstance(listed, list) else None


def columns_of(fields: Fields, labelled: bool) -> dict[str, list[str]]:
    """Return the columns that records must have, by the manifest key that names them."""
    needed: dict[str, list[str | None]] = {
        "fields.id": [fields.id],
        "fields.text": list(fields.text),
        "fields.images": [
            column for entry in fields.images for column in (PLACEHOLDER.findall(entry) if "{" in entry else [entry])
        ],
        "fields.metadata": [*fields.numeric, *fields.categorical],
        "fields.history": list(fields.history_columns),
    }
    if labelled:
        label = None if fields.label is None else fields.label.column
        needed |= {"fields.label": [label], "fields.group": [fields.group]}
    return {key: [name for name in names if name is not None] for key, names in needed.items()}


def _filled(template: str, values: Mapping[str, object]) -> list[str]:
    """Return the template filled with the record's values, as a list; [] if a value is empty."""
    cells = {column: cell_value(values.get(column), column) for column in PLACEHOLDER.findall(template)}
    if any(map(means_no_picture, cells.values())):
        return []
    return [PLACEHOLDER.sub(lambda match: cells[match[1]], template)]


def fill_pattern(pattern: Pattern, values: Mapping[str, object]) -> Filled | None:
    """Return a pattern with the values of a record; None if one of them is empty.

    Raises:
        ValueError: a value is no part of a file name.
    """
    cells = {column: cell_value(values.get(column), column) for column in pattern.columns}
    return None if any(map(means_no_picture, cells.values())) else pattern.fill(cells)


def _steps(cell: object, column: str, separator: str | None) -> list[object]:
    if isinstance(cell, SEQUENCE):
        return list(cell)
    if not isinstance(cell, str) or is_empty(cell):
        return [cell]
    if cell.strip().startswith("["):  # a list written into a CSV file
        try:
            listed = json.loads(cell)
        except (ValueError, RecursionError) as error:
            text = f"column {column!r} holds {brief(cell)}, which is not a JSON list ({error})"
            raise ValueError(f"{text}. Write it as JSON, such as [1, 2.5]") from error
        return list(listed)
    return list(cell.split(separator))


def _listed(cell: object, column: str, separator: str | None) -> list[str]:
    if is_empty(cell):
        return []
    if is_embedded(cell):
        of_parquet = "" if isinstance(cell, str) else " (Parquet: automm import embedded FILE --to DIR)"
        raise ValueError(
            f"column {column!r} holds the pictures themselves ({brief(cell)}), expected file names. "
            f"Set image_kind: base64 in fields, or write the pictures to files{of_parquet}"
        )
    if isinstance(cell, str):
        parts = listed_names(cell)
        if parts is None:
            parts = cell.split(separator) if separator is not None else [cell]
        return [part.strip() for part in parts if part.strip()]
    if isinstance(cell, SEQUENCE):
        return [name for item in cell for name in _listed(item, column, None)]
    if isinstance(cell, dict) and cell:
        keys = ", ".join(repr(key) for key in list(cell)[:8])
        holder = next(
            (key for key, value in cell.items() if isinstance(value, str) and _names_file(value)), next(iter(cell))
        )
        raise ValueError(
            f"column {column!r} holds objects with the keys {keys}, expected picture names. "
            f"Name the key that holds them: images: {column}.{holder}"
        )
    raise ValueError(
        f"column {column!r} holds {type(cell).__name__}, expected picture names. "
        f"If the file names contain this value, use a template: 'folder/{{{column}}}.jpg'"
    )


def _names_file(value: str) -> bool:
    return is_url(value) or value.lower().endswith(SUFFIXES)
