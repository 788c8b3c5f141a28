"""The commands: each parses, calls one public function, and prints.

stdout carries the result, stderr the progress and a `next:` line. Heavy imports stand inside the commands, so that
`--help`, `check` and a typing error load neither TensorFlow nor MLflow.
"""

import os
import sys
from typing import Annotated

import typer

from automm import __version__

from automm.cli import data, datasets, encoders, search, runs  # isort: skip  # each adds its commands, in the order of --help
from automm.cli.app import app
from automm.cli.screen import escape_logs, say, show
from automm.errors import EXIT_INTERNAL, AutommError

__all__ = ["app", "data", "datasets", "encoders", "main", "runs", "search"]


def main() -> None:
    """The installed command."""
    escape_logs()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # TensorFlow says twenty lines about GPUs that are not there
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")
    try:
        app(standalone_mode=True)
    except AutommError as error:
        say(f"error: {error}")
        sys.exit(error.exit_code)
    except OSError as error:  # a full disk, a folder that may not be written
        say(f"error: {error}")
        sys.exit(EXIT_INTERNAL)


@app.callback(invoke_without_command=True)
def _version(
    version: Annotated[bool, typer.Option("--version", help="Print the version and leave.")] = False,
) -> None:
    if version:
        show(__version__)
        raise typer.Exit
