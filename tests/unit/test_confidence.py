"""How far answers can be trusted: reliability, accuracy by coverage, label sets and intervals, on simulated answers."""

import json
import time
from dataclasses import asdict, replace

import numpy as np
import pytest

from automm.evaluate.combine import BestSingle, Crossing, Judged
from automm.evaluate.confidence.calibration import calibration, reliability
from automm.evaluate.confidence.conformal import LARGEST, label_scores, label_sets, limit_of, uniforms
from automm.evaluate.confidence.rows import Answered, share
from automm.evaluate.confidence.section import confidence_of
from automm.evaluate.confidence.selective import COVERAGES, accuracy_by_coverage
from automm.evaluate.decision import tempered
from automm.evaluate.ensembles import WithTemperature
from automm.tasks.registry import TASKS
from automm.tracking.plain_json import plain

TASK, NUMBERS = TASKS["classification"], TASKS["regression"]


def answered(rng, count: int, classes: int = 4, sharpness: float = 2.0, temperature: float = 1.0) -> Answered:
    """A perfectly calibrated model, whose probabilities are then sharpened (temperature below 1) or flattened."""
    scores = sharpness * rng.normal(size=(count, classes))
    targets = (scores + rng.gumbel(size=scores.shape)).argmax(axis=1)
    powers = np.exp(scores / temperature)
    ids = np.array([f"{number:x}" for number in rng.integers(0, 2**62, count)])
    return Answered(ids, targets, np.arange(count), powers / powers.sum(axis=1, keepdims=True))


def reordered(rows: Answered, order: np.ndarray) -> Answered:
    return Answered(rows.ids[order], rows.targets[order], rows.units[order], rows.answers[order])


def in_units(rng, units: int, size: int) -> Answered:
    """Two labels; the reviews of a unit are all right or all wrong, with the stated confidence."""
    confidence = rng.uniform(0.55, 0.95, units)
    right = np.repeat(rng.random(units) < confidence, size)
    first = np.repeat(confidence, size)
    ids = np.arange(units * size).astype(str)
    return Answered(ids, np.where(right, 0, 1), np.repeat(np.arange(units), size), np.stack([first, 1 - first], axis=1))


def test_bins_are_of_equal_size_and_their_gaps_are_the_error():
    rows = answered(np.random.default_rng(0), 600)
    found = reliability(rows, np.random.default_rng(0))
    assert [one.reviews for one in found.bins] == [40] * 15
    assert [one.confidence for one in found.bins] == sorted(one.confidence for one in found.bins)
    gaps = [one.reviews * abs(one.accuracy - one.confidence) for one in found.bins]
    assert found.error == pytest.approx(sum(gaps) / 600, abs=1e-12)
    assert sum(one.reviews * one.accuracy for one in found.bins) / 600 == pytest.approx(rows.right.mean())


def test_reliability_ignores_the_order_of_reviews_even_of_equal_confidence():
    rng = np.random.default_rng(0)
    rows = answered(rng, 300)
    coarse = replace(rows, answers=np.round(rows.answers, 1))
    first = reliability(coarse, np.random.default_rng(0))
    second = reliability(reordered(coarse, rng.permutation(300)), np.random.default_rng(0))
    assert [one.reviews for one in first.bins] == [one.reviews for one in second.bins]
    assert first.error == pytest.approx(second.error, abs=1e-12)
    constant = replace(rows, answers=np.full((300, 4), 0.25))
    assert [one.reviews for one in reliability(constant, rng).bins] == [300]


