"""How an experiment file narrows the search space, and what it is told where it cannot."""

from collections.abc import Collection, Mapping
from typing import Any

from automm.config.experiment import Experiment
from automm.data.manifest import Manifest
from automm.errors import ConfigError, Problem, nearest
from automm.search.space.table import IS_TRAINED, TABLE, Hyperparameter, Space
from automm.tasks.base import Task
from automm.tasks.registry import TASKS, applies_to

SPACE = "space"  # code of problems


def full_space(columns: Collection[str] = (), task: Task = TASKS["classification"]) -> Space:
    """Every hyperparameter with all its choices, but for those on request, and for the optional ones.

    Args:
        columns: what the manifest has beside text and pictures: 'metadata', 'history'.
        task: the manifest's.
    """
    return narrow({}, columns, task)


def space_of(experiment: Experiment, manifest: Manifest) -> Space:
    """The space that an experiment file asks for; raises as `narrow` does."""
    return narrow(experiment.space, manifest.columns, manifest.task_object, image_size=experiment.inputs.image_size)


def narrow(
    overrides: Mapping[str, Any],
    columns: Collection[str] = (),
    task: Task = TASKS["classification"],
    *,
    image_size: int | None = None,
) -> Space:
    """The space that an experiment file asks for.

    Args:
        columns, task: as in `full_space`.
        overrides: {"fusion.operator": ["concatenation", "product"], "label.dropout": 0.25}; dots or slashes.
        image_size: of the stored pictures, which no CNN reads larger than they are.

    Raises:
        ConfigError: every unknown name or illegal value, with the legal ones.
    """
    space = {name: row.choices for name, row in _possible(columns, task).items() if not row.optional}
    if image_size is not None:
        space["image/size"] = tuple(size for size in space["image/size"] if size <= image_size) or (image_size,)
    named: set[str] = set()
    problems: list[Problem] = []
    for key, wanted in overrides.items():
        name = key.replace(".", "/")
        if name not in TABLE:
            legal = [known.replace("/", ".") for known in TABLE]
            text = f"unknown hyperparameter {key!r}.{nearest(key, legal)} Legal: {', '.join(legal)}"
            problems.append(Problem(SPACE, "space", text))
            continue
        if name not in _possible(columns, task):
            column = TABLE[name].column
            lacking = f"names no fields.{column}" if column else f"predicts {task.targets}, which cannot use it"
            problems.append(Problem(SPACE, f"space.{key}", f"the manifest {lacking}", "Remove the key"))
            continue
        listed = wanted if isinstance(wanted, list | tuple) else (wanted,)
        values = tuple(_value(TABLE[name], one) for one in listed)
        faults = _faults(TABLE[name], values)
        problems += [Problem(SPACE, f"space.{key}", fault) for fault in faults]
        if not faults:
            named.add(name)
            # KerasTuner refuses choices of several types, such as 0 beside 0.5.
            kind = type(TABLE[name].choices[0])
            space[name] = tuple(dict.fromkeys(kind(value) for value in values))
    largest = max(space.get("image/size", (0,)))
    if image_size is not None and largest > image_size and any(map(IS_TRAINED[1], space["image/source"])):
        text = f"{largest} is larger than pictures are stored"
        problems.append(Problem(SPACE, "space.image.size", text, "Take less, or a larger inputs.image_size"))
    if problems:
        raise ConfigError(problems)
    return {name: space[name] for name in TABLE if name in space and (name in named or not _unrequested(space, name))}


def _possible(columns: Collection[str], task: Task) -> dict[str, Hyperparameter]:
    return {
        name: row
        for name, row in TABLE.items()
        if (not row.column or row.column in columns) and applies_to(task, "options", name.removeprefix("training/"))
    }


def _unrequested(space: Space, name: str) -> bool:
    """Whether a hyperparameter hangs on choices that are there on request, and nobody has requested them."""
    only = TABLE[name].only
    return only is not None and not any(map(only[1], (*TABLE[only[0]].choices, *space[only[0]])))


def _value(row: Hyperparameter, value: object) -> object:
    """A choice, in a row of floats also from a text: YAML that is read strictly leaves 1e-3 a text."""
    if not isinstance(value, str) or not isinstance(row.choices[0], float):
        return value
    try:
        return float(value)
    except ValueError:
        return value


def _faults(row: Hyperparameter, values: tuple[Any, ...]) -> list[str]:
    if not values:
        return ["no choice is left"]
    if row.bounds is None:
        known = (*row.choices, *row.on_request)
        legal = ", ".join(map(str, known))
        return [
            f"{value!r} is not a choice.{nearest(str(value), [*map(str, known)])} Legal: {legal}"
            for value in values
            if isinstance(value, bool) or value not in known  # True equals 1
        ]
    low, high = row.bounds
    whole = isinstance(row.choices[0], int)
    kind = "a whole number" if whole else "a number"
    return [
        f"{value!r} is not {kind} from {low:g} to {high:g}"
        for value in values
        if isinstance(value, bool) or not isinstance(value, int if whole else int | float) or not low <= value <= high
    ]
