"""Narrow the search space as an experiment file says, and report its mistakes."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from automm.config.experiment import Experiment
from automm.config.inputs import ALL
from automm.data.manifest import Manifest
from automm.errors import ConfigError, Problem, nearest
from automm.models.encoders.sources import readouts_of
from automm.models.readouts import POOLED
from automm.models.towers import LAST_AND_TWO_THIRDS
from automm.search.space.table import (
    IS_TRAINED,
    READS_VECTORS,
    SEARCHED_READOUTS,
    TABLE,
    Hyperparameter,
    Space,
    conditions,
)
from automm.tasks.base import Task
from automm.tasks.registry import TASKS

SPACE = "space"  # code of problems


def full_space(columns: Collection[str] = (), task: Task = TASKS["classification"]) -> Space:
    """Return the space without an experiment file: no optional hyperparameters and no `on_request` choices.

    Args:
        columns: the manifest's inputs besides text and pictures: 'metadata', 'history'.
        task: the task of the manifest.
    """
    return narrow({}, columns, task)


def space_of(experiment: Experiment, manifest: Manifest) -> Space:
    """Return the space of an experiment file; raises as `narrow`."""
    encoders, folder = experiment.encoders.by_modality, experiment.encoders.folder
    chosen = {modality: _chosen(experiment.space, modality, names) for modality, names in encoders.items()}
    possible = {
        modality: set.intersection(*(set(readouts_of(folder(name), modality)) for name in names))
        for modality, names in chosen.items()
    }
    return narrow(
        experiment.space,
        manifest.towers(experiment.inputs),
        manifest.task_object,
        image_size=experiment.inputs.known_image_size,
        encoders=encoders,
        possible_readouts=possible,
    )


def _chosen(overrides: Mapping[str, Any], modality: str, names: tuple[str, ...]) -> tuple[str, ...]:
    """Return the encoders of a modality that points may choose; all of them if the file lists none that exists."""
    wanted = overrides.get(f"{modality}.encoder", overrides.get(f"{modality}/encoder", ALL))
    listed = wanted if isinstance(wanted, list | tuple) else (wanted,)
    return tuple(name for name in names if name in listed or ALL in listed) or names


def encoders_read(experiment: Experiment, space: Space) -> dict[str, tuple[str, ...]]:
    """Return the encoders of each modality that a search reads, in the order of the experiment file.

    These are the encoders that points of the space may choose, and the first one if there are baselines. An encoder
    that the space excludes is not encoded, and a baseline of all encoders does not read it.
    """
    wanted = experiment.baselines
    has_baselines = wanted.include not in ("none", ()) or wanted.trees or wanted.end_to_end
    joint, read = space.get("fusion/similarity", ()), {}
    for modality, names in experiment.encoders.by_modality.items():
        row = f"{modality}/encoder"
        exists = row in space and all(values for _, values in conditions(space, row))
        chosen = {*joint, *(space[row] if exists else ()), *(names[:1] if has_baselines else ())}
        read[modality] = tuple(name for name in names if name in chosen or ALL in chosen) or names[:1]
    return read


def narrow(
    overrides: Mapping[str, Any],
    columns: Collection[str] = (),
    task: Task = TASKS["classification"],
    *,
    image_size: int | None = None,
    encoders: Mapping[str, Sequence[str]] = MappingProxyType({}),
    possible_readouts: Mapping[str, Collection[str]] = SEARCHED_READOUTS,
) -> Space:
    """Return the space of an experiment file.

    Args:
        overrides: {"fusion.operator": ["concatenation", "product"], "label.dropout": 0.25}; dots or slashes.
        columns, task: as in `full_space`.
        image_size: the size of the stored pictures, which limits the input size of CNNs.
        encoders: the encoders of each modality.
        possible_readouts: those that all encoders of a modality have; others are not searched by default.

    Raises:
        ConfigError: unknown names or illegal values; all of them, each with the legal ones.
    """
    possible = _possible(columns, task, encoders)
    space = {name: row.choices for name, row in possible.items() if not row.optional}
    if image_size is not None:
        space["image/size"] = tuple(size for size in space["image/size"] if size <= image_size) or (image_size,)
    for modality, has in possible_readouts.items():
        space[f"{modality}/readout"] = tuple(name for name in space[f"{modality}/readout"] if name in has)
    named: set[str] = set()
    problems: list[Problem] = []
    for key, wanted in overrides.items():
        name = key.replace(".", "/")
        if name not in TABLE:
            legal = [known.replace("/", ".") for known in TABLE]
            text = f"unknown hyperparameter {key!r}.{nearest(key, legal)} Legal: {', '.join(legal)}"
            problems.append(Problem(SPACE, "space", text))
            continue
        if name not in possible:
            problems.append(Problem(SPACE, f"space.{key}", _impossible(TABLE[name], task), "Remove the key"))
            continue
        listed = wanted if isinstance(wanted, list | tuple) else (wanted,)
        values = tuple(_value(TABLE[name], value) for value in listed)
        wrong = faults(possible[name], values)
        problems += [Problem(SPACE, f"space.{key}", fault) for fault in wrong]
        if not wrong:
            named.add(name)
            # KerasTuner rejects choices of different types, for example 0 and 0.5.
            kind = type(TABLE[name].choices[0])
            space[name] = tuple(dict.fromkeys(kind(value) for value in values))
    problems += _contradictions(space, image_size)
    if problems:
        raise ConfigError(problems)
    return {name: space[name] for name in TABLE if name in space and (name in named or not _unrequested(space, name))}


def _contradictions(space: Space, image_size: int | None) -> list[Problem]:
    """Return choices of different rows that do not go together."""
    problems: list[Problem] = []
    largest = max(space.get("image/size", (0,)))
    if image_size is not None and largest > image_size and any(map(IS_TRAINED[1], space["image/source"])):
        text = f"{largest} is larger than the stored pictures ({image_size} pixels)"
        problems.append(Problem(SPACE, "space.image.size", text, "Choose less, or raise inputs.image_size"))
    if POOLED in space["image/readout"] and any(map(IS_TRAINED[1], space["image/source"])):
        text = f"{POOLED!r} is of pre-trained encoders, and a CNN that is trained on the pictures has no such read-out"
        problems.append(Problem(SPACE, "space.image.readout", text, "Set image.source: [frozen] with it"))
    if LAST_AND_TWO_THIRDS in space["image/stage"] and not all(map(READS_VECTORS[1], space["fusion/operator"])):
        text = f"{LAST_AND_TWO_THIRDS!r} concatenates vectors, and a fusion of sequences reads the cells of one place"
        problems.append(Problem(SPACE, "space.image.stage", text, "Use last or two_thirds with it"))
    return problems


def _possible(columns: Collection[str], task: Task, encoders: Mapping[str, Sequence[str]]) -> dict[str, Hyperparameter]:
    """Return the rows that exist for some data and encoders, with the encoders as choices."""
    joint = tuple(name for name in encoders.get("text", ()) if name in encoders.get("image", ()))
    rows = {
        name: row
        for name, row in TABLE.items()
        if (not row.column or row.column in columns)
        and (not row.of_task or name.removeprefix("training/") in task.options)
        and (not row.encoders or len(encoders.get(row.encoders, ())) > 1)
        and (not row.joint or joint)
    }
    own = {name: (encoders[row.encoders], row.on_request) for name, row in rows.items() if row.encoders}
    own |= {name: ((), joint) for name, row in rows.items() if row.joint}
    return rows | {
        name: replace(rows[name], choices=(*first, *rows[name].choices), on_request=more)
        for name, (first, more) in own.items()
    }


def _impossible(row: Hyperparameter, task: Task) -> str:
    """Return why a row does not exist."""
    if row.encoders:
        return f"encoders.{row.encoders} names a single encoder"
    if row.joint:
        return "no encoder that reads texts and pictures is named in encoders.text and in encoders.image"
    reason = f"names no fields.{row.column}" if row.column else f"predicts {task.targets}, which cannot use it"
    return f"the manifest {reason}"


def _unrequested(space: Space, name: str) -> bool:
    """Return whether a hyperparameter depends on `on_request` choices of which none is in the space."""
    only = TABLE[name].only
    return only is not None and not any(map(only[1], (*TABLE[only[0]].choices, *space[only[0]])))


def _value(row: Hyperparameter, value: object) -> object:
    """Convert a text to float if the choices of the row are floats: strict YAML reads 1e-3 as a text."""
    if not isinstance(value, str) or not isinstance(row.choices[0], float):
        return value
    try:
        return float(value)
    except ValueError:
        return value


def faults(row: Hyperparameter, values: tuple[Any, ...]) -> list[str]:
    """Return why some values are no choices of a row; [] if all are."""
    if not values:
        return ["the list is empty. Name at least one choice"]
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
