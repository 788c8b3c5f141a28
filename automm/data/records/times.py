"""Convert the time of a review to seconds since 1970."""

import math
from datetime import UTC, date, datetime

from automm.data.records.field_values import brief, is_empty

MILLISECONDS_FROM = 1e11  # the year 5138 in seconds, March 1973 in milliseconds


def cell_time(cell: object, column: str) -> float:
    """Return the time of a cell in seconds since 1970-01-01 UTC.

    Args:
        cell: an ISO date ("2024-05-06", "2024-05-06 07:08:09", "2024-05-06T07:08:09Z"), in UTC if it has no zone, or a
            number of seconds or milliseconds since 1970.
        column: its name, for messages.

    Raises:
        ValueError: the cell is empty, or not a time.
    """
    if is_empty(cell):
        raise ValueError(f"no time in column {column!r}. Add one, or remove the record")
    if isinstance(cell, datetime):
        return _seconds(cell)
    if isinstance(cell, date):
        return _seconds(datetime(cell.year, cell.month, cell.day))
    if isinstance(cell, str | int | float) and not isinstance(cell, bool):
        number = _number(cell)
        if number is not None:
            return number / 1000 if abs(number) >= MILLISECONDS_FROM else number
        try:
            return _seconds(datetime.fromisoformat(str(cell).strip()))
        except ValueError:
            pass
    raise ValueError(
        f"time {brief(cell)} in column {column!r} is not an ISO date (2024-05-06, 2024-05-06 07:08:09), nor a number "
        "of seconds or milliseconds since 1970"
    )


def _number(cell: str | int | float) -> float | None:
    """Return the value of a number; None for other texts and for "20240506", which is an ISO date."""
    if isinstance(cell, str) and len(cell.strip()) == 8 and cell.strip().isdecimal():
        return None
    try:
        number = float(cell)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _seconds(moment: datetime) -> float:
    zoned = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    return (zoned - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds()
