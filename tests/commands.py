"""Run commands of automm in the process of a test."""

from typer.testing import CliRunner

from automm.cli.app import app
from automm.errors import AutommError


def run(*words):
    """Return the exit code of a command, and everything it printed, with the message of an error."""
    done = CliRunner().invoke(app, [str(word) for word in words])
    if isinstance(done.exception, AutommError):
        return done.exception.exit_code, f"{done.output}\n{done.exception}"
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.exit_code, done.output
