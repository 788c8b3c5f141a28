"""The search space as a table: the choices of each hyperparameter, and the condition under which it exists.

A row of `TABLE` is a hyperparameter. The validator (`search/space/validation`), the blocks, the oracles, the portfolio
and `--dry-run` read the table. A point has a value for each hyperparameter that exists at it.
"""

import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import numpy as np

from automm.config.inputs import ALL
from automm.data.inputs.input_sources import PLACES
from automm.models.baselines import COLUMNS, CONCATENATION, READ
from automm.models.cnn.pixels import AUGMENTATIONS, FROZEN
from automm.models.fusion import FUSIONS, OPERATORS, SEQUENCE_FUSIONS
from automm.models.fusion.similarity import NONE as NO_SIMILARITY
from automm.models.history import HISTORIES
from automm.models.pooling import POOLINGS
from automm.models.readouts import IMAGE_READOUTS, POOLED, READOUTS, TEXT_READOUTS
from automm.models.towers import ATTENTION, LAST_AND_TWO_THIRDS, needed_sources
from automm.search.training.losses import CLASS_WEIGHTS
from automm.search.training.pixels import BACKBONES
from automm.search.training.schedule import SCHEDULES
from automm.tracking.run_folder import point_of


@dataclass(frozen=True)
class Hyperparameter:
    """A row of the table.

    Attributes:
        choices: the choices if the experiment file does not list any.
        on_request: more choices, searched only if the file lists them: they read whole sequences, which must be stored,
            or are expensive, or do not help on most data.
        bounds: the file may list any numbers in [low, high]; None: only `choices` and `on_request`.
        column: 'metadata' or 'history' if the hyperparameter exists only in manifests with that column.
        only: (another hyperparameter, condition on its value) if this one does not exist at every point. The other is
            above it in the table. If only `on_request` values of the other meet the condition, this hyperparameter
            exists only if the file lists one of these values, or this hyperparameter.
        of_task: it exists only for tasks that list it in `Task.options`.
        encoders: 'text' or 'image' if its choices are the encoders of this modality, and ALL; it exists only if the
            experiment names several. `choices` holds ALL alone, where a search starts.
        joint: its further choices are the encoders that read texts and pictures; it exists only if there are some.
        optional: whether it exists only if the experiment file names it; otherwise all candidates have the first
            choice. Most data does not need it, and in a search of few trials it would cost more than it gains.
    """

    choices: tuple[Any, ...]
    on_request: tuple[Any, ...] = ()
    bounds: tuple[float, float] | None = None
    only: tuple[str, Callable[[Any], bool]] | None = None
    optional: bool = False
    column: str = ""
    encoders: str = ""
    joint: bool = False
    of_task: bool = False


def others(known: Iterable[str], searched: tuple[str, ...]) -> tuple[str, ...]:
    """Return the choices that are not searched by default."""
    return tuple(name for name in known if name not in searched)


def has_hyperparameter(operators: Mapping[str, Any], hyperparameter: str) -> Callable[[str], bool]:
    """Return the condition that the operator of a name declares a hyperparameter."""
    return lambda name: hyperparameter in operators[name].hyperparameters


# Searched by default is what decided in a pool of 80 random points on six data sets (experiments/README.md). The rest
# has a single choice, and others on request.
SEARCHED_READOUTS = {"text": ("mean", "cls_mean"), "image": ("average", "gem")}
SEARCHED_FUSIONS = ("concatenation", "low_rank_bilinear", "gated_unit", "late")
SEARCHED_POOLINGS = ("first", "mean", "max", "gated_attention", "text_attention")
READS_VECTORS = ("fusion/operator", lambda name: not OPERATORS[name].of_sequences)
IS_FROZEN = ("image/source", lambda name: name == FROZEN)
IS_TRAINED = ("image/source", lambda name: name != FROZEN)
NO_AUGMENTATION, SOME_AUGMENTATION = tuple(AUGMENTATIONS)[:1], tuple(AUGMENTATIONS)[1:]

