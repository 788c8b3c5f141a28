"""Compare candidates by a task's metrics, with intervals. The metrics are defined by the task (`automm/tasks`).

Intervals resample units, not reviews: reviews of one group, and reviews that share a text or a picture, are not
independent of each other. Every interval is a t-interval of the jackknife that leaves out one unit at a time (Tukey
1958). Few large units decide more than their number says; the degrees of freedom are therefore those of Satterthwaite
(1946, Biometrics Bulletin 2), from the kurtosis of the units' influence. experiments/selection_simulations.py measures
the coverage of this interval, and that the percentile bootstrap is too narrow for few units.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.sparse import csr_array
from scipy.stats import t as student

from automm.tasks.base import LARGER, Task

FEWEST = 10  # units that an interval needs
CELLS = 4_000_000  # numbers in memory at once
METHOD = "jackknife over units, t"


@dataclass(frozen=True)
class Interval:
    """The difference of two candidates in a metric on the same reviews, with its 95 % interval.

    Attributes:
        low, high: None if there are too few units.
        units: the number of resampling units.
        method: of the interval, or why there is none.
    """

    difference: float
    low: float | None
    high: float | None
    units: int
    method: str


@dataclass(frozen=True)
class Figure:
    """A metric of one candidate, with its 95 % interval; the attributes are those of `Interval`."""

    value: float
    low: float | None
    high: float | None
    units: int
    method: str


def score(metrics: Mapping[str, float], objective: str) -> float:
    """Return the value of an objective from metrics: "val_macro_f1" is the metric "macro_f1"."""
    return metrics[objective.removeprefix("val_")]


def better(first: float, second: float, direction: str) -> bool:
    """Return whether `first` is strictly better."""
    return first > second if direction == LARGER else first < second


def paired_interval(
    task: Task, targets: np.ndarray, first: np.ndarray, second: np.ndarray, metric: str, *, units: np.ndarray
) -> Interval:
    """Return `first` minus `second` in a metric, with its interval.

    Args:
        targets: (n,), the targets of the task.
        first, second: (n, outputs), answers for the same reviews.
        metric: the name of one of the task's metrics.
        units: (n,) int64, the resampling unit of each review (`Setup.units`).
    """
    difference, without = _paired(task, targets, first, second, metric, units)
    return Interval(difference, **_bounds(difference, without))


def paired_error(
    task: Task, targets: np.ndarray, first: np.ndarray, second: np.ndarray, metric: str, *, units: np.ndarray
) -> float:
    """Return the standard error of this difference, NaN of one unit; the arguments are those of `paired_interval`."""
    return standard_error(_paired(task, targets, first, second, metric, units)[1])


def _paired(
    task: Task, targets: np.ndarray, first: np.ndarray, second: np.ndarray, metric: str, units: np.ndarray
) -> tuple[float, np.ndarray]:
    """Return `first` minus `second` in a metric, and the same without each of the units, (units,)."""
    places = places_of(units)
    ours, theirs = (jackknifed(task, metric, unit_sums(task, metric, targets, a, places)) for a in (first, second))
    return ours[0] - theirs[0], ours[1] - theirs[1]


def interval(task: Task, targets: np.ndarray, answers: np.ndarray, metric: str, *, units: np.ndarray) -> Figure:
    """Return a metric of one candidate with its interval; the arguments are those of `paired_interval`."""
    sums = unit_sums(task, metric, targets, answers, places_of(units))
    value, without = jackknifed(task, metric, sums)
    return Figure(value, **_bounds(value, without))


def places_of(units: np.ndarray) -> np.ndarray:
    """Number the units that occur from 0 without gaps, (n,) int64."""
    return np.unique(units, return_inverse=True)[1].astype(np.int64)


def unit_sums(task: Task, metric: str, targets: np.ndarray, answers: np.ndarray, places: np.ndarray) -> csr_array:
    """Return the sums of each unit that a metric is computed from (`Task.terms`), (units, sums) sparse.

    Args:
        places: (n,), the unit of each review, numbered from 0 without gaps.
    """
    terms = task.terms(metric, targets, answers)
    rows = np.repeat(places, terms.columns.shape[1])
    return csr_array((terms.values.ravel(), (rows, terms.columns.ravel())), shape=(places.max() + 1, terms.size))


def jackknifed(task: Task, metric: str, sums: csr_array) -> tuple[float, np.ndarray]:
    """Return a metric, and its values without each of the units, (units,), from the sums of the units."""
    total = np.asarray(sums.sum(axis=0), np.float64)[:, None]
    count, size = sums.shape
    at_once = max(1, CELLS // size)
    if count == 1:
        return float(task.from_sums(metric, total)[0]), np.full(1, np.nan)
    without = [
        task.from_sums(metric, total - sums[start : start + at_once].toarray().T) for start in range(0, count, at_once)
    ]
    return float(task.from_sums(metric, total)[0]), np.concatenate(without)


def standard_error(without: np.ndarray) -> float:
    """Return the jackknife's standard error of a value, from its values without each of the units, (units,)."""
    count = len(without)
    return float(((count - 1) / count * ((without - without.mean()) ** 2).sum()) ** 0.5)


def freedom_of(without: np.ndarray) -> float:
    """Return the degrees of freedom of the jackknife's standard error (Satterthwaite), from the same values."""
    count, squares = len(without), (without - without.mean()) ** 2
    mean = float(squares.mean())
    kurtosis = float((squares**2).mean()) / mean**2 if mean > 0 else 1.0
    return min(count - 1.0, 2 * count / (kurtosis - 1)) if kurtosis > 1 else count - 1.0


def _bounds(value: float, without: np.ndarray) -> dict[str, Any]:
    """Return the t-interval of a value: low, high, units and method.

    Args:
        without: (units,), the value without each of the units.
    """
    count = len(without)
    if count < FEWEST:
        return {"low": None, "high": None, "units": count, "method": f"too few to say: {FEWEST} units are needed"}
    half = float(student.ppf(0.975, freedom_of(without))) * standard_error(without)
    return {"low": value - half, "high": value + half, "units": count, "method": METHOD}
