"""Estimate upper bounds for the time of a search and its disk space, before the first trial.

The constants are rounded up from searches on two cores without a GPU. After the first trial, the remaining time is
estimated from measured times instead.
"""

import math
import shutil
from dataclasses import dataclass

from automm.config.inputs import ALL
from automm.data.inputs.words import BUCKETS
from automm.evaluate.ensembles import MEMBERS
from automm.models.baselines import CONCATENATION, TRAINED, fused, with_columns
from automm.models.encoders.halves import UPPER_SHARE
from automm.models.fusion import SEQUENCE_FUSIONS
from automm.search.cost.pixels import pixel_costs
from automm.search.ranking import FINALISTS, KEPT
from automm.search.setup.data import Setup
from automm.search.setup.words import BAG_OF_WORDS, WIDTH
from automm.search.space.validation import space_of

TRIAL_SECONDS = 4.0  # per trial: building, tracing and saving
TRACE_SECONDS = 4.0  # per fold of a CNN: their graphs are traced one by one
STEP_SECONDS = 0.003  # per step and fold of a head
TUNED_SECONDS, TUNED_STEP_SECONDS = 60.0, 0.4  # per trial, and per step and fold, of upper halves
OPERATIONS = 6  # per weight and sequence element: a product and a sum forward, twice as many backward
OPERATIONS_A_SECOND = 2e10
BYTES = 4  # per number
ALL_ENCODERS = {**CONCATENATION, "text/encoder": ALL, "image/encoder": ALL}  # the largest concatenation


@dataclass(frozen=True)
class Estimate:
    """Estimated cost of a search.

    Attributes:
        trials, tier2: seconds.
        disk: bytes in the run folder and MLflow together.
        folds: seconds of finalists on the other folds.
    """

    trials: float
    tier2: float
    disk: int
    folds: float = 0.0

    def __str__(self) -> str:
        parts = [("trials", self.trials), ("tier 2", self.tier2), ("finalists on other folds", self.folds)]
        times = [f"{what} up to {max(1, round(seconds / 60))} min" for what, seconds in parts if seconds]
        return f"about: {', '.join([*times, f'{self.disk / 1e6:,.0f} MB on disk'])}"


def estimate(setup: Setup, other_folds: int = 0, left: float | None = None) -> Estimate:
    """Estimate the cost of a search that uses its whole budget.

    Args:
        other_folds: the number of other folds that finalists are evaluated on.
        left: the seconds that trials and tier 2 have; None: no limit.
    """
    experiment, folds = setup.experiment, len(setup.folds)
    steps = folds * math.ceil(max(len(fold.train) for fold in setup.folds) / experiment.training.batch_size)
    pixels = pixel_seconds(setup)
    tracing = TRACE_SECONDS * folds if pixels else 0.0
    trial = TRIAL_SECONDS + tracing + max(step_seconds(setup), pixels) * steps * experiment.training.epochs
    finalists = experiment.tier2.finalists if experiment.budget.trials else 0
    tuned = finalists * (TUNED_SECONDS + (TUNED_STEP_SECONDS + pixels) * steps * experiment.tier2.epochs)
    head, bag = (BYTES * folds * parameters for parameters in _parameters(setup))
    encoders = sum(source.weight_bytes for source in setup.sources)  # building them would take seconds
    upper = int(folds * UPPER_SHARE * encoders)  # at most
    # Baselines, the best trials, an ensemble of several.
    heads = len(TRAINED) + min(KEPT, experiment.budget.trials) + min(MEMBERS, len(TRAINED) + experiment.budget.trials)
    exported = encoders + 2 * head + bag + min(1, finalists) * upper
    disk = heads * head + 2 * bag + finalists * (upper + head) + FINALISTS * exported
    seconds = experiment.budget.trials * trial
    if left is not None:
        seconds = min(seconds, left)
        tuned = min(tuned, experiment.tier2.share * max(0.0, left - seconds))
    members = min(MEMBERS, experiment.budget.trials + len(TRAINED)) if experiment.ensemble else 0
    return Estimate(seconds, tuned, disk, other_folds * (FINALISTS + 1 + members) * trial)


def _parameters(setup: Setup) -> tuple[int, int]:
    """Return the parameters of the largest concatenation, and of the regression on words, 0 if it is not fitted.

    The latter has one for each bucket and class: of many classes, it is larger than all heads together.
    """
    experiment, columns = setup.experiment, setup.shapes.columns
    space = space_of(experiment, setup.dataset.manifest)
    largest = with_columns({**ALL_ENCODERS, WIDTH: max(space.get(WIDTH, (0,)))}, columns)
    fits_words = BAG_OF_WORDS in experiment.baselines.names(columns, setup.task)
    return fused(setup.shapes, largest).count_params(), fits_words * BUCKETS * setup.shapes.outputs


def step_seconds(setup: Setup) -> float:
    """Return the seconds per step and fold of the slowest head.

    A head that reads whole sequences multiplies its weights with every element of them.
    """
    experiment = setup.experiment
    inputs, space = experiment.inputs, space_of(experiment, setup.dataset.manifest)
    largest = with_columns({**ALL_ENCODERS, "fusion/width": max(space["fusion/width"])}, setup.shapes.columns)
    parameters = [
        fused(setup.shapes, {**largest, "fusion/operator": name}).count_params()
        for name in space["fusion/operator"]
        if name in SEQUENCE_FUSIONS
    ]
    tokens = sum(size.value for (modality, _), size in setup.sizes.items() if modality == "text")
    elements = experiment.training.batch_size * (tokens + inputs.max_images * setup.shapes.cells)
    return max(STEP_SECONDS, OPERATIONS * elements * max(parameters, default=0) / OPERATIONS_A_SECOND)


def pixel_seconds(setup: Setup) -> float:
    """Return the seconds per step and fold of the most expensive CNN in the space; 0.0 if all features are frozen."""
    experiment = setup.experiment
    costs = pixel_costs(space_of(experiment, setup.dataset.manifest), setup.shapes.image_size)
    pictures = experiment.training.batch_size * experiment.inputs.max_images
    return pictures * max((cost.seconds for cost in costs.values()), default=0.0)


def disk_warning(wanted: Estimate, folder: str) -> str:
    """Return a warning if the disk has too little free space, else ''."""
    free = shutil.disk_usage(folder).free
    if free >= wanted.disk:
        return ""
    return (
        f"{folder}: {free / 1e6:,.0f} MB are free, and this search may write {wanted.disk / 1e6:,.0f} MB. Free disk "
        "space, or choose another folder with --runs-dir"
    )
