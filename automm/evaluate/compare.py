"""Compare candidates by a task's metrics. The metrics are defined by the task (`automm/tasks`)."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from automm.tasks.base import LARGER, Task


@dataclass(frozen=True)
class Interval:
    """The difference of two candidates in a metric on the same rows, with its 95 % interval."""

    difference: float
    low: float
    high: float


def score(metrics: Mapping[str, float], objective: str) -> float:
    """Return the value of an objective from metrics: "val_macro_f1" is the metric "macro_f1"."""
    return metrics[objective.removeprefix("val_")]


def better(first: float, second: float, direction: str) -> bool:
    """Return whether `first` is strictly better."""
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
    """Return `first` minus `second` in a metric, with an interval from the percentile bootstrap over rows (Efron 1979).

    Args:
        targets: (n,), the targets of the task.
        first, second: (n, outputs), answers for the same rows.
        metric: the name of one of the task's metrics.
        samples: number of bootstrap samples.
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
