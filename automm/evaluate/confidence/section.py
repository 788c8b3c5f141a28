"""The entry `evidence.confidence` of result.json: how far the answers of one candidate can be trusted."""

from dataclasses import dataclass

import numpy as np

from automm.evaluate.confidence.calibration import Calibration, calibration
from automm.evaluate.confidence.conformal import LabelSets, Sets, label_sets, number_intervals
from automm.evaluate.confidence.rows import Answered
from automm.evaluate.confidence.selective import Point, accuracy_by_coverage
from automm.tasks.base import Task


@dataclass(frozen=True)
class Confidence:
    """How far the answers of a candidate can be trusted; docs/evidence.md describes every key.

    Attributes:
        calibration, accuracy_by_coverage: None for a task without probabilities.
        sets: label sets, or intervals for a task without probabilities.
    """

    calibration: Calibration | None
    accuracy_by_coverage: list[Point] | None
    sets: LabelSets | Sets


def confidence_of(task: Task, judged: Answered, test: Answered, *, averaged: bool, seed: int) -> Confidence:
    """Compute the entry. What is fitted or set is so on the judged reviews; the test split is only measured.

    Args:
        judged: answers out of fold, or for the validation split. A decision that was fitted on these reviews is left
            out: its labels would be too good here.
        test: with the decision.
        averaged: whether the judged answers are of one fold's model each, and the test answers their mean.
        seed: of the random parts.
    """
    if not task.has_probabilities:
        return Confidence(None, None, number_intervals(task, judged, test, averaged=averaged))
    rng = np.random.default_rng(seed)
    return Confidence(
        calibration(task, judged, test, rng),
        accuracy_by_coverage(judged, test),
        label_sets(judged, test, seed, averaged=averaged),
    )
