"""The answers of one candidate for some reviews, and the share of its answers that meet a condition."""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from automm.evaluate.compare import Figure, bounds, places_of


@dataclass(frozen=True)
class Answered:
    """Answers of one candidate for n reviews that the answering models were not trained on.

    Attributes:
        ids: (n,) str.
        targets: (n,), of the task.
        units: (n,) int64, the resampling unit of each review.
        answers: (n, outputs) float.
        decided: (n, outputs), scores of which the largest is the label; None: the answers (`decision.decisions`).
    """

    ids: np.ndarray
    targets: np.ndarray
    units: np.ndarray
    answers: np.ndarray
    decided: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.ids)

    @cached_property
    def predicted(self) -> np.ndarray:
        """The position of each review's label, (n,) int64."""
        return np.asarray((self.answers if self.decided is None else self.decided).argmax(axis=1))

    @cached_property
    def confidence(self) -> np.ndarray:
        """The probability of the label that each review gets, (n,) float64."""
        return np.asarray(self.answers[np.arange(len(self)), self.predicted], np.float64)

    @cached_property
    def right(self) -> np.ndarray:
        """Whether each review gets its true label, (n,) bool."""
        return np.asarray(self.predicted == self.targets)

    def with_answers(self, answers: np.ndarray) -> "Answered":
        """Return the same reviews and the same labels with other probabilities."""
        return replace(self, answers=answers, decided=self.answers if self.decided is None else self.decided)


def share(of: np.ndarray, hits: np.ndarray, units: np.ndarray) -> Figure | None:
    """Return which share of some reviews are hits, with its interval over units; None without such reviews.

    Args:
        of: (n,) bool, the reviews that count.
        hits: (n,) bool.
        units: (n,) int64.
    """
    if not of.any():
        return None
    places = places_of(units[of])
    counts, found = np.bincount(places).astype(np.float64), np.bincount(places, hits[of])
    value = float(found.sum() / counts.sum())
    left = counts.sum() - counts
    without = np.divide(found.sum() - found, left, out=np.full(len(counts), np.nan), where=left > 0)
    return Figure(value, **bounds(value, without))
