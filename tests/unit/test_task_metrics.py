import math
import time

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score, log_loss

from automm.evaluate.compare import better, interval, paired_interval, score, unit_sums
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
    one = paired_interval(TASK, labels, first, second, metric, units=np.arange(60))
    other = paired_interval(TASK, labels, second, first, metric, units=np.arange(60))
    assert (one.difference, one.low, one.high) == pytest.approx((-other.difference, -other.high, -other.low))
    assert one.low <= one.difference <= one.high
    assert one.difference == pytest.approx(TASK.measure(labels, first)[metric] - TASK.measure(labels, second)[metric])


def test_the_paired_interval_of_a_candidate_and_itself_is_zero():
    labels, same = random_case(1)
    found = paired_interval(TASK, labels, same, same, "accuracy", units=np.arange(30))
    assert (found.difference, found.low, found.high) == (0.0, 0.0, 0.0)


def test_the_paired_interval_of_a_clear_winner_is_positive():
    """The interval is of pairs: a candidate that is right where the other is wrong wins for sure."""
    labels = np.arange(60) % 3
    right, wrong = np.eye(3)[labels], np.eye(3)[(labels + 1) % 3]
    found = paired_interval(TASK, labels, right, wrong, "accuracy", units=np.arange(60))
    assert (found.low, found.high) == (1.0, 1.0)


class TestUnits:
    def test_copies_of_a_review_are_one_unit(self):
        labels, first = random_case(1, rows=60)
        second = random_case(2, rows=60)[1]
        once = paired_interval(TASK, labels, first, second, "loss", units=np.arange(60))
        copied = [np.repeat(array, 4, axis=0) for array in (labels, first, second)]
        four_times = paired_interval(TASK, *copied, "loss", units=np.repeat(np.arange(60), 4))
        assert (four_times.low, four_times.high) == pytest.approx((once.low, once.high))
        assert (once.units, four_times.units) == (60, 60)
        apart = paired_interval(TASK, *copied, "loss", units=np.arange(240))
        assert apart.high - apart.low < 0.6 * (once.high - once.low)

    def test_the_numbering_of_units_does_not_matter(self):
        labels, answers = random_case(1, rows=60)
        one, other = (
            interval(TASK, labels, answers, "macro_f1", units=n) for n in (np.arange(60), 7 * np.arange(60)[::-1])
        )
        assert (one.low, one.high) == pytest.approx((other.low, other.high))

    def test_few_units_have_no_interval(self):
        labels, answers = random_case(1, rows=90)
        found = interval(TASK, labels, answers, "accuracy", units=np.arange(90) % 9)
        assert (found.low, found.high, found.units) == (None, None, 9)
        assert found.method == "too few to say: 10 units are needed"
        assert found.value == TASK.measure(labels, answers)["accuracy"]
        assert interval(TASK, labels, answers, "accuracy", units=np.arange(90) % 10).low is not None
        assert interval(TASK, labels, answers, "accuracy", units=np.zeros(90)).units == 1

    def test_one_large_unit_widens_the_interval_beyond_its_variance(self):
        """A unit that decides alone leaves few degrees of freedom."""
        rng = np.random.default_rng(0)
        labels = np.arange(400) % 2
        answers = np.where(rng.random((400, 1)) < 0.7, np.eye(2)[labels], np.eye(2)[1 - labels])
        answers[:200] = np.eye(2)[labels[:200]]
        units = np.maximum(np.arange(400) - 199, 0)
        found = interval(TASK, labels, answers, "accuracy", units=units)
        right = (answers.argmax(axis=1) == labels).astype(float)
        without = np.array([right[units != unit].mean() for unit in range(201)])
        deviation = math.sqrt(200 / 201 * ((without - without.mean()) ** 2).sum())
        assert found.high - found.low > 2 * 2.5 * deviation

    def test_the_mean_of_independent_reviews_has_the_interval_of_student(self):
        """With k equal units the standard error of an accuracy is that of its textbook formula."""
        labels, answers = random_case(3, rows=80)
        found = interval(TASK, labels, answers, "accuracy", units=np.arange(80))
        right = answers.argmax(axis=1) == labels
        half = right.std(ddof=1) / math.sqrt(80) * 1.99
        assert (found.low, found.high) == pytest.approx((right.mean() - half, right.mean() + half), abs=0.01)


@pytest.mark.parametrize("name", TASKS)
def test_every_metric_is_computed_from_its_sums(name):
    task, rng = TASKS[name], np.random.default_rng(0)
    if task.has_labels:
        targets, answers = random_case(4, classes=5, absent=(2,))
    else:
        targets = rng.normal(1e6, 20, 30).astype(np.float32)
        answers = (targets + rng.normal(0, 9, 30))[:, None]
    places = np.arange(30) % 7
    for metric, value in task.measure(targets, answers).items():
        sums = unit_sums(task, metric, targets, answers, places)
        assert task.from_sums(metric, np.asarray(sums.sum(axis=0))) == pytest.approx(value, rel=1e-6)
        rows = places != 3
        without = task.from_sums(metric, np.asarray(sums.sum(axis=0) - sums[[3]].toarray()[0]))
        assert without == pytest.approx(task.measure(targets[rows], answers[rows])[metric], rel=1e-6)


@pytest.mark.parametrize("name", TASKS)
def test_the_smooth_loss_of_a_mean_needs_one_number_for_each_review(name):
    task, rng = TASKS[name], np.random.default_rng(0)
    targets = rng.integers(0, 3, 40) if task.has_labels else rng.normal(100, 20, 40).astype(np.float32)
    pair = [rng.dirichlet(np.ones(3), 40) if task.has_labels else rng.normal(100, 20, (40, 1)) for _ in range(2)]
    inputs = [task.smooth_inputs(targets, answers) for answers in pair]
    mixed = 0.3 * pair[0] + 0.7 * pair[1]
    np.testing.assert_allclose(task.smooth_inputs(targets, mixed), 0.3 * inputs[0] + 0.7 * inputs[1], rtol=1e-9)
    losses = task.smooth_loss(np.stack([*inputs, task.smooth_inputs(targets, mixed)]))
    measured = [task.measure(targets, answers)[task.smooth] for answers in (*pair, mixed)]
    assert np.argsort(losses).tolist() == np.argsort(measured).tolist()


def test_an_interval_of_a_hundred_classes_takes_less_than_two_seconds():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 100, 5000)
    first, second = rng.dirichlet(np.ones(100), (2, 5000)).astype(np.float32)
    began = time.thread_time()
    paired_interval(TASK, labels, first, second, "macro_f1", units=np.arange(5000))
    assert time.thread_time() - began < 2
