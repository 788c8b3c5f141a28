"""What can go wrong, and the exit code that each kind carries.

Two families: errors that end a command (every class but one), and `TrialError`, which ends one candidate and lets the
search go on.
"""

import json
import re
from collections.abc import Sequence

EXIT_DONE = 0
EXIT_INTERNAL = 1
EXIT_USAGE = 2
EXIT_DATA = 3
EXIT_NO_TRIAL = 4
EXIT_NOT_FOUND = 5
EXIT_INTERRUPTED = 130

SHOWN_PROBLEMS = 20


class AutommError(Exception):
    """Base class. The message is meant for the person at the terminal: what, where, and what to do."""

    exit_code = EXIT_INTERNAL


class ProblemsError(AutommError):
    """Several problems of one kind, reported together.

    Args:
        problems: one line each, "file:line: what is wrong. What to do".
    """

    def __init__(self, problems: Sequence[str] | str):
        self.problems = [problems] if isinstance(problems, str) else list(problems)
        shown = self.problems[:SHOWN_PROBLEMS]
        if len(self.problems) > len(shown):
            shown.append(f"... and {len(self.problems) - len(shown)} more problems")
        super().__init__("\n".join(shown))


class ConfigError(ProblemsError):
    """A manifest, an experiment file or a command line that does not say what it must."""

    exit_code = EXIT_USAGE


class DataError(ProblemsError):
    """Records or pictures that contradict the manifest."""

    exit_code = EXIT_DATA


class NoTrialError(AutommError):
    """A search that ended without one completed candidate."""

    exit_code = EXIT_NO_TRIAL


class NotFoundError(AutommError):
    """A file, run, bundle or trial that is not there."""

    exit_code = EXIT_NOT_FOUND


class WeightsError(NotFoundError):
    """Pre-trained weights that are not there, or are not what they claim to be."""


class CacheError(AutommError):
    """The cache folder cannot be written, or its disk is full."""


class TrackingError(AutommError):
    """A tracking store that does not answer where nothing else can be done. A search never raises it."""


class TrialError(Exception):
    """One candidate failed; its message is the cause in words. Recorded, and the search goes on."""


def nearest(word: str, legal: Sequence[str]) -> str:
    """' Did you mean x?' if `word` looks like one of `legal`, else ''."""
    from difflib import get_close_matches

    close = get_close_matches(word, legal, n=1, cutoff=0.6)
    return f" Did you mean {close[0]!r}?" if close else ""


def one_line(text: str) -> str:
    """A text of somebody's data for a comment or a terminal: nothing in it ends the line or steers the cursor."""
    return "".join(letter if letter.isprintable() else " " for letter in text)


def yaml_word(name: str) -> str:
    """A name as a manifest can hold it inside braces: in quotes where YAML would take it for something else."""
    if re.fullmatch(r"[^\W\d][\w-]*", name) and name.lower() not in ("true", "false", "null"):
        return name
    return json.dumps(name, ensure_ascii=not name.isprintable())  # a line separator would be read as a space
