"""The answers of one candidate for some reviews, and the share of its answers that meet a condition."""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from scipy.stats import t as student

from automm.evaluate.compare import FEWEST, Figure, freedom_of, places_of, standard_error

METHOD = "Wilson with the design effect of units"


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
    """Return which share of some reviews are hits, with its 95 % interval; None without such reviews.

    The interval is that of Wilson (1927, Journal of the American Statistical Association 22), because the shares here
    are near 1: a t-interval would reach beyond 1, and have no width if all are hits. The number of reviews is divided
    by the design effect (Kish 1965, Survey Sampling), as Korn and Graubard (1998, Survey Methodology 24) do.

    Args:
        of: (n,) bool, the reviews that count.
        hits: (n,) bool.
        units: (n,) int64.
    """
    if not of.any():
        return None
    places = places_of(units[of])
    counts, found = np.bincount(places).astype(np.float64), np.bincount(places, hits[of])
    reviews, value, length = counts.sum(), float(found.sum() / counts.sum()), len(counts)
    if length < FEWEST:
        return Figure(value, None, None, length, f"too few to say: {FEWEST} units are needed")
    # Where all are hits, or none, nothing is known of the design effect: then the reviews of a unit are taken as alike.
    effect = float((counts**2).sum() / reviews)
    freedom = reviews / effect - 1
    if 0 < value < 1:
        without = (found.sum() - found) / (reviews - counts)
        effect = max(1.0, standard_error(without) ** 2 * reviews / (value * (1 - value)))
        freedom = min(freedom, freedom_of(without))
    number, t = reviews / effect, float(student.ppf(0.975, max(1.0, freedom)))
    centre = (value + t**2 / (2 * number)) / (1 + t**2 / number)
    half = t * (value * (1 - value) / number + t**2 / (4 * number**2)) ** 0.5 / (1 + t**2 / number)
    return Figure(value, max(0.0, float(centre - half)), min(1.0, float(centre + half)), length, METHOD)
