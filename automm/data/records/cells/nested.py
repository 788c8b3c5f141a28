"""Read values inside nested cells by dotted paths: "category.name", or "photos.path" of a list of objects.

A cell may also be a list or an object written as text, in JSON or Python syntax.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from automm.data.records.forms import UNREADABLE, parse_literal
from automm.data.records.source import Record

_OBJECT = re.compile(r"\s*(\[\s*)?\{\s*[\"'}]")  # the start of an object, or of a list of objects
DEEPEST = 4  # levels of a path that `flattened` follows


def unwritten(cell: object) -> object:
    """Return the object, or the list of objects, that a text holds in JSON or Python syntax; else the cell itself."""
    if not isinstance(cell, str) or not _OBJECT.match(cell):
        return cell
    try:
        return json.loads(cell)
    except (ValueError, RecursionError):
        parsed = parse_literal(cell)
        return cell if parsed is UNREADABLE else parsed


def look_up(values: Mapping[str, object], path: str) -> object:
    """Return the value at a dotted path, a list of values if the path crosses a list, None if there is none."""
    parts = path.split(".")
    for count in range(len(parts) - 1, 0, -1):  # a column name may itself contain dots
        name = ".".join(parts[:count])
        if name in values:
            return _below(values[name], parts[count:])
    return None


def _below(cell: object, parts: Sequence[str]) -> object:
    if not parts:
        return cell
    cell = unwritten(cell)
    if isinstance(cell, Mapping):
        return _below(cell.get(parts[0]), parts[1:])
    if isinstance(cell, list | tuple):
        found = [_below(item, parts) for item in cell]
        return [item for item in found if item is not None]
    return None


def with_paths(rows: Iterator[Record], paths: Sequence[str]) -> Iterator[Record]:
    """Yield the records with the values at some dotted paths as further columns."""
    for record in rows:
        found = {path: look_up(record.values, path) for path in paths if path not in record.values}
        found = {path: cell for path, cell in found.items() if cell is not None}
        yield replace(record, values=record.values | found) if found else record


def flattened(values: Mapping[str, object]) -> dict[str, object]:
    """Return the cells of a record with objects taken apart: {"a": {"b": 1}} gives {"a.b": 1}.

    Objects that hold bytes (pictures) and empty objects stay whole. A list of objects gives a list for each key.
    """
    cells: dict[str, object] = {}
    for name, cell in values.items():
        _flatten(name, cell, cells, 1)
    return cells


def _flatten(name: str, cell: object, cells: dict[str, object], depth: int) -> None:
    if isinstance(cell, str) and cell[:1] not in "[{ \n":
        cells[name] = cell
        return
    parsed = unwritten(cell)
    if depth < DEEPEST and _holds_plain_keys(parsed):
        for key, inner in parsed.items():  # type: ignore[attr-defined]
            _flatten(f"{name}.{key}", inner, cells, depth + 1)
    elif depth < DEEPEST and isinstance(parsed, list) and parsed and all(map(_holds_plain_keys, parsed)):
        keys = dict.fromkeys(key for item in parsed for key in item)
        for key in keys:
            inner = [item[key] for item in parsed if item.get(key) is not None]
            _flatten(f"{name}.{key}", inner, cells, depth + 1)
    else:
        cells[name] = cell


def _holds_plain_keys(cell: object) -> bool:
    """Return whether a cell is an object that can be taken apart: its keys are names, and it holds no bytes."""
    return (
        isinstance(cell, dict)
        and bool(cell)
        and all(isinstance(key, str) and key and "." not in key for key in cell)
        and not any(isinstance(inner, bytes) for inner in cell.values())
    )
