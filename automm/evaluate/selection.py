"""How much of the best candidate's score is luck.

Who picks the best of thirty picks the luckiest, too: its score on the rows that it was picked by is too good. The
bootstrap of Tsamardinos, Greasidou and Borboudakis 2018 (Machine Learning 107, arXiv 1708.07180) picks again and again
on some rows and measures the pick on the others, with the predictions that are there already.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from automm.evaluate.metrics import SMALLEST, macro_f1

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
    labels: np.ndarray,
    predictions: Sequence[np.ndarray],
    objective: str,
    *,
    rng: np.random.Generator,
    samples: int = SAMPLES,
) -> Selection:
    """What picking the best of several candidates by `objective` does to its score.

    Args:
        labels: (n,) integers.
        predictions: (n, classes) probabilities of every candidate for the same rows.
        objective: one of their task's.
    """
    kind = _Errors if predictions[0].shape[1] == 1 else _Scores
    scores = kind(labels, predictions, objective)
    everything = scores.of(np.arange(len(labels)))
    best = float(everything.max())
    unseen = []
    for _ in range(samples):
        rows = rng.integers(0, len(labels), len(labels))
        rest = np.setdiff1d(np.arange(len(labels)), rows)
        inside = scores.of(rows)
        pick = int(inside.argmax())
        outside = scores.of(rest, pick)
        if np.isfinite(outside).all():
            unseen.append(float(outside[0]))
    corrected = float(np.mean(unseen)) if unseen else best
    sign = scores.sign
    return Selection(sign * best, sign * min(best, corrected), len(predictions))


class _Scores:
    """Every candidate's objective on some rows; larger is better whatever the objective (a loss is negated)."""

    def __init__(self, labels: np.ndarray, predictions: Sequence[np.ndarray], objective: str):
        self.sign = -1.0 if objective == "val_loss" else 1.0
        self._objective, self._classes = objective, predictions[0].shape[1]
        predicted = np.stack([part.argmax(axis=1) for part in predictions])
        self._cells = labels * self._classes + predicted  # (candidates, n): the cell of the confusion matrix
        self._right = predicted == labels
        rows = np.arange(len(labels))
        self._losses = np.stack([-np.log(np.clip(part[rows, labels], SMALLEST, 1.0)) for part in predictions])

    def of(self, rows: np.ndarray, candidate: int | None = None) -> np.ndarray:
        chosen = slice(None) if candidate is None else slice(candidate, candidate + 1)
        if self._objective == "val_loss":
            return np.asarray(-self._losses[chosen][:, rows].mean(axis=1))
        if self._objective == "val_accuracy":
            return np.asarray(self._right[chosen][:, rows].mean(axis=1))
        classes = self._classes
        return np.array(
            [
                macro_f1(np.bincount(cells, minlength=classes * classes).reshape(classes, classes))
                for cells in self._cells[chosen][:, rows]
            ]
        )


class _Errors:
    """The same of numbers: every candidate's error on some rows, negated."""

    sign = -1.0

    def __init__(self, labels: np.ndarray, predictions: Sequence[np.ndarray], objective: str):
        errors = np.stack([part[:, 0] for part in predictions]).astype(np.float64) - labels
        self._squared = objective == "val_rmse"
        self._errors = errors**2 if self._squared else np.abs(errors)

    def of(self, rows: np.ndarray, candidate: int | None = None) -> np.ndarray:
        chosen = slice(None) if candidate is None else slice(candidate, candidate + 1)
        means = self._errors[chosen][:, rows].mean(axis=1)
        return np.asarray(-np.sqrt(means) if self._squared else -means)
