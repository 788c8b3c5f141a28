"""A manifest that is being guessed, and the question to a person where no guess is honest."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from automm.data.onboarding.columns.column import Column
from automm.data.onboarding.reading import Table
from automm.errors import ConfigError, Problem

NONE = "none"  # the value of --label or --images for a manifest without them
LEFT_OUT = "left out"


class ChoiceError(ConfigError):
    """A person must choose a column; the message names the choices and the option.

    Attributes:
        option: the option of `automm init`, such as "--label".
        choices: the columns to choose from, with the reason of each.
    """

    def __init__(self, problems: Sequence[Problem], option: str, choices: Mapping[str, str]):
        super().__init__(problems)
        self.option, self.choices = option, dict(choices)


@dataclass
class Draft:
    """A manifest that is being guessed.

    Attributes:
        table: the columns of the records.
        given: keys of `fields` that are known and not guessed.
        content, reasons: as in `Guess`, without `fields`.
        fields: the keys of `fields` that were guessed so far.
        role_of: the role and the reason of each column that has one.
    """

    table: Table
    given: Mapping[str, Any]
    content: dict[str, Any]
    reasons: dict[str, str]
    fields: dict[str, Any] = field(default_factory=dict)
    role_of: dict[str, tuple[str, str]] = field(default_factory=dict)

    def settle(self, key: str, value: Any, names: Sequence[str], reason: str) -> None:
        """Set a key of `fields` unless it is given, and give its columns their role."""
        if key in self.given:
            return
        self.fields[key] = value
        self.reasons[f"fields.{key}"] = f"{', '.join(map(repr, names))}: {reason}"
        self.role_of |= {name: (key, reason) for name in names if name not in self.role_of}

    def leave_out(self, name: str, why: str) -> None:
        """Name a column that is not used, unless it has a role."""
        self.role_of.setdefault(name, (LEFT_OUT, why))

    def free(self, also: Iterable[str] = ()) -> list[Column]:
        """Return the columns that are not empty and have no role; those named in `also` even if they have one."""
        taken = self.role_of.keys() - set(also)
        return [column for name, column in self.table.columns.items() if name not in taken and column.cells]
