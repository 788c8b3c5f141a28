"""The errors of automm and their exit codes.

`AutommError` and its subclasses end a command. `TrialError` ends one candidate, and the search continues.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass

EXIT_DONE = 0
EXIT_INTERNAL = 1
EXIT_USAGE = 2
EXIT_DATA = 3
EXIT_NO_TRIAL = 4
EXIT_NOT_FOUND = 5
EXIT_INTERRUPTED = 130

SHOWN_PROBLEMS = 20
JOINERS = "\u200c\u200d"  # needed to spell Persian, Indic languages and emoji

UNNAMED = "unnamed"  # the code of a problem that no program needs to recognise


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong, for people and for programs.

    Attributes:
        code: its kind, such as "missing_label". Programs compare the code, never the words of the message.
        where: its place, such as "reviews.jsonl:17", or "".
        text: what is wrong, with evidence; without a full stop.
        fix: what to do, without a full stop; "" if the text already says it.
    """

    code: str
    where: str
    text: str
    fix: str = ""

    def __str__(self) -> str:
        """Return the problem as one line: "where: text. fix"."""
        placed = f"{self.where}: {self.text}" if self.where else self.text
        return f"{placed}. {self.fix}" if self.fix else placed


class AutommError(Exception):
    """Base class. The message tells the user what is wrong, where, and what to do."""

    exit_code = EXIT_INTERNAL


class ProblemsError(AutommError):
    """Several problems of one kind, reported together.

    Args:
        problems: one or more problems; a text is one problem without a code.
    """

    def __init__(self, problems: Sequence[Problem] | str):
        self.problems = [Problem(UNNAMED, "", problems)] if isinstance(problems, str) else list(problems)
        shown = [one_line(str(problem)) for problem in self.problems[:SHOWN_PROBLEMS]]
        if len(self.problems) > len(shown):
            shown.append(f"... and {len(self.problems) - len(shown)} more problems")
        super().__init__("\n".join(shown))

    @property
    def lines(self) -> list[str]:
        """Return each problem as one line."""
        return [str(problem) for problem in self.problems]


class ConfigError(ProblemsError):
    """A manifest, an experiment file or a command line is not valid."""

    exit_code = EXIT_USAGE


class DataError(ProblemsError):
    """Records or pictures contradict the manifest."""

    exit_code = EXIT_DATA


class NoTrialError(AutommError):
    """A search ended without a completed candidate."""

    exit_code = EXIT_NO_TRIAL


class NotFoundError(AutommError):
    """A file, run, bundle or trial does not exist."""

    exit_code = EXIT_NOT_FOUND


class WeightsError(NotFoundError):
    """Pre-trained weights are not installed, or differ from what was published."""


class CacheError(AutommError):
    """The cache folder cannot be written, or its disk is full."""


class TrackingError(AutommError):
    """The tracking store does not answer, and the command needs it. A search never raises this error."""


class TrialError(Exception):
    """One candidate failed. The message, its cause, is recorded, and the search continues."""


def nearest(word: str, legal: Sequence[str]) -> str:
    """Return ' Did you mean x?' if `word` is similar to one of `legal`, else ''."""
    from difflib import get_close_matches

    close = get_close_matches(word, legal, n=1, cutoff=0.6)
    return f" Did you mean {close[0]!r}?" if close else ""


def one_line(text: str) -> str:
    r"""Escape text from the data for a terminal or a comment: it cannot end the line or move the cursor.

    Tabs and line ends become spaces. Other characters that are not printable (control and format characters, overrides
    of the writing direction, unpaired surrogates) become their escapes, such as \x1b.
    """
    return text if text.isprintable() else "".join(map(_visible, text))


def escape_lines(text: str) -> str:
    """Escape each line of a text like `one_line`, and keep the line ends."""
    return "\n".join(map(one_line, text.split("\n")))


def _visible(letter: str) -> str:
    from unicodedata import category  # imported here because few messages need it

    if letter.isprintable() or letter in JOINERS or category(letter) == "Zs":
        return letter
    return " " if letter.isspace() else letter.encode("unicode_escape").decode("ascii")


def yaml_word(name: str) -> str:
    """Return a name as YAML inside braces, in quotes if YAML would not read it as the same text."""
    if re.fullmatch(r"[^\W\d][\w-]*", name) and name.lower() not in ("true", "false", "null"):
        return name
    return json.dumps(name, ensure_ascii=not name.isprintable())  # a raw line separator would be read as a space
