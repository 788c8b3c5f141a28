"""Find the largest candidate of a search space before any data is read."""

import math
from dataclasses import dataclass
from typing import Any

from automm.config.experiment import Experiment, Folds
from automm.config.inputs import AUTO
from automm.data.inputs.columns import largest_shapes
from automm.data.sections import Fields
from automm.models.baselines import fused
from automm.models.encoders.automatic import OF_ENGLISH
from automm.models.heads import Shapes
from automm.models.readouts import is_sequence, of_modality
from automm.models.weights.packages import PACKAGES
from automm.search.space.table import TABLE, Space, is_active, readouts
from automm.search.space.validation import encoders_read
from automm.search.training.pixels import pixel_encoder
from automm.tasks.base import Task

TWO_LABELS = ("", "")  # the label set is not read yet; one label more adds a few hundred parameters
NUMBERS = 4  # in memory per parameter: itself, its gradient, two moments of Adam
BYTES = 4
HALF = 2  # bytes of a number in a stored sequence
STRIDE = 32  # pixels between two cells of a last feature map
FOLDS = 5  # models that are trained in parallel with `evaluation: auto` and few reviews


@dataclass(frozen=True)
class LargestCandidate:
    """The candidate with the most parameters.

    Attributes:
        point: its point in the space.
        parameters: the parameters of its suffix, including statistics for standardisation, without the encoders.
        memory: the bytes that the parameters of all folds' models take during training.
    """

    point: dict[str, Any]
    parameters: int
    memory: int


def largest_candidate(
    experiment: Experiment, space: Space, task: Task, fields: Fields | None = None
) -> LargestCandidate | None:
    """Return the largest candidate; None for presets, whose encoder sizes are unknown until their weights are read.

    Args:
        task: of the manifest.
        fields: the fields of the manifest; a categorical metadata column counts with the most values it may have.
    """
    encoders = _encoders(experiment, space)
    if any(name not in PACKAGES for names in encoders.values() for name in names):
        return None
    # Read-outs of the widest encoder, or of all side by side.
    text, image = (max(PACKAGES[name].features for name in names) for names in encoders.values())
    columns = largest_shapes(fields, experiment.inputs)
    inputs = experiment.inputs
    outputs = task.outputs(TWO_LABELS)
    shapes = Shapes(
        text,
        image,
        inputs.max_images,
        outputs,
        columns,
        image_size=inputs.known_image_size,
        encoders=encoders,
        head=task.head,
    )
    point, parameters = most_parameters(space, shapes)
    wanted = experiment.evaluation
    folds = wanted.folds if isinstance(wanted, Folds) else 1 if wanted == "holdout" else FOLDS
    return LargestCandidate(point, parameters, folds * parameters * NUMBERS * BYTES)


def sequence_bytes(experiment: Experiment, space: Space) -> tuple[int, int] | None:
    """Return the bytes that whole sequences take on disk: per word piece, and at most per picture.

    None if no sequences are stored, or for presets. A picture's cells are those of the last feature map of a packaged
    CNN, 32 by 32 pixels each; earlier feature maps have fewer channels.
    """
    encoders = _encoders(experiment, space).values()
    wanted = [name for name in readouts(space) if is_sequence(name)]
    if not wanted or any(name not in PACKAGES for names in encoders for name in names):
        return None
    text, image = (sum(PACKAGES[name].features for name in names) for names in encoders)
    cells = math.ceil(experiment.inputs.known_image_size / STRIDE) ** 2
    pieces, maps = (len(of_modality(modality, wanted)) for modality in ("text", "image"))
    return HALF * pieces * text, HALF * maps * cells * image


def _encoders(experiment: Experiment, space: Space) -> dict[str, tuple[str, ...]]:
    """Return the names of the encoders; both that `auto` chooses among have vectors of the same size."""
    read = encoders_read(experiment, space)
    return {**read, "text": (OF_ENGLISH,) if AUTO in read["text"] else read["text"]}


def most_parameters(space: Space, shapes: Shapes) -> tuple[dict[str, Any], int]:
    """Return the point with the most parameters, and their count.

    Numeric hyperparameters get their largest choice. Named choices are changed one at a time, starting from the first
    ones, until no change adds parameters. The parameters of parts add up, so this finds the maximum unless the size of
    one part decides which choice of another part is larger.
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
    """Complete a point: other named hyperparameters get their first choice, numeric ones their largest."""
    point: dict[str, Any] = {}
    for name, choices in space.items():
        if is_active(name, point):
            usual = choices[0] if TABLE[name].bounds is None else max(choices)
            point[name] = choice.get(name, usual)
    return point