TABLE: dict[str, Hyperparameter] = {
    "fusion/operator": Hyperparameter(SEARCHED_FUSIONS, others((*FUSIONS, *SEQUENCE_FUSIONS), SEARCHED_FUSIONS)),
    "text/encoder": Hyperparameter((ALL,), encoders="text"),
    "text/readout": Hyperparameter(
        SEARCHED_READOUTS["text"],
        others((*TEXT_READOUTS, POOLED, ATTENTION), SEARCHED_READOUTS["text"]),
        only=READS_VECTORS,
    ),
    "text/layer": Hyperparameter(PLACES[:1], on_request=(*PLACES[1:], LAST_AND_TWO_THIRDS)),
    "words/width": Hyperparameter((0, 16), bounds=(0, 256), only=READS_VECTORS, optional=True),
    "image/source": Hyperparameter((FROZEN,), on_request=tuple(BACKBONES)),
    "image/encoder": Hyperparameter((ALL,), encoders="image", only=IS_FROZEN),
    "image/size": Hyperparameter((32, 64), bounds=(8, 1024), only=IS_TRAINED),
    "image/depth": Hyperparameter((2, 3), bounds=(1, 5), only=IS_TRAINED),
    "image/filters": Hyperparameter((16, 32), bounds=(1, 256), only=IS_TRAINED),
    "image/kernel": Hyperparameter((3, 5), bounds=(2, 9), only=("image/source", lambda name: name == "convolution")),
    "image/augmentation": Hyperparameter(NO_AUGMENTATION, on_request=SOME_AUGMENTATION, only=IS_TRAINED),
    "image/readout": Hyperparameter(
        SEARCHED_READOUTS["image"],
        others((*IMAGE_READOUTS, POOLED), SEARCHED_READOUTS["image"]),
        only=READS_VECTORS,
    ),
    "image/stage": Hyperparameter(PLACES[:1], on_request=(*PLACES[1:], LAST_AND_TWO_THIRDS), only=IS_FROZEN),
    "image/pooling": Hyperparameter(SEARCHED_POOLINGS, others(POOLINGS, SEARCHED_POOLINGS), only=READS_VECTORS),
    "image/heads": Hyperparameter((4,), (1,), only=("image/pooling", has_hyperparameter(POOLINGS, "heads"))),
    "metadata/width": Hyperparameter((16, 64), bounds=(1, 4096), column="metadata"),
    "history/encoder": Hyperparameter(tuple(HISTORIES), column="history"),
    "history/width": Hyperparameter((16, 32), bounds=(1, 1024), column="history"),
    "fusion/width": Hyperparameter((128,), bounds=(1, 4096)),
    "fusion/rank": Hyperparameter(
        (8,), bounds=(1, 256), only=("fusion/operator", has_hyperparameter(OPERATORS, "rank"))
    ),
    "fusion/similarity": Hyperparameter((NO_SIMILARITY,), joint=True, optional=True),
    "label/layers": Hyperparameter((0, 1, 2), bounds=(0, 8)),
    "label/width": Hyperparameter((128,), bounds=(1, 4096), only=("label/layers", bool)),
    "label/dropout": Hyperparameter((0.0, 0.25, 0.5), bounds=(0.0, 0.95)),
    "training/learning_rate": Hyperparameter((3e-4, 1e-3, 3e-3), bounds=(1e-7, 1.0)),
    "training/schedule": Hyperparameter(tuple(SCHEDULES), optional=True),
    "training/weight_decay": Hyperparameter((0.0, 0.3, 3.0), bounds=(0.0, 100.0), optional=True),
    "training/class_weights": Hyperparameter(tuple(CLASS_WEIGHTS), of_task=True, optional=True),
    "training/focal_gamma": Hyperparameter((0.0, 1.0, 2.0), bounds=(0.0, 10.0), of_task=True, optional=True),
    "training/label_smoothing": Hyperparameter((0.0, 0.05, 0.1), bounds=(0.0, 0.9), of_task=True, optional=True),
    "training/modality_dropout": Hyperparameter((0.0, 0.25, 0.5), bounds=(0.0, 0.9), optional=True),
}

