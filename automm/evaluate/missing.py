"""Score a candidate while more and more reviews lose a modality, for example their pictures or their text."""

from collections.abc import Mapping

import numpy as np

from automm.evaluate.decision import measured
from automm.tasks.base import Task

PERCENTS = (0, 25, 50, 75, 100)

Curves = dict[str, list[float]]  # by metric, a value for each of PERCENTS


def draw_missing_rows(has: np.ndarray, rng: np.random.Generator) -> list[np.ndarray]:
    """Draw the reviews that lose a modality at each of PERCENTS: (n,) bool each; each contains the one before.

    Args:
        has: (n,) bool, the reviews that have the modality. The percentages refer to them.
    """
    order = rng.permutation(np.flatnonzero(has))
    chosen = []
    for percent in PERCENTS:
        lost = np.zeros(len(has), bool)
        lost[order[: round(len(order) * percent / 100)]] = True
        chosen.append(lost)
    return chosen


def missing_modality_scores(
    task: Task,
    targets: np.ndarray,
    answers: Mapping[str, np.ndarray],
    decided: Mapping[str, np.ndarray],
    lost: Mapping[str, list[np.ndarray]],
) -> dict[str, Curves]:
    """Return the metrics of a candidate at each of PERCENTS, by the modality that reviews lose.

    The answer for a review does not depend on other reviews. Two predictions of all reviews are therefore enough for
    all percentages.

    Args:
        targets: (n,), the targets of the task.
        answers: (n, outputs) each: by modality, the answers if no review has it; of "", for the unchanged reviews.
        decided: the same, of which the largest is the label (`evaluate/decision`).
        lost: by modality, the result of `draw_missing_rows`.
    """
    curves = {}
    for modality, selections in lost.items():
        scores = [
            measured(task, targets, *(np.where(rows[:, None], of[modality], of[""]) for of in (answers, decided)))
            for rows in selections
        ]
        curves[modality] = {metric: [metrics[metric] for metrics in scores] for metric in scores[0]}
    return curves
