"""What the sections of manifests and experiment files have in common, and their problems in the words of the file."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from automm.config.strict_yaml import Place
from automm.errors import Problem, nearest

Faults = list[tuple[Place, str]]  # where in the file, and what is wrong there


class Section(BaseModel):
    """A part of the file: unknown keys are errors, values never change."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def problems_of(error: ValidationError, model: type[BaseModel], place: Place = ()) -> Faults:
    """What pydantic found wrong, in the words of the file.

    Args:
        error: of validating `model`.
        model: what the file, or a part of it, has to be.
        place: where in the file that part is.
    """
    return [((*place, *found["loc"]), _explain(found, model, place)) for found in error.errors()]


def located(
    faults: Faults, code: str, name: str, lines: Mapping[Place, int], given: Mapping[Place, str] | None = None
) -> list[Problem]:
    """The faults as problems, each with its line of the file, and in the order of the file.

    Args:
        faults: of the whole file.
        code: of the problems.
        name: what the file is called.
        lines: the line of each key.
        given: the option of the command line, for each key that was set by one; it is named in place of the line.
    """

    def found(location: Place) -> tuple[int, str]:
        for length in range(len(location), 0, -1):
            place = location[:length]
            if given and place in given:
                return 0, given[place]
            if place in lines:
                return lines[place], f"{name}:{lines[place]}"
            for inside, option in (given or {}).items():
                if inside[:length] == place:  # an option that has made the section, too
                    return 0, option
        return 1, f"{name}:1"

    ordered = sorted((found(location), text) for location, text in faults)
    return [Problem(code, where, text) for (_, where), text in ordered]


def _explain(problem: Any, model: type[BaseModel], place: Place) -> str:
    """A pydantic problem as one line."""
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
    told = not isinstance(given, str | int | float | bool) or repr(given) in message
    shown = "" if told else f" (given: {given!r})"
    return f"{location}: {message}{shown}" if location else f"{message}{shown}"


def _section(model: type[BaseModel], location: Place) -> type[BaseModel]:
    """The section at `location` in one of `model`."""
    for part in location:
        if isinstance(part, int):  # an item of a list, whose model is known already
            continue
        annotation: Any = model.model_fields[str(part)].annotation
        for option in getattr(annotation, "__args__", (annotation,)):
            if isinstance(option, type) and issubclass(option, BaseModel):
                model = option
    return model
