"""The search space as data: every hyperparameter, its choices, where it is one, and the points that there are.

A row of `TABLE` is a hyperparameter. Everything else reads the table: the validator (`search/space/validation`), the
blocks, the oracles, the portfolio, `--dry-run`.
"""

import itertools
import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import numpy as np

from automm.data.inputs.input_sources import PLACES
from automm.models.baselines import COLUMNS, CONCATENATION, READ
from automm.models.cnn.pixels import AUGMENTATIONS, FROZEN
from automm.models.fusion import FUSIONS, OPERATORS, SEQUENCE_FUSIONS
from automm.models.fusion.late import Late
from automm.models.history import HISTORIES
from automm.models.pooling import POOLINGS
from automm.models.readouts import IMAGE_READOUTS, READOUTS, TEXT_READOUTS
from automm.models.towers import ATTENTION, needed_sources
from automm.search.training.losses import CLASS_WEIGHTS
from automm.search.training.pixels import BACKBONES
from automm.tracking.run_folder import point_of


@dataclass(frozen=True)
class Hyperparameter:
    """A row of the table.

    Attributes:
        choices: all of them, where an experiment file names none.
        on_request: more, which are there only where the file names them: they read whole sequences, which have to be
            stored, or cost much, or are not worth it on most data.
        bounds: the file may name any numbers in [low, high]; without bounds, only some of the choices.
        column: 'metadata' or 'history', where it is one only if the manifest names that.
        only: (another hyperparameter, condition on its value), where this one is no choice at every point. The other
            stands above it in the table. Where only values on request of the other ask for this one, it is a
            hyperparameter only if the file names one of those, or this one.
        optional: it is a hyperparameter only where an experiment file names it; every candidate has the first choice
            else. What most data does not need would cost a search of few trials more than it gives.
    """

    choices: tuple[Any, ...]
    on_request: tuple[str, ...] = ()
    bounds: tuple[float, float] | None = None
    only: tuple[str, Callable[[Any], bool]] | None = None
    optional: bool = False
    column: str = ""


def takes(operators: Mapping[str, Any], hyperparameter: str) -> Callable[[str], bool]:
    """The condition that an operator, chosen by name, says it has this hyperparameter."""
    return lambda name: hyperparameter in operators[name].hyperparameters


# Of read-outs and their places every candidate has the first, unless a file names more: nobody has measured yet what
# they give, all of them together make the space 36 times larger, and some encoders cannot be read in their middle.
FIRST_TEXT, OTHER_TEXT = tuple(TEXT_READOUTS)[:1], tuple(TEXT_READOUTS)[1:]
FIRST_IMAGE, OTHER_IMAGE = tuple(IMAGE_READOUTS)[:1], tuple(IMAGE_READOUTS)[1:]
OF_VECTORS = ("fusion/operator", lambda name: not OPERATORS[name].of_sequences)
IS_FROZEN = ("image/source", lambda name: name == FROZEN)
IS_TRAINED = ("image/source", lambda name: name != FROZEN)
NO_AUGMENTATION, SOME_AUGMENTATION = tuple(AUGMENTATIONS)[:1], tuple(AUGMENTATIONS)[1:]

TABLE: dict[str, Hyperparameter] = {
    "fusion/operator": Hyperparameter(tuple(FUSIONS), on_request=tuple(SEQUENCE_FUSIONS)),
    "text/readout": Hyperparameter(FIRST_TEXT, on_request=(*OTHER_TEXT, ATTENTION), only=OF_VECTORS),
    "text/layer": Hyperparameter(PLACES[:1], on_request=PLACES[1:]),
    "image/source": Hyperparameter((FROZEN,), on_request=tuple(BACKBONES)),
    "image/size": Hyperparameter((32, 64), bounds=(8, 1024), only=IS_TRAINED),
    "image/depth": Hyperparameter((2, 3), bounds=(1, 5), only=IS_TRAINED),
    "image/filters": Hyperparameter((16, 32), bounds=(1, 256), only=IS_TRAINED),
    "image/kernel": Hyperparameter((3, 5), bounds=(2, 9), only=("image/source", lambda name: name == "convolution")),
    "image/augmentation": Hyperparameter(NO_AUGMENTATION, on_request=SOME_AUGMENTATION, only=IS_TRAINED),
    "image/readout": Hyperparameter(FIRST_IMAGE, on_request=OTHER_IMAGE, only=OF_VECTORS),
    "image/stage": Hyperparameter(PLACES[:1], on_request=PLACES[1:], only=IS_FROZEN),
    "image/pooling": Hyperparameter(tuple(POOLINGS), only=OF_VECTORS),
    "image/heads": Hyperparameter((1, 4), only=("image/pooling", takes(POOLINGS, "heads"))),
    "metadata/width": Hyperparameter((16, 64), bounds=(1, 4096), column="metadata"),
    "history/encoder": Hyperparameter(tuple(HISTORIES), column="history"),
    "history/width": Hyperparameter((16, 32), bounds=(1, 1024), column="history"),
    "fusion/width": Hyperparameter((64, 128, 256), bounds=(1, 4096)),
    "fusion/rank": Hyperparameter((4, 8, 16), bounds=(1, 256), only=("fusion/operator", takes(OPERATORS, "rank"))),
    "label/layers": Hyperparameter((0, 1, 2), bounds=(0, 8)),
    "label/width": Hyperparameter((64, 128, 256), bounds=(1, 4096), only=("label/layers", bool)),
    "label/dropout": Hyperparameter((0.0, 0.25, 0.5), bounds=(0.0, 0.95)),
    "training/learning_rate": Hyperparameter((3e-4, 1e-3, 3e-3), bounds=(1e-7, 1.0)),
    "training/class_weights": Hyperparameter(tuple(CLASS_WEIGHTS), optional=True),
    "training/focal_gamma": Hyperparameter((0.0, 1.0, 2.0), bounds=(0.0, 10.0), optional=True),
    "training/label_smoothing": Hyperparameter((0.0, 0.05, 0.1), bounds=(0.0, 0.9), optional=True),
    "training/mixup": Hyperparameter(
        (0.0, 0.2, 0.4),
        bounds=(0.0, 10.0),
        only=("fusion/operator", lambda name: OPERATORS[name] is not Late),
        optional=True,
    ),
    "training/auxiliary": Hyperparameter((0.0, 0.1, 0.3, 1.0), bounds=(0.0, 10.0), optional=True),
    "training/modulation": Hyperparameter((0.0, 0.3, 1.0), bounds=(0.0, 10.0), optional=True),
    "training/modality_dropout": Hyperparameter((0.0, 0.25, 0.5), bounds=(0.0, 0.9), optional=True),
}

