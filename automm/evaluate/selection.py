"""Estimate the selection bias of the best candidate's score.

The best of thirty candidates is partly the luckiest, so its score on the rows that it was selected on is too good. The
bootstrap of Tsamardinos, Greasidou and Borboudakis 2018 (Machine Learning 107, arXiv 1708.07180) selects many times on
a sample of the rows and scores the selected candidate on the other rows. It needs no new predictions.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from automm.tasks.base import LARGER, Task

SAMPLES = 400


@dataclass(frozen=True)
class Selection:
    """The best candidate's score, and the score corrected for selection bias."""

    score: float
    corrected: float
    candidates: int

    @property
    def optimism(self) -> float:
        """The selection bias in the unit of the objective, never negative."""
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
    """Correct the score of the best candidate for the selection bias.

    Args:
        targets: (n,), the targets of the task.
        predictions: of each candidate, (n, outputs) answers for the same rows.
        objective: an objective of the task.
        samples: number of bootstrap samples.
    """
    scorer = task.scorer(targets, predictions, objective)
    sign = 1.0 if task.objectives[objective] == LARGER else -1.0  # from here on, larger is better
    all_rows = np.arange(len(targets))
    best = float((sign * scorer.scores(all_rows)).max())
    out_of_sample = []
    for _ in range(samples):
        rows = rng.integers(0, len(targets), len(targets))
        selected = int((sign * scorer.scores(rows)).argmax())
        score = sign * scorer.scores(np.setdiff1d(all_rows, rows), selected)
        if np.isfinite(score).all():  # NaN: the sample has all rows
            out_of_sample.append(float(score[0]))
    corrected = float(np.mean(out_of_sample)) if out_of_sample else best
    return Selection(sign * best, sign * min(best, corrected), len(predictions))
