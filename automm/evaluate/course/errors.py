"""Whether candidates are wrong about the same reviews: the correlations of their errors."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from automm.tasks.base import Task

MOST = 20  # candidates: more are no longer read as a table


@dataclass(frozen=True)
class Correlations:
    """Correlations of errors.

    Attributes:
        candidates: their names, at most MOST.
        matrix: (candidates, candidates): of the errors of numbers, or of the probabilities of the true labels. 1 if two
            candidates are wrong about the same reviews by the same amounts; None if one is equally wrong about all.
    """

    candidates: list[str]
    matrix: list[list[float | None]]


def error_correlations(
    task: Task, targets: np.ndarray, names: Sequence[str], load: Callable[[str], np.ndarray]
) -> Correlations:
    """Correlate the errors of candidates over reviews.

    Args:
        targets: (n,).
        names: of the candidates; those after the first MOST are left out.
        load: returns the answers of a candidate by its name, (n, outputs).
    """
    names = list(names)[:MOST]
    errors = np.array([task.smooth_inputs(targets, load(name)) for name in names]).reshape(len(names), len(targets))
    centred = errors - errors.mean(axis=1, keepdims=True)
    lengths = np.sqrt((centred**2).sum(axis=1))
    # Of equal errors, rounding leaves a little.
    varies = lengths > 1e-9 * np.sqrt(len(targets)) * np.maximum(1e-30, np.abs(errors).max(axis=1, initial=0.0))
    scaled = centred / np.where(varies, lengths, 1.0)[:, None]
    matrix = [
        [float(value) if varies[first] and varies[second] else None for second, value in enumerate(row)]
        for first, row in enumerate(np.clip(scaled @ scaled.T, -1.0, 1.0))
    ]
    return Correlations(names, matrix)
