"""The commands. Each parses its arguments, calls one public function, and prints.

Results go to stdout; progress and a `next:` line go to stderr. Heavy imports are inside the commands: `--help`, `check`
and a usage error load neither TensorFlow nor MLflow.
"""

import os
import sys
from typing import Annotated

import typer

from automm import __version__

from automm.cli import data, datasets, encoders, search, evidence, runs  # isort: skip  # each adds its commands, in the order that --help lists them
from automm.cli.app import app
from automm.cli.screen import escape_logs, say, show
from automm.errors import EXIT_INTERNAL, EXIT_USAGE, AutommError

__all__ = ["app", "data", "datasets", "encoders", "evidence", "main", "runs", "search"]


def main() -> None:
    """Run the command line; the entry point of the installed `automm` command."""
    escape_logs()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # without it TensorFlow prints twenty lines about missing GPUs
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")
    try:
        app(standalone_mode=True)
    except AutommError as error:
        say(f"error: {error}")
        sys.exit(error.exit_code)
    except PermissionError as error:
        say(f"error: '{error.filename}': no permission to read or write it. Change its permissions, or name another")
        sys.exit(EXIT_USAGE)
    except OSError as error:  # for example a full disk
        say(f"error: '{error.filename}': {error.strerror}" if error.filename else f"error: {error}")
        sys.exit(EXIT_INTERNAL)


@app.callback(invoke_without_command=True)
def _version(
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
) -> None:
    if version:
        show(__version__)
        raise typer.Exit