@pytest.mark.parametrize("size", [1, 8], ids=["alone", "in units"])
def test_calibrated_models_are_seldom_called_miscalibrated(size):
    rng = np.random.default_rng(7)
    named = sum(not reliability(in_units(rng, 480 // size, size), rng).calibrated for _ in range(200))
    assert named <= 18  # 10 are expected; 19 or more have a probability of 1 %


def test_reviews_taken_for_units_would_be_called_miscalibrated():
    rng = np.random.default_rng(3)
    drawn = [in_units(rng, 60, 8) for _ in range(30)]
    alone = [replace(rows, units=np.arange(480)) for rows in drawn]
    assert sum(not reliability(rows, rng).calibrated for rows in alone) > 15


def test_a_temperature_calibrates_an_overconfident_model():
    rng = np.random.default_rng(0)
    judged, test = (answered(rng, 800, temperature=0.5) for _ in range(2))
    found = calibration(TASK, judged, test, rng)
    assert found.temperature == pytest.approx(2.0, rel=0.2)
    for before, after in ((found.judged, found.judged_after), (found.test, found.test_after)):
        assert before.calibrated is False
        assert after.calibrated is True
        assert after.error < before.error / 2


def test_the_judged_reviews_have_the_temperature_of_the_other_units():
    rng = np.random.default_rng(0)
    judged = answered(rng, 60, temperature=0.5)
    crossing = Crossing.drawn(Judged(TASK, "val_loss", judged.targets, judged.units, [judged.answers]), rng)
    after = crossing.answers(WithTemperature(BestSingle()))
    temperatures = {
        part: WithTemperature(BestSingle()).fit(crossing, frozenset([part])).temperature for part in range(5)
    }
    assert len(set(temperatures.values())) == 5
    for place, part in enumerate(crossing.parts):
        np.testing.assert_allclose(after[place], tempered(judged.answers, temperatures[part])[place], rtol=1e-6)


def test_with_few_units_there_is_no_temperature_and_no_chance_level():
    rng = np.random.default_rng(0)
    judged, test = (replace(answered(rng, 100), units=np.arange(100) % 2) for _ in range(2))
    found = calibration(TASK, judged, test, rng)
    assert (found.temperature, found.judged_after, found.test_after) == (None, None, None)
    assert (found.judged.chance, found.judged.calibrated) == (None, None)


def test_nothing_is_fitted_on_the_test_split():
    rng = np.random.default_rng(0)
    judged, test = answered(rng, 300), answered(rng, 200)
    other = replace(test, targets=(test.targets + 1) % 4)
    first, second = (confidence_of(TASK, judged, rows, averaged=True, seed=1) for rows in (test, other))
    assert first.calibration.temperature == second.calibration.temperature
    assert first.calibration.judged_after == second.calibration.judged_after
    assert [point.threshold for point in first.accuracy_by_coverage] == [
        point.threshold for point in second.accuracy_by_coverage
    ]
    assert (first.sets.limit, first.sets.sizes) == (second.sets.limit, second.sets.sizes)
    assert second.sets.coverage.value < first.sets.coverage.value


def test_accuracy_grows_as_unsure_answers_are_left_to_a_person():
    rng = np.random.default_rng(0)
    judged, test = answered(rng, 1000), answered(rng, 1000)
    points = accuracy_by_coverage(judged, test)
    assert [point.asked for point in points] == list(COVERAGES)
    assert points[0].test.coverage == 1.0
    assert points[0].test.accuracy.value == pytest.approx(test.right.mean())
    for point in points:
        assert point.asked <= point.judged.coverage <= point.asked + 0.002
        assert point.test.coverage == pytest.approx(point.asked, abs=0.06)
        kept = test.confidence >= point.threshold
        assert point.test.accuracy.value == pytest.approx(test.right[kept].mean())
    accuracies = [point.test.accuracy.value for point in points]
    assert accuracies[-1] > accuracies[0] + 0.2
    figure = points[4].test.accuracy
    assert figure.low < figure.value < figure.high
    assert figure.units == round(points[4].test.coverage * 1000)


def test_equal_confidence_stays_together():
    rng = np.random.default_rng(0)
    judged = replace(answered(rng, 100), answers=np.full((100, 4), 0.25))
    assert {point.judged.coverage for point in accuracy_by_coverage(judged, judged)} == {1.0}


def test_a_threshold_above_all_test_reviews_leaves_none():
    rng = np.random.default_rng(0)
    judged, test = answered(rng, 100, sharpness=6), answered(rng, 100, sharpness=0.1)
    last = accuracy_by_coverage(judged, test)[-1].test
    assert (last.coverage, last.accuracy) == (0.0, None)


def test_the_label_is_that_of_the_decision_and_its_confidence_the_probability():
    answers = np.array([[0.6, 0.4], [0.9, 0.1]])
    rows = Answered(np.array(["a", "b"]), np.array([1, 0]), np.arange(2), answers, answers + np.array([0.0, 0.5]))
    assert rows.predicted.tolist() == [1, 0]
    assert rows.confidence.tolist() == [0.4, 0.9]
    assert rows.right.tolist() == [True, True]
    assert rows.with_answers(answers[:, ::-1]).predicted.tolist() == [1, 0]


def test_the_interval_of_a_share_is_over_units():
    of, hits = np.ones(400, bool), np.random.default_rng(0).random(400) < 0.7
    alone, linked = share(of, hits, np.arange(400)), share(of, np.repeat(hits[:40], 10), np.repeat(np.arange(40), 10))
    expected = 1.966 * np.sqrt(hits.mean() * (1 - hits.mean()) / 399)
    assert (alone.high - alone.low) / 2 == pytest.approx(expected, rel=0.01)
    assert linked.high - linked.low > 2.5 * (alone.high - alone.low)
    assert share(of, hits, np.arange(400) % 9).low is None
    assert share(~of, hits, np.arange(400)) is None


def test_the_interval_of_a_share_of_all_is_not_empty():
    of = np.ones(40, bool)
    alone, linked = share(of, of, np.arange(40)), share(of, of, np.arange(40) // 4)
    assert (alone.value, alone.high) == (1.0, 1.0)
    assert alone.low == pytest.approx(40 / (40 + 2.0227**2), abs=1e-4)
    assert linked.low == pytest.approx(10 / (10 + 2.2622**2), abs=1e-4)
    one_large = share(np.ones(5000, bool), np.arange(5000) > 3, np.maximum(np.arange(5000) - 4985, 0))
    assert 0 <= one_large.low < one_large.value - 0.1
    assert one_large.value < one_large.high <= 1


@pytest.mark.parametrize(("right", "dependence"), [(0.7, 0.5), (0.95, 0.0), (0.95, 0.5), (0.9, 1.0)])
def test_the_interval_of_a_share_covers(right, dependence):
    rng, inside = np.random.default_rng(0), 0
    for _ in range(1000):
        units = np.repeat(np.arange(60), np.ceil(rng.lognormal(1.0, 0.8, 60)).astype(int))
        shared = rng.random(len(units)) < dependence
        uniform = np.where(shared, rng.random(60)[units], rng.random(len(units)))
        found = share(np.ones(len(units), bool), uniform < right, units)
        inside += found.low <= right <= found.high
    assert 0.93 <= inside / 1000 <= 0.985


def test_scores_are_those_of_the_paper():
    """The generalised inverse quantile function of Romano, Sesia and Candes, label by label."""
    rng = np.random.default_rng(0)
    probabilities, uniform = rng.dirichlet(np.ones(5), 40), rng.random(40)
    probabilities[0] = 0.2
    scores = label_scores(probabilities, uniform)
    for row, u, found in zip(probabilities, uniform, scores, strict=True):
        taken = 0.0
        for label in sorted(range(5), key=lambda one: (-row[one], one)):
            assert found[label] == pytest.approx(taken + u * row[label], abs=1e-12)
            taken += row[label]


def test_the_limit_is_the_conformal_quantile():
    scores = np.random.default_rng(0).permutation(np.arange(1, 100.0))
    assert limit_of(scores, 0.9) == 90
    assert limit_of(scores[:9], 0.9) == max(scores[:9])
    assert limit_of(scores[:8], 0.9) == np.inf


@pytest.mark.parametrize("sharpness", [1.0, 8.0], ids=["52 % right", "91 % right"])
def test_label_sets_cover_what_they_are_asked_for(sharpness):
    rng = np.random.default_rng(0)
    covered = [
        label_sets(answered(rng, 1000, 4, sharpness), answered(rng, 1000, 4, sharpness), seed, averaged=False)
        for seed in range(200)
    ]
    assert 0.89 <= np.mean([sets.coverage.value for sets in covered]) <= 0.92


def test_label_sets_of_overconfident_answers_cover_too():
    rng = np.random.default_rng(0)
    covered = [
        label_sets(*(answered(rng, 1000, temperature=0.4) for _ in range(2)), seed, averaged=False).coverage.value
        for seed in range(50)
    ]
    assert 0.89 <= np.mean(covered) <= 0.92


def test_a_review_has_the_same_set_in_any_order():
    rng = np.random.default_rng(0)
    judged, test = answered(rng, 300), answered(rng, 200)
    orders = rng.permutation(300), rng.permutation(200)
    first = label_sets(judged, test, 5, averaged=True)
    second = label_sets(reordered(judged, orders[0]), reordered(test, orders[1]), 5, averaged=True)
    assert first.sizes == second.sizes
    assert (first.limit, first.coverage.value) == pytest.approx((second.limit, second.coverage.value), abs=1e-12)
    assert (uniforms(test.ids, 5) != uniforms(test.ids, 6)).all()


def test_the_shares_of_label_sets_add_up():
    rng = np.random.default_rng(0)
    judged, test = (answered(rng, 500, classes=9, sharpness=1.0) for _ in range(2))
    found = label_sets(judged, test, 0, averaged=True)
    assert len(found.sizes) == LARGEST + 1
    assert sum(found.sizes) == pytest.approx(1)
    by_size = [share * (covered or 0) for share, covered in zip(found.sizes, found.covered_by_size, strict=True)]
    assert sum(by_size) == pytest.approx(found.coverage.value)
    assert [count for count, _ in found.by_label] == np.bincount(test.targets, minlength=9).tolist()
    assert sum(hits for _, hits in found.by_label) == round(found.coverage.value * 500)
    assert "fold" in found.note
    assert "fold" not in label_sets(judged, test, 0, averaged=False).note


def test_too_few_judged_reviews_set_no_limit():
    rng = np.random.default_rng(0)
    found = label_sets(answered(rng, 8), answered(rng, 50), 0, averaged=True)
    assert (found.limit, found.labels, found.coverage.value) == (None, 4.0, 1.0)


def test_numbers_have_intervals_and_nothing_of_probabilities():
    rng = np.random.default_rng(0)
    coverage = []
    for seed in range(50):
        answers = rng.normal(size=(600, 1))
        targets = answers[:, 0] + rng.normal(0, 2.0, 600)
        judged, test = (
            Answered(np.arange(300).astype(str), targets[part], np.arange(300), answers[part])
            for part in (slice(300), slice(300, 600))
        )
        found = confidence_of(NUMBERS, judged, test, averaged=False, seed=seed)
        coverage.append(found.sets.coverage.value)
        assert found.sets.limit == pytest.approx(1.645 * 2.0, rel=0.3)
    assert (found.calibration, found.accuracy_by_coverage) == (None, None)
    assert 0.88 <= np.mean(coverage) <= 0.92


@pytest.mark.parametrize("classes", [2, 1000])
def test_the_entry_is_json_and_takes_seconds(classes):
    rng = np.random.default_rng(0)
    judged, test = answered(rng, 1200, classes), answered(rng, 300, classes)
    began = time.process_time()
    found = confidence_of(TASK, judged, replace(test, decided=test.answers), averaged=True, seed=0)
    assert time.process_time() - began < 20
    json.dumps(plain(asdict(found)), allow_nan=False)
