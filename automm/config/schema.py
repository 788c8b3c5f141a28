"""What the sections of manifests and experiment files share: strict validation, and problems with file and line."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from automm.config.strict_yaml import Place
from automm.errors import Problem, nearest

Faults = list[tuple[Place, str]]  # the place in the file, and what is wrong there


class Section(BaseModel):
    """A section of a file. Unknown keys are errors, and values are frozen."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def problems_of(error: ValidationError, model: type[BaseModel], place: Place = ()) -> Faults:
    """Return pydantic's errors with the keys of the file.

    Args:
        error: the result of validating `model`.
        model: the section, or the whole file, that was validated.
        place: the place of the section in the file.
    """
    return [((*place, *fault["loc"]), _explain(fault, model, place)) for fault in error.errors()]


def located(
    faults: Faults, code: str, name: str, lines: Mapping[Place, int], given: Mapping[Place, str] | None = None
) -> list[Problem]:
    """Turn faults into problems with their lines, in the order of the file.

    Args:
        faults: the faults of the whole file.
        code: the code of the problems.
        name: the name of the file in messages.
        lines: the line of each key.
        given: for each key that the command line set, the option; it is named in place of the line.
    """

    def located_at(location: Place) -> tuple[int, str]:
        for length in range(len(location), 0, -1):
            place = location[:length]
            if given and place in given:
                return 0, given[place]
            if place in lines:
                return lines[place], f"{name}:{lines[place]}"
            for inside, option in (given or {}).items():
                if inside[:length] == place:  # the option also created the section
                    return 0, option
        return 1, f"{name}:1"

    ordered = sorted((located_at(location), text) for location, text in faults)
    return [Problem(code, where, text) for (_, where), text in ordered]


def _explain(problem: Any, model: type[BaseModel], place: Place) -> str:
    """Return a pydantic error as one line."""
    location = ".".join(str(part) for part in (*place, *problem["loc"]))
    if problem["type"] == "extra_forbidden":
        legal = list(_section(model, problem["loc"][:-1]).model_fields)
        hint = nearest(str(problem["loc"][-1]), legal)
        return f"unknown key {location!r}.{hint} Legal here: {', '.join(legal) or 'none'}"
    if problem["type"] == "model_type":
        message = f"expected keys and values. Legal here: {', '.join(_section(model, problem['loc']).model_fields)}"
    else:
        message = problem["msg"].removeprefix("Value error, ")
    given = problem.get("input")
    is_shown = not isinstance(given, str | int | float | bool) or repr(given) in message
    shown = "" if is_shown else f" (given: {given!r})"
    return f"{location}: {message}{shown}" if location else f"{message}{shown}"


def _section(model: type[BaseModel], location: Place) -> type[BaseModel]:
    """Return the section at `location` inside `model`."""
    for part in location:
        if isinstance(part, int):  # an item of a list: the model is that of the list
            continue
        annotation: Any = model.model_fields[str(part)].annotation
        for option in getattr(annotation, "__args__", (annotation,)):
            if isinstance(option, type) and issubclass(option, BaseModel):
                model = option
    return model
