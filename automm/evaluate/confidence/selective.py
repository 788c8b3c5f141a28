"""Measure the accuracy of the answers that remain if unsure ones are left to a person (El-Yaniv and Wiener 2010).

The threshold of the confidence is set on the judged reviews, so that what it does on the test split is measured, and
not chosen there (Geifman and El-Yaniv 2017, arXiv 1705.08500).
"""

from dataclasses import dataclass

import numpy as np

from automm.evaluate.compare import Figure
from automm.evaluate.confidence.rows import Answered, share

COVERAGES = (1.0, 0.95, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1)


@dataclass(frozen=True)
class Kept:
    """What remains above a threshold.

    Attributes:
        coverage: the share of the reviews whose label is at least this probable.
        accuracy: of these reviews, with its interval over units; None if there are none.
    """

    coverage: float
    accuracy: Figure | None


@dataclass(frozen=True)
class Point:
    """One threshold: the share of the judged reviews that it was set for, and what remains above it."""

    asked: float
    threshold: float
    judged: Kept
    test: Kept


def accuracy_by_coverage(judged: Answered, test: Answered) -> list[Point]:
    """Return a point for each of COVERAGES, the largest share first."""
    return [_point(asked, judged, test) for asked in COVERAGES]


def _point(asked: float, judged: Answered, test: Answered) -> Point:
    # Of equal confidence, all reviews remain: the share may be larger than asked for, never smaller.
    threshold = float(np.quantile(judged.confidence, 1 - asked, method="lower")) if asked < 1 else 0.0
    return Point(asked, threshold, _kept(judged, threshold), _kept(test, threshold))


def _kept(rows: Answered, threshold: float) -> Kept:
    kept = rows.confidence >= threshold
    return Kept(float(kept.mean()), share(kept, rows.right, rows.units))
