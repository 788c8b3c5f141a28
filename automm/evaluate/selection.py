"""How much of the best candidate's score is luck.

Who picks the best of thirty picks the luckiest, too: its score on the rows that it was picked by is too good. The
bootstrap of Tsamardinos, Greasidou and Borboudakis 2018 (Machine Learning 107, arXiv 1708.07180) picks again and again
on some rows and measures the pick on the others, with the predictions that are there already.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from automm.tasks.base import LARGER, Task

SAMPLES = 400


@dataclass(frozen=True)
class Selection:
    """The best candidate's score, and what is left of it once the picking is taken into account."""

    score: float
    corrected: float
    candidates: int

    @property
    def optimism(self) -> float:
        """By how much the score flatters, in the objective's own unit and never less than none."""
        return abs(self.score - self.corrected)


def selection(
    task: Task,
    targets: np.ndarray,
    predictions: Sequence[np.ndarray],
    objective: str,
    *,
    rng: np.random.Generator,
    samples: int = SAMPLES,
) -> Selection:
    """What picking the best of several candidates by `objective` does to its score.

    Args:
        targets: (n,), as the task has them.
        predictions: (n, outputs) answers of every candidate for the same rows.
        objective: one of the task's.
    """
    scorer = task.scorer(targets, predictions, objective)
    sign = 1.0 if task.objectives[objective] == LARGER else -1.0  # from here on, larger is better
    everyone = np.arange(len(targets))
    best = float((sign * scorer.scores(everyone)).max())
    unseen = []
    for _ in range(samples):
        rows = rng.integers(0, len(targets), len(targets))
        pick = int((sign * scorer.scores(rows)).argmax())
        outside = sign * scorer.scores(np.setdiff1d(everyone, rows), pick)
        if np.isfinite(outside).all():
            unseen.append(float(outside[0]))
    corrected = float(np.mean(unseen)) if unseen else best
    return Selection(sign * best, sign * min(best, corrected), len(predictions))
