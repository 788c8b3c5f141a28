"""What a cell of a record says: a text, a value to compare, the names of pictures."""

import json
import math
import re
import warnings
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from decimal import Decimal
from typing import Any

from automm.data.records.forms import parse_literal
from automm.data.sections import LONGEST_INTEGER, Fields, LabelColumn, plain_value

LARGEST_EXACT = 2**53  # beyond it a float no longer tells neighbouring integers apart

LARGEST = 3e38  # beyond it float32 has infinity only

# Named, because a union written in place is made anew for each cell, of millions.
SEQUENCE = (list, tuple)
NO_VALUE = (*SEQUENCE, dict, bytes)
NO_ID = (*NO_VALUE, bool)

SHOWN = 40  # characters of a cell in a message
LONGEST_NUMBER = 1_000  # characters; what is longer was meant as something else

# Strict, because float() also takes "1_000", "nan" and digits of other scripts.
_NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_SIDE_BY_SIDE = re.compile(r"""['"]\s+['"]""")  # ['a.jpg' 'b.jpg'], an array of NumPy's: Python reads one text
_PLACEHOLDER = re.compile(r"\{([^{}]+)\}")


def is_empty(cell: object) -> bool:
    """None, NaN, what pandas calls NaT, or nothing but spaces."""
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
    """A cell for a message: the beginning of a text or a number in quotes, of anything that holds others its type."""
    if isinstance(cell, str):
        return repr(cell[:SHOWN])
    if isinstance(cell, NO_VALUE):
        return type(cell).__name__
    if isinstance(cell, int) and cell.bit_length() > LONGEST_INTEGER:
        return "an integer of more than a thousand digits"
    return repr(str(cell)[:SHOWN])


def cell_text(cell: object, column: str) -> str:
    """The text of a cell, "" where there is none; a list of texts is joined by line breaks.

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
        raise ValueError(f"column {column!r} holds {type(cell).__name__}, expected a text")
    return plain_value(cell)


def cell_value(cell: object, column: str | None) -> str:
    """The normal form of one value, "" where there is none.

    Raises:
        ValueError: the cell holds several values, an object or bytes.
    """
    if isinstance(cell, NO_VALUE):
        raise ValueError(f"column {column!r} holds {type(cell).__name__}, expected one value")
    return "" if is_empty(cell) else plain_value(cell)


def cell_labels(cell: object, rule: LabelColumn) -> list[str]:
    """The distinct labels of a cell in their normal form, in order; [] where there is none.

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
    """Whether a record may have any number of labels: a list, or a text that is split, of which none is picked."""
    if rule is None or rule.pick is not None:
        return False
    return rule.separator is not None or _label_list(values.get(rule.column)) is not None


def cell_id(cell: object, column: str) -> str:
    """An id as text, "" where there is none; a text keeps its zeros and points.

    Raises:
        ValueError: no text or integer, or a float that may have lost digits of a 64-bit id.
    """
    if isinstance(cell, float) and not is_empty(cell) and not abs(cell) < LARGEST_EXACT:
        raise ValueError(f"id {cell!r} in column {column!r} is a float that has lost digits. Write ids as texts")
    if isinstance(cell, NO_ID):
        raise ValueError(f"column {column!r} holds {type(cell).__name__}, expected an id")
    return cell_text(cell, column).strip()


def cell_images(values: Mapping[str, object], fields: Fields) -> list[str]:
    """The names of a record's pictures, in order.

    Raises:
        ValueError: a cell holds something else than names.
    """
    names = []
    for entry in fields.images:
        if "{" in entry:
            names += _filled(entry, values)
        else:
            cell = values.get(entry)
            # The whole cell first: a sentence that says "none" may hold the separator.
            if not (isinstance(cell, str) and cell.strip() in fields.none_values):
                names += _listed(cell, entry, fields.separator)
    return [name for name in names if name not in fields.none_values]


