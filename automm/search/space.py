"""The search space as data: every hyperparameter, its choices, and how an experiment file narrows them."""

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from automm.errors import ConfigError, nearest
from automm.models.baselines import CONCATENATION
from automm.models.fusion import FUSIONS
from automm.models.pooling import POOLINGS
from automm.tracking.runs import point_of

# A hyperparameter's default is the hand-built concatenation's value, so the search starts where people would.
DEFAULTS: dict[str, Any] = dict(CONCATENATION)


@dataclass(frozen=True)
class Number:
    """Choices that an experiment file may replace by other numbers in [low, high]."""

    choices: tuple[float, ...]
    low: float
    high: float


CHOICES: dict[str, tuple[str, ...]] = {
    "image/pooling": tuple(POOLINGS),
    "fusion/operator": tuple(FUSIONS),
}
NUMBERS: dict[str, Number] = {
    "fusion/width": Number((64, 128, 256), 1, 4096),
    "label/layers": Number((0, 1, 2), 0, 8),
    "label/width": Number((64, 128, 256), 1, 4096),
    "label/dropout": Number((0.0, 0.25, 0.5), 0.0, 0.95),
    "training/learning_rate": Number((3e-4, 1e-3, 3e-3), 1e-7, 1.0),
}

Space = dict[str, tuple[Any, ...]]


def full_space() -> Space:
    """Every hyperparameter with all its choices."""
    return {**CHOICES, **{name: number.choices for name, number in NUMBERS.items()}}


def narrow(overrides: Mapping[str, Any]) -> Space:
    """The space that an experiment file asks for.

    Args:
        overrides: {"fusion.operator": ["concatenation", "product"], "label.dropout": 0.25}; dots or slashes.

    Raises:
        ConfigError: every unknown name or illegal value, with the legal ones.
    """
    space, problems = full_space(), []
    for key, wanted in overrides.items():
        name = key.replace(".", "/")
        if name not in space:
            legal = [known.replace("/", ".") for known in space]
            problems.append(f"space: unknown hyperparameter {key!r}.{nearest(key, legal)} Legal: {', '.join(legal)}")
            continue
        values = tuple(wanted) if isinstance(wanted, list | tuple) else (wanted,)
        faults = _faults(name, values)
        problems += [f"space.{key}: {fault}" for fault in faults]
        space[name] = values if faults else tuple(dict.fromkeys(values))
    if problems:
        raise ConfigError(problems)
    return space


def default(space: Space, name: str) -> Any:
    """The choice that a search begins with."""
    return DEFAULTS[name] if DEFAULTS[name] in space[name] else space[name][0]


def contains(space: Space, values: Mapping[str, Any]) -> bool:
    """Whether `values` is a point of the space. Hyperparameters that are inactive at it may be missing."""
    values = point_of(values)
    return all(value in space.get(name, ()) for name, value in values.items()) and values.keys() <= space.keys()


def points(space: Space) -> Iterator[dict[str, Any]]:
    """Every candidate once, in order. Without hidden layers their width is no choice, and is left out."""
    for values in itertools.product(*space.values()):
        point = dict(zip(space, values, strict=True))
        if point["label/layers"] > 0:
            yield point
        elif point["label/width"] == space["label/width"][0]:
            yield _active(point)


def draw(space: Space, rng: np.random.Generator) -> dict[str, Any]:
    """A candidate, each of its choices uniform."""
    return _active({name: choices[int(rng.integers(len(choices)))] for name, choices in space.items()})


def size(space: Space) -> int:
    """How many different candidates there are: without hidden layers their width is no choice."""
    layers = sum(1 for value in space["label/layers"] if value > 0)
    heads = layers * len(space["label/width"]) + (len(space["label/layers"]) - layers)
    total = heads
    for name, choices in space.items():
        if name not in ("label/layers", "label/width"):
            total *= len(choices)
    return total


def _active(point: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in point.items() if name != "label/width" or point["label/layers"] > 0}


def _faults(name: str, values: tuple[Any, ...]) -> list[str]:
    if not values:
        return ["no choice is left"]
    if name in CHOICES:
        legal = ", ".join(CHOICES[name])
        return [
            f"{value!r} is not a choice.{nearest(str(value), CHOICES[name])} Legal: {legal}"
            for value in values
            if value not in CHOICES[name]
        ]
    number = NUMBERS[name]
    whole = all(isinstance(choice, int) for choice in number.choices)
    kind = "a whole number" if whole else "a number"
    return [
        f"{value!r} is not {kind} from {number.low:g} to {number.high:g}"
        for value in values
        if isinstance(value, bool)
        or not isinstance(value, int if whole else int | float)
        or not number.low <= value <= number.high
    ]
