"""What `automm init` asks, and what it and `automm import` print."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import typer

from automm.cli.screen import can_ask, say
from automm.data.manifest import load_manifest
from automm.data.onboarding.draft import NONE, ChoiceError
from automm.data.onboarding.guess import Guess, Role
from automm.data.onboarding.init import write_first_manifest

MOST_CHOICES = 12
Ask = Callable[[str], str]


def given_fields(
    label: str | None, text: list[str] | None, images: list[str] | None, identity: str | None
) -> dict[str, Any]:
    """Return the keys of `fields` that the options set; a label of None means none."""
    given: dict[str, Any] = {}
    if label is not None:
        given["label"] = None if label == NONE else label
    for key, names in (("text", text), ("images", images)):
        if names == [NONE]:
            given[key] = None
        elif names:
            given[key] = names[0] if len(names) == 1 else names
    return given | ({"id": identity} if identity is not None else {})


def write_or_ask(
    path: Path,
    to: Path | None,
    *,
    given: Mapping[str, Any],
    ask: Ask | None = None,
    **options: Any,
) -> tuple[Path, Guess]:
    """Write the manifest; on a terminal, ask for the label if a person must choose it.

    Args:
        path, to, given: as in `write_first_manifest`.
        ask: asks one question and returns the answer; by default a prompt on a terminal, and none in a pipe.
        options: the other arguments of `write_first_manifest`.

    Raises:
        ChoiceError: the label must be chosen, and there is nobody to ask.
    """
    if ask is None and can_ask():
        ask = _prompt
    try:
        return write_first_manifest(path, to, given=given, must_have_label=True, **options)
    except ChoiceError as error:
        if ask is None or error.option != "--label":
            raise
        say(str(error))
        listed = list(error.choices)[:MOST_CHOICES]
        for number, name in enumerate(listed, 1):
            say(f"  {number}  {name}  {error.choices[name]}".rstrip())
        answer = ask(f"The column to predict: a number, a name, or {NONE}").strip()
        chosen = listed[int(answer) - 1] if answer.isdecimal() and 0 < int(answer) <= len(listed) else answer
        label = None if chosen == NONE else chosen
        return write_first_manifest(path, to, given={**given, "label": label}, **options)


def has_label(manifest: Path, allow_code: bool) -> bool:
    """Return whether a manifest names a label."""
    fields = load_manifest(manifest, allow_code=allow_code).fields
    return fields is not None and fields.label is not None


def _prompt(question: str) -> str:
    return str(typer.prompt(question, err=True))


def report_columns(roles: Sequence[Role], reasons: Mapping[str, str]) -> None:
    """Print the role of every column, and the reasons of the other keys."""
    from automm.cli import tables

    columns_said = {f"fields.{role.role}" for role in roles}
    tables.roles_table([(role.column, role.role, role.why, role.examples) for role in roles])
    for key, reason in reasons.items():
        if key not in columns_said and not key.startswith("column "):
            say(f"{key}: {reason}")