def cell_number(cell: object, column: str, fix: str = "Correct it, or list the column as categorical") -> float | None:
    """A number, None where there is none.

    Raises:
        ValueError: the cell holds anything else. What "1,024" or "$12.50" mean is not guessed.
    """
    if is_empty(cell):
        return None
    number = math.inf
    value = cell.strip() if isinstance(cell, str) else cell
    if (isinstance(value, int | float | Decimal) and not isinstance(value, bool)) or (
        isinstance(value, str) and is_number(value)
    ):
        with suppress(OverflowError):  # of an integer of hundreds of digits
            number = float(value)
    if abs(number) > LARGEST:
        raise ValueError(
            f"column {column!r} holds {brief(cell)}, expected a plain number such as 12.5, or nothing. {fix}"
        )
    return number


def is_number(text: str) -> bool:
    """Whether a text is a plain number, such as 12.5."""
    return len(text) <= LONGEST_NUMBER and _NUMBER.fullmatch(text) is not None


def cell_series(values: Mapping[str, object], fields: Fields) -> tuple[float | None, ...]:
    """The steps of a record's history, the latest last; None for a step that is missing.

    Raises:
        ValueError: a step that is no number.
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
    """The texts of a list that a CSV file holds as text: JSON, or as Python writes it. None of anything else."""
    listed = _listed_text(cell)
    return listed if listed is not None and all(isinstance(name, str) for name in listed) else None


def _label_list(cell: object) -> list[object] | None:
    """The labels of a list, also of one that a CSV file holds as text; None of one value."""
    if isinstance(cell, SEQUENCE):
        return list(cell)
    listed = _listed_text(cell) if isinstance(cell, str) else None
    return None if listed is None or any(isinstance(one, NO_VALUE) for one in listed) else listed


def _listed_text(cell: str) -> list[Any] | None:
    """A list that is written as text: JSON, or as Python writes it."""
    if not cell.lstrip().startswith("["):
        return None
    try:
        listed = json.loads(cell)
    except (ValueError, RecursionError):
        if _SIDE_BY_SIDE.search(cell):
            return None
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a backslash in a name
            listed = parse_literal(cell)
    return listed if isinstance(listed, list) else None


def columns_of(fields: Fields, labelled: bool) -> dict[str, list[str]]:
    """The columns that a record must have, by the key that names them."""
    needed: dict[str, list[str | None]] = {
        "fields.id": [fields.id],
        "fields.text": list(fields.text),
        "fields.images": [
            column for entry in fields.images for column in (_PLACEHOLDER.findall(entry) if "{" in entry else [entry])
        ],
        "fields.metadata": [*fields.numeric, *fields.categorical],
        "fields.history": list(fields.history_columns),
    }
    if labelled:
        label = None if fields.label is None else fields.label.column
        needed |= {"fields.label": [label], "fields.group": [fields.group]}
    return {key: [name for name in names if name is not None] for key, names in needed.items()}


def _filled(template: str, values: Mapping[str, object]) -> list[str]:
    cells = {column: cell_value(values.get(column), column) for column in _PLACEHOLDER.findall(template)}
    if not all(cells.values()):
        return []
    return [_PLACEHOLDER.sub(lambda match: cells[match[1]], template)]


def _steps(cell: object, column: str, separator: str | None) -> list[object]:
    if isinstance(cell, SEQUENCE):
        return list(cell)
    if not isinstance(cell, str) or is_empty(cell):
        return [cell]
    if cell.strip().startswith("["):  # how a list looks in a CSV file
        try:
            listed = json.loads(cell)
        except (ValueError, RecursionError) as error:
            raise ValueError(f"column {column!r} holds {brief(cell)}, which is no list of numbers ({error})") from error
        return list(listed)
    return list(cell.split(separator))


def _listed(cell: object, column: str, separator: str | None) -> list[str]:
    if is_empty(cell):
        return []
    if isinstance(cell, str):
        parts = listed_names(cell)
        if parts is None:
            parts = cell.split(separator) if separator is not None else [cell]
        return [part.strip() for part in parts if part.strip()]
    if isinstance(cell, SEQUENCE):
        return [name for item in cell for name in _listed(item, column, None)]
    if isinstance(cell, bytes) or (isinstance(cell, dict) and isinstance(cell.get("bytes"), bytes)):
        raise ValueError(
            f"column {column!r} holds pictures themselves, expected names of files. "
            "To write them to files: automm import embedded FILE --to DIR"
        )
    raise ValueError(
        f"column {column!r} holds {type(cell).__name__}, expected names of pictures. "
        f"For numbers in file names, write a template: 'folder/{{{column}}}.jpg'"
    )
