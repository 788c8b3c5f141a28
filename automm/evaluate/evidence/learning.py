"""Learning curves: the score as a function of the number of training reviews, and what more reviews would add.

The curve is a power law, score = limit + factor * reviews ** -exponent (Hestness et al. 2017, arXiv 1712.00409; a
survey, also of curves that are not monotone, is Viering and Loog 2021, arXiv 2103.10948). The exponent is chosen from
a grid, the other two by least squares. The spread comes from a parametric bootstrap with the residual variance: each
draw is fitted anew, the exponent too. The curve is not continued beyond four times the reviews: there the exponent
decides nearly all, and a few points say little about it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from automm.evaluate.compare import FEWEST
from automm.evaluate.evidence.worth import HELPS, LESS, UNDECIDED, amount, limit, number
from automm.tasks.base import LARGER, Metric

SMALLEST, LARGEST_SMALLEST = 0.125, 0.5  # the smallest share of the training reviews, and what it may be at most
MOST = 4.0  # times the training reviews
EXPONENTS = np.linspace(0.05, 2.0, 40)
DRAWS = 400
SIZES, FEWEST_FREEDOM = 4, 2


def shares_of(units: int) -> tuple[float, ...]:
    """Return the shares of the training reviews that a curve is measured at, ascending, each by the same factor.

    The smallest is an eighth, or as much as has ten units; () if that is more than half.
    """
    smallest = max(SMALLEST, FEWEST / units)
    return tuple(np.geomspace(smallest, 1.0, SIZES).round(3).tolist()) if smallest <= LARGEST_SMALLEST else ()


@dataclass(frozen=True)
class PowerLaw:
    """A fitted learning curve.

    Attributes:
        largest: the largest number of training reviews that was measured.
        parameters: limit, factor and exponent, with reviews counted in units of `largest`.
        drawn: (DRAWS, 3), the same of each draw of the bootstrap.
        bounds: of the score.
    """

    largest: float
    parameters: np.ndarray
    drawn: np.ndarray
    bounds: tuple[float, float]

    def score(self, times: float) -> tuple[float, float, float]:
        """Return the score with `times` the largest number of reviews: the value, and its 95 % spread.

        Raises:
            ValueError: `times` is above MOST.
        """
        values = self._curves(times)
        return _with_spread(values)

    def gain(self, times: float, direction: str) -> tuple[float, float, float]:
        """Return by how much `times` the reviews would be better than the largest number, with its 95 % spread."""
        gains = (self._curves(times) - self._curves(1.0)) * (1.0 if direction == LARGER else -1.0)
        return _with_spread(gains)

    def _curves(self, times: float) -> np.ndarray:
        if times > MOST:
            raise ValueError(
                f"a learning curve is not continued beyond {MOST:g} times the data; {times:g} was asked for"
            )
        ends, factors, exponents = np.vstack([self.parameters, self.drawn]).T
        return np.asarray(np.clip(ends + factors * times**-exponents, *self.bounds))


def _with_spread(values: np.ndarray) -> tuple[float, float, float]:
    low, high = np.quantile(values[1:], (0.025, 0.975))
    return float(values[0]), float(low), float(high)


def fit_power_law(
    sizes: Sequence[float], scores: np.ndarray, bounds: tuple[float, float], rng: np.random.Generator
) -> PowerLaw | None:
    """Fit a learning curve; None if there are fewer than four sizes, or too few trainings to know the spread.

    Args:
        sizes: the numbers of training reviews, ascending.
        scores: (sizes, seeds), NaN where a training is missing.
        bounds: of the score.
    """
    scores = np.asarray(scores, np.float64)
    places, _ = np.nonzero(np.isfinite(scores))
    freedom = len(places) - 3
    if len(np.unique(places)) < SIZES or freedom < FEWEST_FREEDOM:
        return None
    relative = np.asarray(sizes, np.float64)[places] / max(sizes)
    values = scores[np.isfinite(scores)]
    parameters = _least_squares(relative, values[:, None])[0]
    fitted = parameters[0] + parameters[1] * relative ** -parameters[2]
    deviations = np.sqrt(((values - fitted) ** 2).sum() / rng.chisquare(freedom, DRAWS))
    draws = fitted[:, None] + deviations * rng.standard_normal((len(values), DRAWS))
    return PowerLaw(float(max(sizes)), parameters, _least_squares(relative, draws), bounds)


def _least_squares(relative: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return limit, factor and exponent with the smallest squared error: (points,), (points, draws) to (draws, 3)."""
    best, found = np.full(values.shape[1], np.inf), np.zeros((values.shape[1], 3))
    for exponent in EXPONENTS:
        design = np.stack([np.ones(len(relative)), relative**-exponent], axis=1)
        coefficients = np.linalg.lstsq(design, values, rcond=None)[0]
        errors = ((design @ coefficients - values) ** 2).sum(axis=0)
        better = errors < best
        best[better] = errors[better]
        found[better, :2], found[better, 2] = coefficients.T[better], exponent
    return found


def more_data(law: PowerLaw | None, metric: Metric, margin: float) -> tuple[str, str]:
    """Return the verdict about more reviews, as of `worth`, and its sentence.

    Args:
        law: None if there were too few points.
        margin: the smallest gain that matters.
    """
    if law is None:
        return UNDECIDED, "undecided whether more reviews would help: too few points for a learning curve"
    twice, most = (law.gain(times, metric.direction) for times in (2.0, MOST))
    spread = [f"95 % spread {number(metric, low)} to {number(metric, high)}" for _, low, high in (twice, most)]
    shown = (
        f"twice as many: {amount(metric, twice[0])} ({spread[0]}); four times: {number(metric, most[0])} ({spread[1]})"
    )
    if most[2] < margin:
        return LESS, f"four times the reviews would add less than {limit(metric, max(0.0, most[2]))}, if anything"
    if twice[1] > 0:
        return HELPS, f"more reviews would help. T{shown[1:]}"
    return UNDECIDED, f"undecided whether more reviews would help. T{shown[1:]}"
