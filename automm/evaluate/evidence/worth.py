"""What a part of the input is worth: the gain of a recipe with it over the same recipe without it, and a verdict.

A recipe is trained with several seeds, and scored on the same reviews each time. The gain is the difference of the
mean scores. Two things make it uncertain: which units of reviews were drawn, and the seeds. The jackknife over units
measures the first (`evaluate/compare`). The variance between seeds measures the second; it also holds what any two
trainings differ by on a finite number of reviews, which the jackknife of their difference measures and has counted
already (a two-way random effects model; Searle, Casella and McCulloch 1992, Variance Components). Each variance has its
own quantile of t, because one that is small by chance must not also raise the degrees of freedom of the sum, and no
interval is narrower than that of the units alone (`experiments/evidence_simulations.py`).

A modality helps only if the recipe with it is better than without it and better than with that of another review. The
second comparison has the same inputs, parameters and training, so that parameters alone cannot pass it. Both have to
exclude 0: the level stays that of one of them (intersection-union test, Berger 1982, Technometrics 24).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from scipy.stats import norm
from scipy.stats import t as student

from automm.evaluate.compare import FEWEST, freedom_of, jackknifed, places_of, standard_error, unit_sums
from automm.tasks.base import LARGER, Metric, Task

HELPS, LESS, UNDECIDED = "helps", "helps by less", "undecided"
POWER = 0.8
SMALLEST_GAIN = 0.02  # that matters: of a metric of labels; of another, this share of the score of a constant answer


@dataclass(frozen=True)
class Scored:
    """The score of one training.

    Attributes:
        value: the metric on all reviews.
        without: (units,) float64, the metric without each of the units.
    """

    value: float
    without: np.ndarray


@dataclass(frozen=True)
class Gain:
    """How much better one recipe is than another, positive if the first is better, whatever the metric's direction.

    Attributes:
        low, high: the 95 % interval; None if there are fewer than FEWEST units.
        units: the number of resampling units.
        unit_error, seed_error: the two parts of the standard error; `seed_error` is 0.0 if each has a single seed.
        seeds: the trainings of each recipe.
    """

    difference: float
    low: float | None
    high: float | None
    units: int
    unit_error: float
    seed_error: float
    seeds: int


@dataclass(frozen=True)
class Worth:
    """A verdict about a gain.

    Attributes:
        verdict: HELPS: the interval is above 0. LESS: it includes 0, and its upper end, `high`, is below the smallest
            gain that matters. UNDECIDED: neither.
        reviews: if undecided, about how many reviews would decide; None if no number would, or there is no interval.
        sentence: all of it in words.
    """

    verdict: str
    difference: float
    low: float | None
    high: float | None
    reviews: int | None
    sentence: str


def scored(task: Task, metric: str, targets: np.ndarray, answers: np.ndarray, units: np.ndarray) -> Scored:
    """Score one training; the arguments are those of `compare.interval`."""
    return Scored(*jackknifed(task, metric, unit_sums(task, metric, targets, answers, places_of(units))))


@dataclass(frozen=True)
class SeedVariance:
    """The variance of a score between the seeds of a recipe, pooled over recipes.

    Attributes:
        between: of the scores on these reviews.
        within: the part of it that the finite number of units explains.
        freedom: the degrees of freedom of `between`; 0 if each recipe has one seed.
    """

    between: float = 0.0
    within: float = 0.0
    freedom: int = 0

    @property
    def of_seeds(self) -> float:
        """The variance that would be left with infinitely many units."""
        return max(0.0, self.between - self.within)


def seed_variance(recipes: Sequence[Sequence[Scored]]) -> SeedVariance:
    """Return the variance between seeds, pooled over all recipes: two trainings of one say very little.

    Args:
        recipes: the trainings of each recipe, on the same reviews.
    """
    between = within = 0.0
    freedom = 0
    for trainings in recipes:
        if len(trainings) > 1:
            more = len(trainings) - 1
            pairs = [standard_error(a.without - b.without) ** 2 / 2 for a, b in combinations(trainings, 2)]
            between += more * float(np.var([one.value for one in trainings], ddof=1))
            within += more * float(np.mean(pairs))
            freedom += more
    return SeedVariance(between / freedom, within / freedom, freedom) if freedom else SeedVariance()


def gain(
    first: Sequence[Scored], second: Sequence[Scored], direction: str, variance: SeedVariance | None = None
) -> Gain:
    """Return the gain of the first recipe over the second.

    Args:
        first, second: their trainings on the same reviews, as many of each.
        direction: of the metric.
        variance: of `seed_variance`; None: the interval is for these trainings.
    """
    sign, variance = 1.0 if direction == LARGER else -1.0, variance or SeedVariance()
    difference = sign * float(np.mean([one.value for one in first]) - np.mean([one.value for one in second]))
    without = sign * (np.mean([one.without for one in first], axis=0) - np.mean([o.without for o in second], axis=0))
    units, error, each = len(without), standard_error(without), 2 / len(first)
    low = high = None
    if units >= FEWEST:
        half = _quantile(freedom_of(without)) * error
        if variance.freedom:
            shared = max(0.0, error**2 - each * variance.within)
            of_seeds = _quantile(variance.freedom) ** 2 * each * variance.between
            half = max(half, math.sqrt(_quantile(freedom_of(without)) ** 2 * shared + of_seeds))
        low, high = difference - half, difference + half
    return Gain(difference, low, high, units, error, math.sqrt(each * variance.of_seeds), len(first))


def _quantile(freedom: float) -> float:
    return float(student.ppf(0.975, freedom))


def deciding_units(found: Gain, effect: float, power: float = POWER) -> int | None:
    """Return the number of units with which a 95 % interval excludes a difference of `effect` with a given power.

    The variance of a unit is the observed one; that of the seeds stays. None if no number of units is enough.
    """
    allowed = (effect / float(norm.ppf(0.975) + norm.ppf(power))) ** 2 - found.seed_error**2
    return math.ceil(found.units * found.unit_error**2 / allowed) if allowed > 0 else None


def smallest_gain(task: Task, metric: str, targets: np.ndarray, outputs: int) -> float:
    """Return the smallest gain that matters: 2 points of a metric of labels, else 2 % of a constant answer's score."""
    if task.metrics[metric].of_labels:
        return SMALLEST_GAIN
    constant = np.broadcast_to(task.constant(targets, outputs), (len(targets), outputs))
    return SMALLEST_GAIN * abs(task.measure(targets, constant)[metric])


