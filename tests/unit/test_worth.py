"""Gains over several seeds, the three verdicts, and the number of reviews that would decide."""

import numpy as np
import pytest

from automm.evaluate.compare import paired_interval
from automm.evaluate.evidence.worth import (
    HELPS,
    LESS,
    UNDECIDED,
    Gain,
    Scored,
    SeedVariance,
    deciding_units,
    gain,
    scored,
    seed_variance,
    smallest_gain,
    worth,
)
from automm.tasks.registry import TASKS

TASK, NUMBERS = TASKS["classification"], TASKS["regression"]
F1, MAE = TASK.metrics["macro_f1"], NUMBERS.metrics["mae"]


def found(difference, low, high, *, units=400, unit_error=0.01, seed_error=0.0):
    return Gain(difference, low, high, units, unit_error, seed_error, 2)


def verdict(without, shuffled=None, metric=F1, margin=0.02):
    return worth(without, shuffled or without, metric, margin, 800, "the pictures", plural=True)


def test_a_gain_above_0_helps():
    said = verdict(found(0.021, 0.004, 0.037), found(0.03, 0.01, 0.05))
    assert (said.verdict, said.difference, said.reviews) == (HELPS, 0.021, None)
    assert said.sentence == "the pictures help (+2.1 points of macro-F1, 95 % interval 0.4 to 3.7)"


def test_a_gain_that_pictures_of_other_reviews_give_too_does_not_help():
    """It comes from parameters alone."""
    said = verdict(found(0.021, 0.004, 0.037), found(0.001, -0.014, 0.015))
    assert said.verdict == LESS
    assert said.sentence == (
        "the pictures help by less than 1.5 points of macro-F1, if at all "
        "(+0.1 points of macro-F1, 95 % interval -1.4 to 1.5)"
    )


def test_what_makes_it_worse_does_not_help():
    said = verdict(found(-0.02, -0.03, -0.01))
    assert said.verdict == LESS
    assert said.sentence.startswith("the pictures do not help (-2.0 points")


def test_undecided_names_the_reviews_that_would_decide():
    said = verdict(found(0.015, -0.005, 0.035))
    assert said.verdict == UNDECIDED
    # 400 units of two reviews, and 2.8 standard errors of 0.01 are 0.028: 400 * (0.028 / 0.015) ** 2 units.
    assert said.reviews == 2800
    assert said.sentence.endswith("95 % interval -0.5 to 3.5): about 2,800 test reviews would decide")


def test_a_gain_just_not_above_0_needs_at_least_twice_the_reviews():
    assert verdict(found(0.0195, -0.0001, 0.0391)).reviews >= 1600
    assert verdict(found(0.0, -0.0201, 0.0201)).reviews >= 1600


def test_seeds_that_differ_too_much_are_not_decided_by_reviews():
    said = verdict(found(0.015, -0.005, 0.035, seed_error=0.01))
    assert (said.verdict, said.reviews) == (UNDECIDED, None)
    assert "only more seeds would decide" in said.sentence


def test_few_units_have_no_interval():
    said = verdict(found(0.015, None, None, units=7))
    assert (said.verdict, said.low, said.reviews) == (UNDECIDED, None, None)
    assert said.sentence == "undecided whether the pictures help: 7 independent units of reviews are too few to say"


def test_numbers_have_their_own_unit():
    said = verdict(found(0.1234, 0.02, 0.3), metric=MAE, margin=0.05)
    assert said.sentence == "the pictures help (a gain of 0.123 in MAE, 95 % interval 0.02 to 0.3)"
    targets = np.array([1.0, 3.0, 5.0], np.float32)
    assert smallest_gain(NUMBERS, "mae", targets, 1) == pytest.approx(0.02 * 4 / 3)
    assert smallest_gain(TASK, "macro_f1", np.array([0, 1, 1]), 2) == 0.02


def test_deciding_units_have_the_power():
    """The units that are named exclude a true difference from 0 in 80 % of draws."""
    rng, deviation, effect = np.random.default_rng(1), 0.3, 0.05
    one = found(effect, -1, 1, units=50, unit_error=deviation / 50**0.5)
    needed = deciding_units(one, effect)
    means = rng.normal(effect, deviation, (2000, needed)).mean(axis=1)
    assert 0.77 < np.mean(means > 1.96 * deviation / needed**0.5) < 0.83


def answers(rng, targets, share):
    """Answers of which a share is right."""
    right = rng.random(len(targets)) < share
    labels = np.where(right, targets, (targets + 1) % 3)
    return np.eye(3, dtype=np.float32)[labels]


def test_one_seed_is_the_paired_interval():
    rng = np.random.default_rng(2)
    targets, units = rng.integers(0, 3, 200), rng.integers(0, 60, 200)
    first, second = answers(rng, targets, 0.7), answers(rng, targets, 0.6)
    expected = paired_interval(TASK, targets, first, second, "macro_f1", units=units)
    one, other = (scored(TASK, "macro_f1", targets, given, units) for given in (first, second))
    measured = gain([one], [other], "max", seed_variance([[one], [other]]))
    assert (measured.difference, measured.low, measured.high, measured.units, measured.seed_error) == pytest.approx(
        (expected.difference, expected.low, expected.high, expected.units, 0.0)
    )
    assert gain([one], [other], "min").difference == -measured.difference


def test_seeds_that_differ_by_chance_of_reviews_alone_add_nothing_and_others_do():
    rng = np.random.default_rng(3)
    targets, units = rng.integers(0, 3, 900), np.arange(900)

    def recipes(spread):
        shares = 0.6 + spread * rng.standard_normal((40, 2))
        return [
            [scored(TASK, "accuracy", targets, answers(rng, targets, share), units) for share in pair]
            for pair in shares
        ]

    alike = seed_variance(recipes(0.0))
    assert alike.freedom == 40
    assert alike.between == pytest.approx(alike.within, rel=0.5)
    assert alike.of_seeds < 0.01**2
    assert seed_variance(recipes(0.05)).of_seeds == pytest.approx(0.05**2, rel=0.5)
    assert seed_variance([[Scored(0.5, np.array([0.4, 0.6]))]]) == SeedVariance()


def test_intervals_cover_a_gain_of_nothing_if_seeds_differ():
    """Without the variance of the seeds, fewer than 8 of 10 intervals do."""
    rng = np.random.default_rng(4)
    covered, naive = [], []
    for _ in range(150):
        targets, units = rng.integers(0, 3, 400), np.repeat(np.arange(80), 5)
        recipes = [
            [
                scored(TASK, "accuracy", targets, answers(rng, targets, 0.6 + rng.normal(0, 0.03)), units)
                for _ in range(2)
            ]
            for _ in range(5)
        ]
        first, second, *_ = recipes
        for kept, variance in ((covered, seed_variance(recipes)), (naive, None)):
            one = gain(first, second, "max", variance)
            kept.append(one.low <= 0 <= one.high)
    assert np.mean(covered) > 0.9 > 0.88 > np.mean(naive)
