"""Shares of the training rows by units, the power law, and what more reviews would add."""

import numpy as np
import pytest

from automm.evaluate.evidence.learning import MOST, fit_power_law, more_data, shares_of
from automm.evaluate.evidence.rows import other_rows, rows_of_share, unit_order
from automm.evaluate.evidence.worth import HELPS, LESS, UNDECIDED
from automm.tasks.registry import TASKS

F1, MAE = TASKS["classification"].metrics["macro_f1"], TASKS["regression"].metrics["mae"]
SHARES = shares_of(1000)
SIZES = [125, 250, 500, 1000]
RELATIVE = np.array(SHARES)[:, None]


def law_of(curve, noise=0.003, seed=1, bounds=(0.0, 1.0)):
    rng = np.random.default_rng(seed)
    return fit_power_law(SIZES, curve + rng.normal(0, noise, (4, 2)), bounds, rng)


def test_shares_are_whole_units_and_each_contains_the_smaller_ones():
    rng = np.random.default_rng(1)
    units = rng.permutation(np.repeat(np.arange(100, 160), rng.integers(1, 9, 60)))
    order, train = unit_order(units, rng), np.sort(rng.permutation(len(units))[:200])
    chosen = [rows_of_share(train, units, order, share) for share in SHARES]
    before: set[int] = set()
    for rows, share in zip(chosen, SHARES, strict=True):
        assert before <= set(rows.tolist()) <= set(train.tolist())
        assert abs(len(rows) - share * len(train)) <= 8
        assert not set(units[rows]) & set(units[np.setdiff1d(train, rows)]), "a unit is split apart"
        before = set(rows.tolist())
    np.testing.assert_array_equal(chosen[-1], train)


def test_shares_have_ten_units_each():
    assert shares_of(80) == shares_of(1000) == (0.125, 0.25, 0.5, 1.0)
    assert shares_of(40) == (0.25, 0.397, 0.63, 1.0)
    assert (shares_of(20)[0], shares_of(19)) == (0.5, ())


def test_one_unit_is_the_least():
    units = np.zeros(6, np.int64)
    np.testing.assert_array_equal(
        rows_of_share(np.arange(6), units, unit_order(units, np.random.default_rng(1)), 0.1), np.arange(6)
    )


def test_keys_that_are_not_of_units_are_refused():
    with pytest.raises(ValueError, match="must have the same key"):
        rows_of_share(np.arange(4), np.array([0, 0, 1, 1]), np.arange(4.0), 0.5)


def test_a_curve_without_noise_is_found():
    law = law_of(0.8 - 0.1 * RELATIVE**-0.5, noise=1e-9)
    assert law.largest == 1000
    np.testing.assert_allclose(law.parameters, [0.8, -0.1, 0.5], atol=1e-3)
    assert law.gain(4.0, "max")[0] == pytest.approx(0.05, abs=1e-4)
    errors = law_of(0.5 + 0.1 * RELATIVE**-0.5, noise=1e-9, bounds=(0.0, np.inf))
    assert errors.gain(4.0, "min")[0] == pytest.approx(0.05, abs=1e-4)


def test_no_curve_is_continued_beyond_four_times_the_data():
    law = law_of(0.8 - 0.1 * RELATIVE**-0.5)
    law.score(MOST)
    with pytest.raises(ValueError, match="not continued beyond 4 times the data"):
        law.gain(4.5, "max")


def test_scores_stay_in_their_bounds():
    value, low, high = law_of(1.2 - 0.3 * RELATIVE**-0.3, noise=0.02).score(4.0)
    assert 0.0 <= low <= value <= high <= 1.0


def test_the_spread_covers_the_true_gain():
    rng = np.random.default_rng(5)
    covered = []
    for _ in range(60):
        exponent, factor = rng.uniform(0.2, 1.0), -rng.uniform(0.02, 0.15)
        law = fit_power_law(SIZES, 0.7 + factor * RELATIVE**-exponent + rng.normal(0, 0.008, (4, 2)), (0.0, 1.0), rng)
        _, low, high = law.gain(4.0, "max")
        covered.append(low <= factor * (4.0**-exponent - 1) <= high)
    assert np.mean(covered) >= 0.88


def test_three_sizes_or_five_points_of_one_missing_seed_are_too_few():
    rng = np.random.default_rng(1)
    assert fit_power_law([1, 2, 4], np.zeros((3, 2)), (0.0, 1.0), rng) is None
    missing = np.full((4, 2), np.nan)
    missing[:, 0] = 0.5
    assert fit_power_law([1, 2, 4, 8], missing, (0.0, 1.0), rng) is None
    assert more_data(None, F1, 0.02)[0] == UNDECIDED


def test_three_verdicts():
    verdict, sentence = more_data(law_of(0.8 - 0.1 * RELATIVE**-0.5), F1, 0.02)
    assert verdict == HELPS
    assert sentence.startswith("more reviews would help. Twice as many: +2.")
    verdict, sentence = more_data(law_of(np.full((4, 1), 0.7)), F1, 0.02)
    assert verdict == LESS
    assert sentence.startswith("four times the reviews would add less than ")
    verdict, sentence = more_data(law_of(0.7 - 0.01 * RELATIVE**-0.3, noise=0.03, seed=2), F1, 0.02)
    assert verdict == UNDECIDED
    assert "95 % spread -" in sentence
    falling = more_data(law_of(1.0 + 0.5 * RELATIVE**-0.5, bounds=(0.0, np.inf)), MAE, 0.02)
    assert falling[0] == HELPS
    assert "a gain of 0.1" in falling[1]


@pytest.mark.parametrize("seed", range(20))
def test_the_other_row_is_of_another_unit(seed):
    rng = np.random.default_rng(seed)
    units = rng.permutation(np.repeat(np.arange(30), rng.integers(1, 20, 30)))
    rows = np.sort(rng.choice(len(units), len(units) // 2, replace=False))
    donors = other_rows(rows, units, rng)
    np.testing.assert_array_equal(np.sort(donors), rows)
    assert (units[donors] != units[rows]).all()


def test_of_one_large_unit_rows_still_change():
    units = np.zeros(10, np.int64)
    donors = other_rows(np.arange(10), units, np.random.default_rng(1))
    assert (donors != np.arange(10)).all()
    np.testing.assert_array_equal(other_rows(np.arange(1), units, np.random.default_rng(1)), [0])
