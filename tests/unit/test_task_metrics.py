import math

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score, log_loss

from automm.evaluate.compare import better, paired_interval, score
from automm.tasks.classification import confusion, macro_f1
from automm.tasks.registry import TASKS

TASK = TASKS["classification"]


def random_case(seed, classes=4, rows=30, absent=()):
    rng = np.random.default_rng(seed)
    present = [place for place in range(classes) if place not in absent]
    labels = rng.choice(present, rows)
    probabilities = rng.dirichlet(np.ones(classes), rows).astype(np.float32)
    return labels, probabilities


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("absent", [(), (0,), (1, 3)])
def test_against_scikit_learn(seed, absent):
    labels, probabilities = random_case(seed, absent=absent)
    if seed % 2:  # an absent class that is not predicted either is left out of the mean
        probabilities[:, list(absent)] = 0.0
    predicted = probabilities.argmax(axis=1)
    measured = TASK.measure(labels, probabilities)
    assert measured["accuracy"] == pytest.approx(accuracy_score(labels, predicted))
    assert measured["macro_f1"] == pytest.approx(f1_score(labels, predicted, average="macro", zero_division=0.0))
    np.testing.assert_array_equal(
        confusion(labels, predicted, 4), confusion_matrix(labels, predicted, labels=list(range(4)))
    )


def test_loss_against_scikit_learn():
    labels, probabilities = random_case(3)
    exact = probabilities.astype(np.float64)
    exact /= exact.sum(axis=1, keepdims=True)
    expected = log_loss(labels, exact, labels=list(range(4)))
    assert TASK.measure(labels, probabilities)["loss"] == pytest.approx(expected, rel=1e-5)


def test_a_class_that_is_never_predicted_correctly_has_f1_zero():
    assert macro_f1(np.array([0, 0, 1, 1]), np.array([0, 0, 0, 0]), 2) == pytest.approx((2 / 3 + 0) / 2)


def test_the_loss_of_a_confident_mistake_is_large_but_finite():
    loss = TASK.measure(np.array([0]), np.array([[0.0, 1.0]], np.float32))["loss"]
    assert loss == pytest.approx(-math.log(1e-7))


def test_perfect_predictions():
    assert TASK.measure(np.array([0, 1]), np.eye(2, dtype=np.float32)) == {
        "accuracy": 1.0,
        "macro_f1": 1.0,
        "loss": 0.0,
    }


@pytest.mark.parametrize("seed", range(5))
def test_row_order_does_not_matter(seed):
    labels, probabilities = random_case(seed, rows=50)
    order = np.random.default_rng(seed).permutation(50)
    assert TASK.measure(labels[order], probabilities[order]) == pytest.approx(
        TASK.measure(labels, probabilities), rel=1e-12
    )


def test_a_nan_stays_nan():
    assert math.isnan(TASK.measure(np.array([0, 1]), np.array([[np.nan, np.nan], [0.5, 0.5]]))["loss"])


def test_score_and_better():
    measured = {"accuracy": 0.5, "macro_f1": 0.4, "loss": 0.9}
    assert score(measured, "val_macro_f1") == 0.4
    assert score(measured, "val_loss") == 0.9
    assert better(2.0, 1.0, "max")
    assert better(1.0, 2.0, "min")
    assert not better(1.0, 1.0, "max")
    assert not better(1.0, 1.0, "min")
    assert not better(math.nan, 1.0, "max")


@pytest.mark.parametrize("metric", ["accuracy", "macro_f1", "loss"])
def test_the_paired_interval_is_symmetric_and_contains_the_difference(metric):
    labels, first = random_case(1, rows=60)
    second = random_case(2, rows=60)[1]
    one = paired_interval(TASK, labels, first, second, metric, rng=np.random.default_rng(0), samples=300)
    other = paired_interval(TASK, labels, second, first, metric, rng=np.random.default_rng(0), samples=300)
    assert (one.difference, one.low, one.high) == pytest.approx((-other.difference, -other.high, -other.low))
    assert one.low <= one.difference <= one.high
    assert one.difference == pytest.approx(TASK.measure(labels, first)[metric] - TASK.measure(labels, second)[metric])


def test_the_paired_interval_of_a_candidate_and_itself_is_zero():
    labels, same = random_case(1)
    interval = paired_interval(TASK, labels, same, same, "accuracy", rng=np.random.default_rng(0), samples=50)
    assert (interval.difference, interval.low, interval.high) == (0.0, 0.0, 0.0)


def test_the_paired_interval_of_a_clear_winner_is_positive():
    """The rows are resampled in pairs: a candidate that is right where the other is wrong wins for sure."""
    labels = np.arange(60) % 3
    right, wrong = np.eye(3)[labels], np.eye(3)[(labels + 1) % 3]
    interval = paired_interval(TASK, labels, right, wrong, "accuracy", rng=np.random.default_rng(0), samples=50)
    assert (interval.low, interval.high) == (1.0, 1.0)