Space = dict[str, tuple[Any, ...]]  # the choices of every hyperparameter, in the order of the table


# Where a search begins: at the hand-built concatenation, where people would.
DEFAULTS: dict[str, Any] = {
    name: CONCATENATION.get(name, row.choices[0]) for name, row in TABLE.items() if not row.column
}


def default(space: Space, name: str) -> Any:
    """The choice that a search begins with."""
    wanted = COLUMNS[name] if TABLE[name].column else DEFAULTS[name]
    return wanted if wanted in space[name] else space[name][0]


def is_active(name: str, point: Mapping[str, Any]) -> bool:
    """Whether `name` is a choice at `point`, which has a value for all that stand above it and are choices there."""
    only = TABLE[name].only
    return only is None or (only[0] in point and only[1](point[only[0]]))


def conditions(space: Space, name: str) -> list[tuple[str, tuple[Any, ...]]]:
    """(hyperparameter, values) which must all hold for `name` to be a choice, from the top of the table down.

    Values are those of the space: none are left where `name` is no choice at any point of it.
    """
    only = TABLE[name].only
    if only is None:
        return []
    parent, holds = only
    return [*conditions(space, parent), (parent, tuple(value for value in space[parent] if holds(value)))]


def contains(space: Space, values: Mapping[str, Any]) -> bool:
    """Whether `values` is a point of the space: a value for whatever is a choice there, and nothing else."""
    values = point_of(values)
    active = [name for name in space if is_active(name, values)]
    return values.keys() == set(active) and all(values[name] in space[name] for name in active)


def points(space: Space) -> Iterator[dict[str, Any]]:
    """Every candidate once, in order."""
    yield from _continued(space, {}, list(space))


def _continued(space: Space, point: dict[str, Any], names: list[str]) -> Iterator[dict[str, Any]]:
    if not names:
        yield point
    elif is_active(names[0], point):
        for value in space[names[0]]:
            yield from _continued(space, {**point, names[0]: value}, names[1:])
    else:
        yield from _continued(space, point, names[1:])


def draw(space: Space, rng: np.random.Generator) -> dict[str, Any]:
    """A candidate, each of its choices uniform."""
    point: dict[str, Any] = {}
    for name, choices in space.items():
        if is_active(name, point):
            point[name] = choices[int(rng.integers(len(choices)))]
    return point


def size(space: Space) -> int:
    """How many different candidates there are."""
    return math.prod(_branches(space, name) for name in space if TABLE[name].only is None)


def _branches(space: Space, name: str) -> int:
    """In how many ways `name` and what depends on it can be chosen."""
    dependent = [(child, TABLE[child].only) for child in space]
    children = [(child, only[1]) for child, only in dependent if only and only[0] == name]
    return sum(math.prod(_branches(space, child) for child, holds in children if holds(value)) for value in space[name])


def declare(hp: Any, space: Space) -> None:
    """Tell KerasTuner of every hyperparameter, each under the conditions on which it is one.

    All at once and before any AutoKeras block is built: a block puts its name before those of its hyperparameters, and
    before those of the ones that they depend on, which may be another block's.
    """
    for name, choices in space.items():
        needed = conditions(space, name)
        if not all(values for _, values in needed):
            continue
        with ExitStack() as stack:
            for parent, values in needed:
                stack.enter_context(hp.conditional_scope(parent, list(values)))
            if len(choices) == 1:
                hp.Fixed(name, choices[0])
            else:
                hp.Choice(name, list(choices), default=default(space, name))


def readouts(space: Space) -> list[str]:
    """Return the short names of the read-outs that points of the space need (`models/readouts`)."""
    rows = ("fusion/operator", *READ)
    points = (dict(zip(rows, values, strict=True)) for values in itertools.product(*(space[row] for row in rows)))
    return sorted({source.name for point in points for source in needed_sources(point)} & READOUTS.keys())


def left_out(space: Space) -> dict[str, list[str]]:
    """Choices on request that nobody has requested, by hyperparameter."""
    unused = {name: [value for value in TABLE[name].on_request if value not in space[name]] for name in space}
    return {name: values for name, values in unused.items() if values}
