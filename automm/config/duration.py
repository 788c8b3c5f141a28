"""Durations: as people write them in experiment files, and as messages print them."""

import re
import sys
from typing import Annotated

from pydantic import BeforeValidator

_NUMBER = r"[0-9]+(?:\.[0-9]+)?"
_UNITS = {"h": 3600, "m": 60, "s": 1}
_SECONDS = re.compile(f"(?P<s>{_NUMBER})")
_PARTS = re.compile(r"\s*".join(rf"(?:(?P<{unit}>{_NUMBER})\s*{unit})?" for unit in _UNITS))


def parse_duration(value: object) -> float:
    """Return the seconds of a number, or of a text such as '90', '90s', '30m', '1h', '1h30m'.

    In a text of several parts each number needs its unit: 1h30 is refused, since 30 may be minutes or seconds.

    Raises:
        ValueError: not a duration, or not positive and finite.
    """
    if isinstance(value, int | float) and not isinstance(value, bool):
        seconds: float = value
    else:
        text = str(value).strip()
        match = _SECONDS.fullmatch(text) or _PARTS.fullmatch(text)
        if match is None or not any(match.groups()):
            raise ValueError(f"{value!r} is not a duration. Write it like 90s, 30m, 1h or 1h30m")
        seconds = sum(float(number) * _UNITS[unit] for unit, number in match.groupdict().items() if number)
    if not 0 < seconds <= sys.float_info.max:  # an int may be larger than any float
        raise ValueError(f"{value!r} is not a positive duration. Write it like 90s, 30m, 1h or 1h30m")
    return float(seconds)


Duration = Annotated[float, BeforeValidator(parse_duration)]


def duration(seconds: float) -> str:
    """Format a duration for people: 42 s, 3 min, 1 h 20 min."""
    minutes = round(seconds / 60)
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"