def worth(
    without: Gain, shuffled: Gain, metric: Metric, margin: float, reviews: int, name: str, *, plural: bool = False
) -> Worth:
    """Return the verdict about a modality, from the weaker of two comparisons.

    Args:
        without, shuffled: the gain over the recipe without the modality, and with that of other reviews.
        metric: in which the gains are measured.
        margin: the smallest gain that matters.
        reviews: the number of judged reviews.
        name, plural: of the modality in words, for example "the pictures".
    """
    weaker = min((without, shuffled), key=lambda found: found.difference)
    help_ = "help" if plural else "helps"
    if without.low is None or without.high is None or shuffled.low is None or shuffled.high is None:
        few = f"{weaker.units} independent units of reviews are too few to say"
        return Worth(UNDECIDED, weaker.difference, None, None, None, f"undecided whether {name} {help_}: {few}")
    low, high = min(without.low, shuffled.low), min(without.high, shuffled.high)
    shown = f"({amount(metric, weaker.difference)}, 95 % interval {number(metric, low)} to {number(metric, high)})"
    if low > 0:
        return Worth(HELPS, weaker.difference, low, high, None, f"{name} {help_} {shown}")
    if high < margin:
        negative = f"{name} {'do' if plural else 'does'} not help {shown}"
        positive = f"{name} {help_} by less than {limit(metric, high)}, if at all {shown}"
        return Worth(LESS, weaker.difference, low, high, None, positive if high > 0 else negative)
    # To decide is to exclude 0 or the margin, whichever is farther from what was measured.
    effect = max(weaker.difference, margin - weaker.difference)
    numbers = [deciding_units(found, effect) for found in (without, shuffled)]
    needed = None if None in numbers else rounded(max(n for n in numbers if n is not None) * reviews / weaker.units)
    decide = "only more seeds would decide, the trainings differ too much"
    if needed is not None:
        decide = f"about {needed:,} test reviews would decide"
    return Worth(UNDECIDED, weaker.difference, low, high, needed, f"undecided whether {name} {help_} {shown}: {decide}")


def rounded(count: float) -> int:
    """Return a number with two digits that are not 0: more would promise too much."""
    return int(float(f"{count:.1e}"))


def number(metric: Metric, value: float) -> str:
    """Format a difference: points of a metric of labels, else three digits."""
    return f"{100 * value:.1f}" if metric.of_labels else f"{value:.3g}"


def limit(metric: Metric, value: float) -> str:
    """Format a limit with its unit: '1.5 points of macro-F1', '0.12 in MAE'."""
    return f"{number(metric, value)} {'points of' if metric.of_labels else 'in'} {metric.title}"


def amount(metric: Metric, value: float) -> str:
    """Format a gain with its unit; positive is better, also if a smaller value of the metric is."""
    return f"{100 * value:+.1f} points of {metric.title}" if metric.of_labels else f"a gain of {limit(metric, value)}"