Space = dict[str, tuple[Any, ...]]  # the choices of every hyperparameter, in the order of the table


# The point that a search starts with: the hand-built concatenation.
DEFAULTS: dict[str, Any] = {
    name: CONCATENATION.get(name, row.choices[0])
    for name, row in TABLE.items()
    if not (row.column or row.encoders or row.joint)
}


def default(space: Space, name: str) -> Any:
    """Return the choice that a search starts with."""
    wanted = COLUMNS[name] if TABLE[name].column else ALL if TABLE[name].encoders else DEFAULTS.get(name, NO_SIMILARITY)
    return wanted if wanted in space[name] else space[name][0]


def is_active(name: str, point: Mapping[str, Any]) -> bool:
    """Return whether a hyperparameter exists at `point`.

    Args:
        point: values of the existing hyperparameters above `name` in the table.
    """
    only = TABLE[name].only
    return only is None or (only[0] in point and only[1](point[only[0]]))


def conditions(space: Space, name: str) -> list[tuple[str, tuple[Any, ...]]]:
    """Return the conditions under which `name` exists: pairs (hyperparameter, values), all of which must hold.

    They are in the order of the table. Values are limited to the space; they are empty if `name` exists at no point.
    """
    only = TABLE[name].only
    if only is None:
        return []
    parent, holds = only
    return [*conditions(space, parent), (parent, tuple(value for value in space[parent] if holds(value)))]


def contains(space: Space, values: Mapping[str, Any]) -> bool:
    """Return whether `values` is a point of the space: a legal value of each existing hyperparameter, and no other."""
    values = point_of(values)
    active = [name for name in space if is_active(name, values)]
    return values.keys() == set(active) and all(values[name] in space[name] for name in active)


def points(space: Space) -> Iterator[dict[str, Any]]:
    """Yield every point of the space once, in order."""
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
    """Draw a random point; each choice is uniform."""
    point: dict[str, Any] = {}
    for name, choices in space.items():
        if is_active(name, point):
            point[name] = choices[int(rng.integers(len(choices)))]
    return point


def size(space: Space) -> int:
    """Return the number of points of the space."""
    return math.prod(_branches(space, name) for name in space if TABLE[name].only is None)


def _branches(space: Space, name: str) -> int:
    """Return the number of combinations of `name` and the hyperparameters that depend on it."""
    dependent = [(child, TABLE[child].only) for child in space]
    children = [(child, only[1]) for child, only in dependent if only and only[0] == name]
    return sum(math.prod(_branches(space, child) for child, holds in children if holds(value)) for value in space[name])


def declare(hp: Any, space: Space) -> None:
    """Declare every hyperparameter to KerasTuner, under the conditions on which it exists.

    Must be called before an AutoKeras block is built: a block prefixes the names of its hyperparameters, and also the
    names of those in the conditions, which may belong to another block.
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
    """Return the read-outs that points of the space need (`models/readouts`): short names, for each encoder of the
    modality, and names with an encoder."""
    rows = [row for row in ("fusion/operator", "fusion/similarity", *READ) if row in space]
    points = (dict(zip(rows, values, strict=True)) for values in itertools.product(*(space[row] for row in rows)))
    sources = {source for point in points for source in needed_sources(point)}
    return sorted(source.name for source in sources if source.short_name in READOUTS)


def unrequested_choices(space: Space) -> dict[str, list[str]]:
    """Return the `on_request` choices that are not in the space, by hyperparameter."""
    unused = {name: [value for value in TABLE[name].on_request if value not in space[name]] for name in space}
    return {name: values for name, values in unused.items() if values}
