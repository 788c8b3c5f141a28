"""Everything that the commands print. Text from the data is escaped here, because it could control the terminal.

Only this module and the console of `automm.cli.tables` print; a test checks that.
"""

import json
import logging
import re
import sys
from typing import Any

from automm.errors import escape_lines

_NOT_PRINTABLE = re.compile(r"[^\n\x20-\x7e]")


def show(result: object = "", end: str = "\n") -> None:
    """Print a result on stdout."""
    print(escape_lines(str(result)), end=end)


def say(text: str) -> None:
    """Print progress, advice or an error on stderr."""
    print(escape_lines(text), file=sys.stderr)


def can_ask() -> bool:
    """Return whether there is a person at a terminal to answer a question."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def print_json(content: Any) -> None:
    """Print JSON on stdout. Unprintable characters become JSON escapes: parsing gives the exact content."""

    def escape(match: re.Match[str]) -> str:
        letter = match[0]
        return letter if letter.isprintable() else json.dumps(letter)[1:-1]

    print(_NOT_PRINTABLE.sub(escape, json.dumps(content, indent=2, ensure_ascii=False)))


class SayLog(logging.Handler):
    """A logging handler that prints records on stderr."""

    def emit(self, record: logging.LogRecord) -> None:
        say(f"{record.levelname.lower()} {record.getMessage().rstrip()}")


def escape_logs() -> None:
    """Also escape log records that no other handler takes, and Python's warnings, which quote data."""
    logging.lastResort = SayLog(logging.WARNING)
    logging.captureWarnings(True)
    logging.getLogger("py.warnings").handlers = [logging.lastResort]  # without a handler, warnings would be dropped
