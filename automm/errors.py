"""What can go wrong, and the exit code that each kind carries.

Two families: errors that end a command (every class but one), and `TrialError`, which ends one candidate and lets the
search go on.
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
JOINERS = "\u200c\u200d"  # part of the spelling of Persian, of Indic languages and of emoji


UNNAMED = "unnamed"  # the code of a problem that no other code asks for


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong, for people and for code.

    Attributes:
        code: of its kind, such as "missing_label". Code asks for it, never for words of the message.
        where: "reviews.jsonl:17", or "" where it has no place.
        text: what is wrong, with evidence; without a full stop.
        fix: what to do; without a full stop; "" where the text says it.
    """

    code: str
    where: str
    text: str
    fix: str = ""

    def __str__(self) -> str:
        """In one line: "where: text. fix"."""
        placed = f"{self.where}: {self.text}" if self.where else self.text
        return f"{placed}. {self.fix}" if self.fix else placed


class AutommError(Exception):
    """Base class. The message is meant for the person at the terminal: what, where, and what to do."""

    exit_code = EXIT_INTERNAL


class ProblemsError(AutommError):
    """Several problems of one kind, reported together.

    Args:
        problems: one or more; a text is a single problem without a code.
    """

    def __init__(self, problems: Sequence[Problem] | str):
        self.problems = [Problem(UNNAMED, "", problems)] if isinstance(problems, str) else list(problems)
        shown = [one_line(str(problem)) for problem in self.problems[:SHOWN_PROBLEMS]]
        if len(self.problems) > len(shown):
            shown.append(f"... and {len(self.problems) - len(shown)} more problems")
        super().__init__("\n".join(shown))

    @property
    def lines(self) -> list[str]:
        """Each problem as people read it."""
        return [str(problem) for problem in self.problems]


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
    r"""Text of somebody's data, escaped for a terminal or a comment: nothing in it ends the line or steers the cursor.

    Tabs and line ends become spaces. Other characters that are not printable (control and format characters, overrides
    of the writing direction, unpaired surrogates) become their escapes, such as \x1b.
    """
    return text if text.isprintable() else "".join(map(_visible, text))


def escape_lines(text: str) -> str:
    """The lines of a text, each as `one_line` escapes it."""
    return "\n".join(map(one_line, text.split("\n")))


def _visible(letter: str) -> str:
    from unicodedata import category  # a library that few messages need

    if letter.isprintable() or letter in JOINERS or category(letter) == "Zs":
        return letter
    return " " if letter.isspace() else letter.encode("unicode_escape").decode("ascii")


def yaml_word(name: str) -> str:
    """A name as a manifest can hold it inside braces: in quotes where YAML would take it for something else."""
    if re.fullmatch(r"[^\W\d][\w-]*", name) and name.lower() not in ("true", "false", "null"):
        return name
    return json.dumps(name, ensure_ascii=not name.isprintable())  # a line separator would be read as a space
