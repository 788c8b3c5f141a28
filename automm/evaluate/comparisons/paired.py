"""Compare two candidates on the same reviews: intervals and p values by units, and McNemar's test by units."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from scipy.stats import binom

from automm.evaluate.compare import bounds, p_value, paired_values, places_of
from automm.tasks.base import Task

LEVEL = 0.05


@dataclass(frozen=True)
class Scores:
    """What a candidate answered for n reviews.

    Attributes:
        answers: (n, outputs).
        decided: (n, outputs), of which the largest is the label (`evaluate/decision`); else the answers.
    """

    answers: np.ndarray
    decided: np.ndarray

    def of(self, task: Task, metric: str) -> np.ndarray:
        """Return what a metric is computed from."""
        return self.decided if task.metrics[metric].of_labels else self.answers


@dataclass(frozen=True)
class Difference:
    """The first candidate minus the second in a metric.

    Attributes:
        low, high: the 95 % interval; None if there are too few units.
        p: two-sided, of no difference. None if there are too few units.
        units, method: as in `compare.Interval`.
    """

    difference: float
    low: float | None
    high: float | None
    p: float | None
    units: int
    method: str


@dataclass(frozen=True)
class McNemar:
    """McNemar's test, in which a unit counts once.

    Attributes:
        wins, losses: the units in which the first candidate predicts more labels correctly than the second, and fewer.
        p: two-sided mid-p, of equally likely wins and losses.
    """

    wins: int
    losses: int
    p: float


def difference(
    task: Task, targets: np.ndarray, first: Scores, second: Scores, metric: str, units: np.ndarray
) -> Difference:
    """Return `first` minus `second` in one of the task's metrics; the arguments are those of `paired_interval`."""
    value, without = paired_values(task, targets, first.of(task, metric), second.of(task, metric), metric, units)
    return Difference(value, **bounds(value, without), p=p_value(value, without))


def mcnemar(targets: np.ndarray, first: np.ndarray, second: np.ndarray, units: np.ndarray) -> McNemar:
    """Return McNemar's mid-p test (Fagerland, Lydersen and Laake 2013, BMC Medical Research Methodology 13:91).

    The test assumes independent observations, and reviews of one unit are not. Each unit therefore counts once, for the
    candidate with more correct labels in it. If every review is a unit, this is the usual test.

    Args:
        targets: (n,) indices of labels.
        first, second: (n, labels), of which the largest is the predicted label.
        units: (n,) int64.
    """
    lead = (first.argmax(axis=1) == targets).astype(np.int64) - (second.argmax(axis=1) == targets)
    of_units = np.bincount(places_of(units), lead)
    wins, losses = int((of_units > 0).sum()), int((of_units < 0).sum())
    count, fewer = wins + losses, min(wins, losses)
    p = 2 * binom.cdf(fewer, count, 0.5) - binom.pmf(fewer, count, 0.5) if count else 1.0
    return McNemar(wins, losses, min(1.0, float(p)))


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Return p values corrected for their number, each at least as large (Holm 1979, Scandinavian J. of Statistics 6).

    The probability of any false claim among all at a level is then at most that level. None is left out of the number.
    """
    known = sorted((p, place) for place, p in enumerate(p_values) if p is not None)
    corrected: list[float | None] = [None] * len(p_values)
    largest = 0.0
    for rank, (p, place) in enumerate(known):
        largest = max(largest, min(1.0, p * (len(known) - rank)))
        corrected[place] = largest
    return corrected


def with_correction(tests: Sequence[Difference | McNemar]) -> list[dict[str, Any]]:
    """Return tests as JSON objects, with `p_holm` for the number of them."""
    corrected = holm([test.p for test in tests])
    return [{**asdict(test), "p_holm": p} for test, p in zip(tests, corrected, strict=True)]
