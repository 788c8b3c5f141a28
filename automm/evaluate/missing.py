"""How well a candidate does when more and more reviews lose a modality: their pictures, or their text."""

from collections.abc import Mapping

import numpy as np

from automm.tasks.base import Task

PERCENTS = (0, 25, 50, 75, 100)

Curves = dict[str, list[float]]  # of each metric, a value for each of PERCENTS


def losers(has: np.ndarray, rng: np.random.Generator) -> list[np.ndarray]:
    """Which reviews lose a modality at each of PERCENTS: (n,) bool each, and each holds all of the one before.

    Args:
        has: (n,) bool, the reviews that have it. Percents are of them.
    """
    order = rng.permutation(np.flatnonzero(has))
    chosen = []
    for percent in PERCENTS:
        lost = np.zeros(len(has), bool)
        lost[order[: round(len(order) * percent / 100)]] = True
        chosen.append(lost)
    return chosen


def curves(
    task: Task,
    targets: np.ndarray,
    whole: np.ndarray,
    without: Mapping[str, np.ndarray],
    lost: Mapping[str, list[np.ndarray]],
) -> dict[str, Curves]:
    """The metrics of a candidate while reviews lose each modality in turn.

    A model's answer for a review does not hang on other reviews, so that two readings give the answers at all percents.

    Args:
        targets: (n,), as the task has them.
        whole: (n, outputs) answers for the reviews as they are.
        without: the same when none has the modality.
        lost: of each modality, what `losers` has chosen.
    """
    found = {}
    for modality, chosen in lost.items():
        scores = [task.measure(targets, np.where(rows[:, None], without[modality], whole)) for rows in chosen]
        found[modality] = {metric: [one[metric] for one in scores] for metric in scores[0]}
    return found
