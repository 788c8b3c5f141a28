"""`--help`: the listing shows every first line whole, and every command has examples and explains its options."""

import click
import pytest
import typer.main
from typer.testing import CliRunner

from automm.cli import app

FIRST_LINE = 45  # characters that the listing shows at 80 columns


def commands(group: click.Command, name: str = "automm") -> dict[str, click.Command]:
    """Every command and group below `group`, by its full name."""
    found = {}
    for word, command in getattr(group, "commands", {}).items():
        found |= {f"{name} {word}": command, **commands(command, f"{name} {word}")}
    return found


COMMANDS = commands(typer.main.get_command(app))


def first_line(command: click.Command) -> str:
    return command.help.splitlines()[0]


@pytest.mark.parametrize("name", COMMANDS)
def test_the_first_line_fits_the_listing(name):
    assert len(first_line(COMMANDS[name])) <= FIRST_LINE
    assert first_line(COMMANDS[name]).endswith(".")


def test_the_listing_shows_first_lines_whole():
    printed = CliRunner().invoke(app, ["--help"], env={"COLUMNS": "80"}).stdout
    for name, command in COMMANDS.items():
        shown = next(line for line in printed.splitlines() if line.split()[:1] == [name.split()[-1]])
        assert shown.endswith(first_line(command))


@pytest.mark.parametrize("name", COMMANDS)
def test_the_help_has_examples_that_parse(name):
    help_text = COMMANDS[name].help
    assert "Examples:" in help_text
    examples = [line.strip() for line in help_text.splitlines() if line.strip().startswith("automm ")]
    assert examples
    for example in examples:
        words = [word.strip("'") for word in example.removeprefix(name).split()]
        assert example.startswith(name)
        COMMANDS[name].make_context(name, words)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_argument_and_option_is_explained(name):
    for parameter in COMMANDS[name].params:
        if not getattr(parameter, "hidden", False):
            assert parameter.help.endswith("."), parameter.name
