"""Paired comparisons: McNemar by units, Holm's correction, the choice against baselines, the spread of seeds."""

import numpy as np
import pytest
from scipy.stats import binomtest, ttest_1samp

from automm.evaluate.comparisons.baselines import BETTER, UNDECIDED, WORSE, against_baselines, spread_of_seeds
from automm.evaluate.comparisons.paired import Scores, difference, holm, mcnemar
from automm.tasks.base import Detailed
from automm.tasks.registry import TASKS

CLASSIFICATION, REGRESSION = TASKS["classification"], TASKS["regression"]


def scores(predicted, classes=2):
    answers = np.eye(classes, dtype=np.float32)[predicted] * 0.6 + 0.4 / classes
    return Scores(answers, answers)


def right_in(targets, places):
    """The answers that are right for some reviews only, (n, 2)."""
    predicted = 1 - targets
    predicted[places] = targets[places]
    return scores(predicted)


class TestMcNemar:
    def test_without_groups_it_is_the_usual_test(self):
        targets = np.arange(100) % 2
        first, second = right_in(targets, np.arange(70)), right_in(targets, np.arange(8, 60))
        found = mcnemar(targets, first.decided, second.decided, np.arange(100))
        assert (found.wins, found.losses) == (18, 0)
        first = right_in(targets, np.arange(3, 70))
        second = right_in(targets, [*range(3), *range(15, 60)])
        found = mcnemar(targets, first.decided, second.decided, np.arange(100))
        assert (found.wins, found.losses) == (22, 3)
        exact = binomtest(3, 25).pvalue
        assert found.p == pytest.approx(_mid(3, 25))
        assert _mid(3, 25) < exact

    def test_a_unit_counts_once(self):
        targets = np.zeros(40, np.int64)
        first, second = right_in(targets, np.arange(20)), right_in(targets, np.arange(0))
        apart = mcnemar(targets, first.decided, second.decided, np.arange(40))
        together = mcnemar(targets, first.decided, second.decided, np.arange(40) // 20)
        assert (apart.wins, together.wins) == (20, 1)
        assert apart.p < 1e-5
        assert together.p == pytest.approx(0.5)

    def test_equal_answers_have_p_1(self):
        targets = np.zeros(5, np.int64)
        same = right_in(targets, np.arange(3))
        assert mcnemar(targets, same.decided, same.decided, np.arange(5)).p == 1.0
        other = right_in(targets, [1, 2, 3])
        assert mcnemar(targets, same.decided, other.decided, np.arange(5)).p == pytest.approx(1.0)


def _mid(fewer, count):
    return 2 * binomtest(fewer, count, alternative="less").pvalue - _pmf(fewer, count)


def _pmf(fewer, count):
    less = [binomtest(number, count, alternative="less").pvalue for number in (fewer, fewer - 1)]
    return less[0] - less[1]


def test_holm_by_hand():
    assert holm([0.01, None, 0.04, 0.03, 0.5]) == pytest.approx([0.04, None, 0.09, 0.09, 0.5])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []


def test_the_p_value_of_a_mean_is_that_of_student_and_agrees_with_the_interval():
    rng = np.random.default_rng(0)
    targets = rng.normal(0, 1, 50).astype(np.float32)
    first, second = (targets[:, None] + rng.normal(0, scale, (50, 1)) for scale in (1.0, 1.4))
    pair = Scores(first, first), Scores(second, second)
    found = difference(REGRESSION, targets, *pair, "mae", np.arange(50))
    errors = np.abs(first[:, 0] - targets) - np.abs(second[:, 0] - targets)
    assert found.p == pytest.approx(ttest_1samp(errors, 0).pvalue, rel=0.15)  # Satterthwaite has fewer degrees
    assert (found.p < 0.05) == (found.low > 0 or found.high < 0)
    few = difference(REGRESSION, targets, *pair, "mae", np.arange(50) % 9)
    assert (few.p, few.low) == (None, None)
    same = difference(REGRESSION, targets, pair[0], pair[0], "mae", np.arange(50))
    assert same.p == 1.0


def test_labels_follow_the_decision_and_the_loss_the_probabilities():
    targets = np.arange(60) % 2
    right, wrong = right_in(targets, np.arange(60)), right_in(targets, np.arange(0))
    decided = Scores(wrong.answers, right.decided)
    assert difference(CLASSIFICATION, targets, decided, wrong, "accuracy", np.arange(60)).difference == 1.0
    assert difference(CLASSIFICATION, targets, decided, wrong, "loss", np.arange(60)).difference == 0.0


class TestAgainstBaselines:
    def compared(self, units=None):
        targets = np.arange(200) % 2
        choice = right_in(targets, np.arange(160))
        others = {
            "clearly_worse": right_in(targets, np.arange(120)),
            "clearly_better": right_in(targets, np.arange(195)),
            "the_same": choice,
            "hardly_worse": right_in(targets, [*range(155), *range(160, 162)]),
        }
        units = np.arange(200) if units is None else units
        return against_baselines(CLASSIFICATION, "loss", targets, units, choice, others)

    def test_the_relation_is_in_the_objective(self):
        found = self.compared()
        assert {name: one["relation"] for name, one in found["against"].items()} == {
            "clearly_worse": BETTER,
            "clearly_better": WORSE,
            "the_same": UNDECIDED,
            "hardly_worse": UNDECIDED,
        }
        assert (found["metric"], found["reviews"], found["units"]) == ("loss", 200, 200)

    def test_p_values_are_corrected_for_the_number_of_baselines_in_each_metric(self):
        against = self.compared()["against"]
        assert against["clearly_worse"]["metrics"].keys() == {"loss", "macro_f1", "accuracy"}
        for pick in (lambda one: one["metrics"]["accuracy"], lambda one: one["mcnemar"]):
            tests = [pick(one) for one in against.values()]
            assert [test["p_holm"] for test in tests] == pytest.approx(holm([test["p"] for test in tests]))
            assert tests[3]["p_holm"] > tests[3]["p"]

    def test_few_units_decide_nothing(self):
        found = self.compared(np.arange(200) % 9)
        assert {one["relation"] for one in found["against"].values()} == {UNDECIDED}

    def test_numbers_have_no_mcnemar(self):
        targets = np.arange(40, dtype=np.float32)
        one, other = (Scores(a, a) for a in (targets[:, None] + 0.1, targets[:, None] + 9))
        found = against_baselines(REGRESSION, "mae", targets, np.arange(40), one, {"median": other})
        assert found["against"]["median"]["mcnemar"] is None
        assert found["against"]["median"]["relation"] == BETTER
        assert found["against"]["median"]["metrics"].keys() == {"mae", "rmse"}


def test_the_spread_of_seeds():
    judged = {
        name: Detailed({"mae": value, "r2": r2}) for name, value, r2 in (("a", 1.0, 0.5), ("a-seed-2", 2.0, None))
    }
    assert spread_of_seeds(judged, {"a": ["a", "a-seed-2"]}) == {
        "a": {"mae": {"values": [1.0, 2.0], "mean": 1.5, "deviation": pytest.approx(0.5**0.5)}}
    }
