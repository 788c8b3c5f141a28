"""The shape that a record may have, whatever file it comes from."""

from collections import Counter
from collections.abc import Sequence

from automm.errors import Problem

DEEPEST = 100  # lists and objects within one another; Python's own recursion ends at some hundreds
MALFORMED = "malformed"  # code of problems

_NESTS = (list, tuple, dict)


def nests_too_deep(value: object) -> bool:
    """Whether lists and objects hold one another deeper than code that follows them by recursion can go."""
    level = [value]
    for _ in range(DEEPEST):
        level = [
            inner
            for one in level
            for inner in (one.values() if isinstance(one, dict) else one if isinstance(one, _NESTS) else ())
            if isinstance(inner, _NESTS)
        ]
        if not level:
            return False
    return True


def too_deep(where: str) -> Problem:
    """What is wrong with a value that `nests_too_deep`."""
    return Problem(MALFORMED, where, f"lists or objects nested more than {DEEPEST} deep", "Flatten or remove them")


def repeated_names(header: Sequence[str], where: str) -> Problem | None:
    """Columns of one name, of which a dict would keep the last."""
    twice = sorted(name for name, count in Counter(header).items() if count > 1)
    text = f"column names stand twice: {', '.join(map(repr, twice))}"
    return Problem(MALFORMED, where, text, "Rename one") if twice else None
