"""Comparisons by a task's metrics. The metrics themselves belong to the task (`automm/tasks`)."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from automm.tasks.base import LARGER, Task


@dataclass(frozen=True)
class Interval:
    """A difference of two candidates on the same rows, with its 95 % interval."""

    difference: float
    low: float
    high: float


def score(metrics: Mapping[str, float], objective: str) -> float:
    """The objective's value among metrics: "val_macro_f1" reads "macro_f1"."""
    return metrics[objective.removeprefix("val_")]


def better(first: float, second: float, direction: str) -> bool:
    """Whether `first` is strictly the better score."""
    return first > second if direction == LARGER else first < second


def paired_interval(
    task: Task,
    targets: np.ndarray,
    first: np.ndarray,
    second: np.ndarray,
    metric: str,
    *,
    rng: np.random.Generator,
    samples: int = 2000,
) -> Interval:
    """`first` minus `second` in a metric, by the percentile bootstrap over rows (Efron 1979).

    Args:
        targets: (n,), as the task has them.
        first, second: (n, outputs) answers for the same rows.
        metric: a name of the task's metrics.
    """
    # The scorer does not copy (n, outputs) answers for every sample.
    scorer = task.scorer(targets, [first, second], f"val_{metric}")

    def difference(rows: np.ndarray) -> float:
        ours, theirs = scorer.scores(rows)
        return float(ours - theirs)

    count = len(targets)
    differences = np.array([difference(rng.integers(0, count, count)) for _ in range(samples)])
    low, high = np.quantile(differences, [0.025, 0.975])
    return Interval(difference(np.arange(count)), float(low), float(high))
