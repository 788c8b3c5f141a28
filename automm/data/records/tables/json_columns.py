"""JSON by columns, as pandas writes it, as records."""

from typing import Any


def rows_of_columns(parsed: dict[str, Any]) -> list[dict[str, object]] | None:
    """Return the records of JSON by columns, as pandas writes it; None if an object is anything else.

    That is {"column": {"0": cell, "1": cell}} or, with two columns or more, {"column": [cell, cell]}.
    """
    columns = list(parsed.values())
    if columns and all(isinstance(column, dict) for column in columns):
        rows = dict.fromkeys(row for column in columns for row in column)
        if rows and all(row.isdecimal() for row in rows) and not all(name.isdecimal() for name in parsed):
            return [{name: column.get(row) for name, column in parsed.items()} for row in rows]
    if len(columns) > 1 and all(isinstance(column, list) for column in columns):
        cells = [cell for column in columns for cell in column[:1]]
        if len(set(map(len, columns))) == 1 and cells and not all(isinstance(cell, dict) for cell in cells):
            return [dict(zip(parsed, row, strict=True)) for row in zip(*columns, strict=True)]
    return None
