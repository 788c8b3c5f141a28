"""Measure whether probabilities are as large as the share of right answers, before and after a temperature.

The bins have equal numbers of reviews (Nguyen and O'Connor 2015, arXiv 1508.05154). The calibration error of few
reviews is never 0, not even of a perfectly calibrated model (Vaicenavicius et al. 2019, arXiv 1902.06977); it is
therefore compared with the error that chance alone gives.
"""

from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array

from automm.evaluate.combine import FEWEST as FEWEST_CROSSED
from automm.evaluate.combine import BestSingle, Crossing, Judged
from automm.evaluate.compare import FEWEST, places_of
from automm.evaluate.confidence.rows import Answered
from automm.evaluate.decision import tempered
from automm.evaluate.ensembles import WithTemperature
from automm.tasks.base import Task
from automm.tasks.label_metrics import equal_mass_bins

SAMPLES, LEVEL = 499, 0.05
TINY = 1e-12  # where every answer is right with confidence 1, nothing varies
AT_ONCE = 4_000_000  # drawn answers in memory


@dataclass(frozen=True)
class Bin:
    """Reviews of similar confidence: their number, their mean confidence, and the share with the right label."""

    reviews: int
    confidence: float
    accuracy: float


@dataclass(frozen=True)
class Reliability:
    """How the confidence of the labels agrees with their accuracy.

    Attributes:
        bins: by growing confidence, of about equal numbers of reviews.
        error: the calibration error: the mean over the reviews of |accuracy - confidence| of their bins.
        chance: the error that 5 % of perfectly calibrated models exceed on these reviews; None with too few units.
        calibrated: whether the error is within chance; None if that is unknown.
    """

    bins: list[Bin]
    error: float
    chance: float | None
    calibrated: bool | None


@dataclass(frozen=True)
class Calibration:
    """Reliability before and after a temperature, on the judged reviews and on the test split.

    Attributes:
        temperature: fitted on all judged reviews; None with too few units.
        judged, test: before.
        judged_after: each fifth of the units has the temperature that was fitted on the others.
        test_after: with `temperature`.
    """

    temperature: float | None
    judged: Reliability
    judged_after: Reliability | None
    test: Reliability
    test_after: Reliability | None


def calibration(task: Task, judged: Answered, test: Answered, rng: np.random.Generator) -> Calibration:
    """Measure the reliability of one candidate. The test split is only measured, and nothing is fitted on it.

    Args:
        task: a task with probabilities.
    """
    before, tested = reliability(judged, rng), reliability(test, rng)
    objective = next(iter(task.objectives))
    rows = Judged(task, objective, judged.targets, judged.units, [judged.answers])
    if rows.count < FEWEST_CROSSED:
        return Calibration(None, before, None, tested, None)
    crossing, form = Crossing.drawn(rows, rng), WithTemperature(BestSingle())
    temperature = form.fit(crossing, frozenset()).temperature
    after = reliability(judged.with_answers(crossing.answers(form)), rng)
    tested_after = reliability(test.with_answers(tempered(test.answers, temperature)), rng)
    return Calibration(temperature, before, after, tested, tested_after)


def reliability(rows: Answered, rng: np.random.Generator) -> Reliability:
    """Compute bins, calibration error and its chance level.

    For the chance level, right answers are drawn with the stated confidence (Bröcker and Smith 2007, Weather and
    Forecasting 22). Reviews of a unit are not independent: the level grows with the root of their design effect (Kish
    1965, Survey Sampling), the variance of the units' sums divided by that of independent reviews.
    """
    bins = places_of(equal_mass_bins(rows.confidence))  # without gaps
    counts = np.bincount(bins)
    sums = [np.bincount(bins, values) for values in (rows.confidence, rows.right)]
    error = float(np.abs(sums[1] - sums[0]).sum() / len(rows))
    chance = _chance(bins, rows, rng)
    found = [
        Bin(int(count), float(confidence / count), float(right / count))
        for count, confidence, right in zip(counts, *sums, strict=True)
    ]
    return Reliability(found, error, chance, None if chance is None else bool(error <= chance))


def _chance(bins: np.ndarray, rows: Answered, rng: np.random.Generator) -> float | None:
    """Return the (1 - LEVEL) quantile of the calibration error of a perfectly calibrated model."""
    places, count = places_of(rows.units), len(rows)
    if places.max() + 1 < FEWEST:
        return None
    residuals = rows.right - rows.confidence
    by_unit = csr_array((residuals, (places, bins)))
    effect = max(1.0, float((by_unit.data**2).sum() / max(float((residuals**2).sum()), TINY)))
    by_bin = csr_array((np.ones(count), (np.arange(count), bins)))
    errors: list[float] = []
    while len(errors) < SAMPLES:
        some = min(max(1, AT_ONCE // count), SAMPLES - len(errors))
        drawn = (rng.random((some, count)) < rows.confidence) - rows.confidence
        errors += (np.abs(drawn @ by_bin).sum(axis=1) / count).tolist()
    return float(np.sort(errors)[int(np.ceil((1 - LEVEL) * (SAMPLES + 1))) - 1] * effect**0.5)
