"""Limits on the structure of a record from any file format: nesting depth and column names."""

from collections import Counter
from collections.abc import Sequence

from automm.errors import Problem

DEEPEST = 100  # levels of nested lists and objects; Python's recursion ends at some hundreds
MALFORMED = "malformed"  # code of problems

_NESTS = (list, tuple, dict)


def nests_too_deep(value: object) -> bool:
    """Return whether lists and objects are nested deeper than recursive code can follow."""
    level = [value]
    for _ in range(DEEPEST):
        level = [
            inner
            for item in level
            for inner in (item.values() if isinstance(item, dict) else item if isinstance(item, _NESTS) else ())
            if isinstance(inner, _NESTS)
        ]
        if not level:
            return False
    return True


def too_deep(where: str) -> Problem:
    """Return the problem of a value for which `nests_too_deep` is true."""
    text = f"lists or objects nested more than {DEEPEST} levels deep"
    return Problem(MALFORMED, where, text, "Flatten or remove them")


def repeated_names(header: Sequence[str], where: str) -> Problem | None:
    """Return the problem of columns with the same name, of which a dict would keep only the last; None without any."""
    repeated = sorted(name for name, count in Counter(header).items() if count > 1)
    text = f"duplicate column names: {', '.join(map(repr, repeated))}"
    return Problem(MALFORMED, where, text, "Give each column its own name") if repeated else None
