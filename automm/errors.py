"""The errors of automm and their exit codes.

`AutommError` and its subclasses end a command. `TrialError` ends one candidate, and the search continues.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

EXIT_DONE = 0
EXIT_INTERNAL = 1
EXIT_USAGE = 2
EXIT_DATA = 3
EXIT_NO_TRIAL = 4
EXIT_NOT_FOUND = 5
EXIT_INTERRUPTED = 130

SHOWN_EXAMPLES = 3  # of each kind of problem in data
SHOWN_PROBLEMS = 20  # of a file that the user wrote
SHOWN_PLACES = 3  # of one sentence
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


def kinds_of(problems: Sequence[Problem], examples: int = SHOWN_EXAMPLES) -> list[dict[str, Any]]:
    """Return {code, count, examples} of each kind of problem, in the order of their first problems.

    An example is one line. Problems that differ only in their places are one example with its first places.
    """
    kinds: dict[str, dict[tuple[str, str], list[str]]] = {}
    for problem in problems:
        kinds.setdefault(problem.code, {}).setdefault((problem.text, problem.fix), []).append(problem.where)
    return [
        {
            "code": code,
            "count": sum(map(len, sentences.values())),
            "examples": [
                str(Problem(code, _places(places), text, fix))
                for (text, fix), places in islice(sentences.items(), examples)
            ],
        }
        for code, sentences in kinds.items()
    ]


def grouped_lines(problems: Sequence[Problem], examples: int = SHOWN_EXAMPLES) -> list[str]:
    """Return the first problems of every kind as lines; if not all have a line, the last line counts all kinds."""
    kinds = kinds_of(problems, examples)
    lines = [line for kind in kinds for line in kind["examples"]]
    if len(problems) > len(lines) and len(lines) > 1:
        counts = ", ".join(f"{kind['code']} {kind['count']:,}" for kind in kinds)
        lines.append(f"{len(problems):,} problems: {counts}")
    return lines


def _places(places: Sequence[str]) -> str:
    more = len(places) - SHOWN_PLACES
    first = ", ".join(dict.fromkeys(filter(None, places[:SHOWN_PLACES])))
    return f"{first} and {more:,} more" if more > 0 and first else first


class AutommError(Exception):
    """Base class. The message tells the user what is wrong, where, and what to do."""

    exit_code = EXIT_INTERNAL


class ProblemsError(AutommError):
    """Problems that are reported together, grouped by kind.

    Args:
        problems: one or more problems; a text is one problem without a code.
        examples: the number of problems of each kind that the message shows; by default that of the class.
    """

    examples = SHOWN_EXAMPLES

    def __init__(self, problems: Sequence[Problem] | str, examples: int | None = None):
        self.problems = [Problem(UNNAMED, "", problems)] if isinstance(problems, str) else list(problems)
        super().__init__("\n".join(map(one_line, grouped_lines(self.problems, examples or self.examples))))

    @property
    def lines(self) -> list[str]:
        """Return each problem as one line."""
        return [str(problem) for problem in self.problems]


class ConfigError(ProblemsError):
    """A manifest, an experiment file or a command line is not valid."""

    exit_code = EXIT_USAGE
    examples = SHOWN_PROBLEMS


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


class CacheFolderError(CacheError):
    """The cache folder cannot be written. The user chooses another one."""

    exit_code = EXIT_USAGE


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
