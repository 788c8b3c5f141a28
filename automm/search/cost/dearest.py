"""What the dearest candidate of a space costs, before anything is read, encoded or trained."""

import math
from dataclasses import dataclass
from typing import Any

from automm.config.experiment import Experiment, Folds
from automm.data.inputs.columns import largest_shapes
from automm.data.sections import Fields
from automm.models.baselines import fused
from automm.models.heads import Shapes
from automm.models.readouts import is_sequence, of_modality
from automm.models.weights.packages import PACKAGES
from automm.search.space.table import TABLE, Space, is_active, readouts
from automm.search.training.pixels import pixel_encoder
from automm.tasks.classification import Classification

CLASSES = 2  # of the count: how many there are, the data says, and a class more is a few hundred numbers
NUMBERS = 4  # in memory for each parameter: itself, its gradient, two moments of Adam
BYTES = 4
HALF = 2  # bytes of a number in a stored sequence
STRIDE = 32  # pixels between two cells of a last feature map
FOLDS = 5  # as many models are trained side by side where the reviews are few


@dataclass(frozen=True)
class Dearest:
    """The candidate with the most parameters.

    Attributes:
        point: of the space.
        parameters: of its suffix: what is trained, and the statistics that it standardises with; encoders apart.
        memory: bytes that the parameters of all folds' models take while they are trained.
    """

    point: dict[str, Any]
    parameters: int
    memory: int


def dearest(experiment: Experiment, space: Space, fields: Fields | None = None) -> Dearest | None:
    """None where the encoders' sizes are not known before their weights are read: presets.

    Args:
        fields: of the manifest, for its columns of metadata; a categorical one counts with the most values it may have.
    """
    names = experiment.encoders.text, experiment.encoders.image
    if any(name not in PACKAGES for name in names):
        return None
    text, image = (PACKAGES[name].features for name in names)
    columns = largest_shapes(fields, experiment.inputs.history_steps)
    inputs = experiment.inputs
    head = Classification.head  # that of a number has fewer parameters, by one class
    shapes = Shapes(text, image, inputs.max_images, CLASSES, columns, image_size=inputs.image_size, head=head)
    point, parameters = most_parameters(space, shapes)
    wanted = experiment.evaluation
    folds = wanted.folds if isinstance(wanted, Folds) else 1 if wanted == "holdout" else FOLDS
    return Dearest(point, parameters, folds * parameters * NUMBERS * BYTES)


def sequence_bytes(experiment: Experiment, space: Space) -> tuple[int, int] | None:
    """What is stored of each word piece and, at most, of each picture; None where nothing is, or of presets.

    A picture's cells are those of the last feature map of a packaged CNN, each of 32 by 32 pixels; those of an earlier
    place are narrower.
    """
    names = experiment.encoders.text, experiment.encoders.image
    wanted = [name for name in readouts(space) if is_sequence(name)]
    if not wanted or any(name not in PACKAGES for name in names):
        return None
    text, image = (PACKAGES[name].features for name in names)
    cells = math.ceil(experiment.inputs.image_size / STRIDE) ** 2
    pieces, maps = (len(of_modality(modality, wanted)) for modality in ("text", "image"))
    return HALF * pieces * text, HALF * maps * cells * image


def most_parameters(space: Space, shapes: Shapes) -> tuple[dict[str, Any], int]:
    """The dearest point and its parameters.

    Numbers are taken at their largest, for more of anything is dearer. Named choices are changed one at a time, from
    the first ones on, until no change is dearer: parts add up, so that this finds the dearest of all but where one
    part's size decides which other part is dearer.
    """
    counted: dict[tuple[Any, ...], int] = {}

    def count(choice: dict[str, Any]) -> int:
        point = _completed(space, choice)
        key = tuple(point.items())
        if key not in counted:
            counted[key] = fused(shapes, point, pixel_encoder(point)).count_params()
        return counted[key]

    best: dict[str, Any] = {}
    named = [name for name, choices in space.items() if TABLE[name].bounds is None and len(choices) > 1]
    while True:
        before = count(best)
        for name in named:
            best = max(({**best, name: value} for value in space[name]), key=count)
        if count(best) == before:
            return _completed(space, best), before


def _completed(space: Space, choice: dict[str, Any]) -> dict[str, Any]:
    """The point with these choices: other names at their first, numbers at their largest."""
    point: dict[str, Any] = {}
    for name, choices in space.items():
        if is_active(name, point):
            usual = choices[0] if TABLE[name].bounds is None else max(choices)
            point[name] = choice.get(name, usual)
    return point
