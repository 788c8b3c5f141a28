"""The forms of an ensemble and its decision, on arrays."""

from itertools import pairwise

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from automm.evaluate.combinations import Biased, Mean, Tempered
from automm.evaluate.combine import BestSingle, Crossing, Judged, honest
from automm.evaluate.decision import decisions, fit_biases, fit_temperature, logs, measured, tempered
from automm.evaluate.ensembles import (
    MEMBERS,
    Bagged,
    BestForm,
    Choice,
    Costs,
    Greedy,
    Library,
    Stacked,
    WithBiases,
    WithTemperature,
    fit_stack,
    forms,
    gain_of,
    objectives,
)
from automm.tasks.registry import TASKS

TASK, NUMBERS = TASKS["classification"], TASKS["regression"]


def drawn(seed, rows=300, candidates=6, skill=1.0, prior=(1 / 3, 1 / 3, 1 / 3), objective="val_macro_f1", weigh=True):
    """Candidates with shared and own noise; every two reviews are a unit."""
    rng = np.random.default_rng(seed)
    classes = len(prior)
    targets = rng.choice(classes, rows, p=prior)
    shared = rng.normal(0, 0.7, (rows, classes)) + np.log(prior)
    powers = [
        np.exp(skill * np.eye(classes)[targets] + shared + rng.normal(0, 0.7, shared.shape)) for _ in range(candidates)
    ]
    answers = [(one / one.sum(axis=1, keepdims=True)).astype(np.float32) for one in powers]
    counts = np.bincount(targets, minlength=classes)
    weights = (rows / (classes * np.maximum(counts, 1)))[targets] ** 0.5 if weigh else None
    return Judged(TASK, objective, targets, np.arange(rows) // 2, answers, weights)


def crossings_of(judged, count=2, seed=0):
    rng = np.random.default_rng(seed)
    return [Crossing.drawn(judged, rng) for _ in range(count)]


def forms_of(judged, **more):
    library = Library(tuple(range(len(judged.answers))), **more)
    return forms(judged.task, judged.metric, judged.answers[0].shape[1], library)


class TestMembers:
    @pytest.mark.parametrize("form", [Greedy, Bagged])
    def test_at_most_eight(self, form):
        judged = drawn(1, candidates=24, rows=200)
        for left_out in (frozenset(), frozenset((0,))):
            fitted = crossings_of(judged)[0].fit(form(Library(tuple(range(24)))), left_out)
            assert 2 <= len(fitted.members) <= MEMBERS
            assert fitted.shares.sum() == pytest.approx(1)

    @pytest.mark.parametrize("form", [Greedy, Bagged])
    def test_their_cost_is_bounded_and_a_shared_encoder_counts_once(self, form):
        judged = drawn(2, candidates=6)
        encoders = tuple(frozenset(("slow",)) if place % 2 else frozenset(("fast", "other")) for place in range(6))
        costs = Costs((1.0,) * 6, encoders, (("fast", 5.0), ("other", 1.0), ("slow", 50.0)), 9.0)
        assert costs.of((0, 2, 4)) == 9.0
        assert costs.of((0, 1)) == 58.0
        fitted = crossings_of(judged)[0].fit(form(Library(tuple(range(6)), costs=costs)))
        assert set(fitted.members) <= {0, 2, 4}

    def test_nothing_within_the_bound(self):
        costs = Costs((2.0,), (frozenset(),), (), 1.0)
        assert Library((0,), costs=costs).may_join(set()) == []

    def test_the_loss_has_class_weights(self):
        """One candidate knows the rare class, the other is surer of the frequent one."""
        targets = np.repeat([0, 0, 0, 0, 0, 0, 0, 0, 0, 1], 20)
        rare = np.where(targets[:, None] == 1, [[0.2, 0.8]], [[0.7, 0.3]])
        frequent = np.where(targets[:, None] == 1, [[0.8, 0.2]], [[0.8, 0.2]])
        found = []
        for weights in (None, np.where(targets == 1, 5.0, 5 / 9)):
            judged = Judged(TASK, "val_macro_f1", targets, np.arange(200), [frequent, rare], weights)
            found.append(crossings_of(judged)[0].fit(Greedy(Library((0, 1)))).shares[1])
        assert found[1] > found[0]


@pytest.mark.parametrize("objective", ["val_macro_f1", "val_accuracy", "val_loss"])
def test_objectives_of_several_answers_are_the_metric(objective):
    judged = drawn(3, objective=objective)
    rows = np.arange(40, 200)
    found = objectives(judged, rows, np.stack([one[rows] for one in judged.answers]))
    expected = [TASK.measure(judged.targets[rows], one[rows])[judged.metric] for one in judged.answers]
    np.testing.assert_allclose(found, judged.sign * np.array(expected), rtol=1e-6)


def test_a_stack_is_a_logistic_regression():
    """scikit-learn has a coefficient for each input; with two classes, the log odds of the members are the inputs."""
    rng = np.random.default_rng(0)
    targets = rng.integers(0, 2, 400)
    odds = rng.normal(0, 1, (3, 400)) + np.array([1.0, 0.7, 0.2])[:, None] * (2 * targets - 1)
    inputs = np.stack([np.stack([np.zeros(400), one], axis=1) for one in odds])
    coefficients, biases = fit_stack(inputs, targets, None)
    reference = LogisticRegression(C=1e6, tol=1e-8).fit(odds.T, targets)
    np.testing.assert_allclose(coefficients, reference.coef_[0], rtol=0.1)
    assert biases[1] - biases[0] == pytest.approx(reference.intercept_[0], abs=0.05)


class TestTemperature:
    def test_too_sure_probabilities_are_cooled(self):
        judged = drawn(4, rows=2000)
        sure = tempered(judged.answers[0], 0.3)
        plain, hot = (fit_temperature(TASK, judged.targets, one) for one in (judged.answers[0], sure))
        assert hot == pytest.approx(plain / 0.3, rel=0.05)
        np.testing.assert_array_equal(tempered(sure, hot).argmax(axis=1), sure.argmax(axis=1))

    def test_it_is_a_form_of_the_loss_and_found_where_it_helps(self):
        judged = drawn(5, rows=600, candidates=2, objective="val_loss", weigh=False)
        sure = Judged(TASK, "val_loss", judged.targets, judged.units, [tempered(p, 0.1) for p in judged.answers])
        assert isinstance(forms_of(sure).pick(crossings_of(sure)), WithTemperature | Stacked)
        assert not any(isinstance(one, WithTemperature) for one in forms_of(drawn(5)).forms)


class TestBiases:
    def test_the_most_probable_label_is_not_the_best_for_macro_f1(self):
        judged = drawn(6, rows=2000, prior=(0.8, 0.15, 0.05))
        half = np.arange(2000) < 1000
        biases = fit_biases(TASK, "macro_f1", judged.targets[half], judged.answers[0][half])
        rest = judged.answers[0][~half]
        before, after = (
            TASK.measure(judged.targets[~half], one)["macro_f1"] for one in (rest, decisions(rest, biases))
        )
        assert biases[0] == 0
        assert after > before + 0.05

    @pytest.mark.parametrize("metric", ["macro_f1", "accuracy"])
    def test_the_bias_of_two_classes_is_the_best_threshold(self, metric):
        judged = drawn(7, rows=400, prior=(0.85, 0.15))
        biases = fit_biases(TASK, metric, judged.targets, judged.answers[0])
        found = TASK.measure(judged.targets, decisions(judged.answers[0], biases))[metric]
        odds = np.diff(logs(judged.answers[0]), axis=1)[:, 0]
        every = [TASK.measure(judged.targets, np.eye(2)[(odds > at).astype(int)])[metric] for at in np.sort(odds)]
        assert found > max(every) - 0.02

    def test_probabilities_are_unchanged(self):
        judged = drawn(8)
        rows = np.arange(100)
        one = Biased(Mean(np.eye(6)[0]), np.array([0.0, 1.0, -1.0]))
        np.testing.assert_array_equal(one.answers(judged.answers, rows), judged.answers[0][rows])
        assert (one.decided(judged.answers, rows).argmax(axis=1) != judged.answers[0][rows].argmax(axis=1)).any()
        whole = measured(TASK, judged.targets[rows], judged.answers[0][rows], one.decided(judged.answers, rows))
        assert whole["loss"] == TASK.measure(judged.targets[rows], judged.answers[0][rows])["loss"]
        assert whole["macro_f1"] != TASK.measure(judged.targets[rows], judged.answers[0][rows])["macro_f1"]

    def test_a_temperature_changes_no_label(self):
        judged = drawn(8)
        rows, biases = np.arange(100), np.array([0.0, 1.0, -1.0])
        one = Tempered(Biased(Mean(np.eye(6)[0]), biases), 2.5)
        exported = decisions(one.answers(judged.answers, rows), biases / 2.5)
        np.testing.assert_array_equal(exported.argmax(axis=1), one.decided(judged.answers, rows).argmax(axis=1))


def test_the_forms_of_an_objective():
    names = {
        objective: [type(form).__name__ for form in forms_of(drawn(9, objective=objective)).forms]
        for objective in ("val_macro_f1", "val_loss")
    }
    plain = ["Greedy", "Bagged", "Stacked"]
    assert names == {"val_macro_f1": plain + ["WithBiases"] * 3, "val_loss": plain + ["WithTemperature"] * 3}
    assert len(forms(TASK, "macro_f1", 31, Library((0, 1))).forms) == 2
    assert len(forms(NUMBERS, "mae", 1, Library((0, 1))).forms) == 2


@pytest.mark.parametrize("form", ["Bagged", "Stacked", "WithBiases", "Choice"])
def test_an_answer_does_not_depend_on_the_targets_of_its_own_part(form):
    judged = drawn(10, rows=120, candidates=3)
    (crossing,) = crossings_of(judged, 1)
    rest = crossing.rows(frozenset((3,)))
    own = np.delete(np.arange(120), rest)
    other = judged.targets.copy()
    other[own] = (other[own] + 1) % 3
    changed = Judged(TASK, judged.objective, other, judged.units, judged.answers, judged.weights)
    every = (*forms_of(judged).forms, Choice(forms_of(judged)))
    combiner = next(one for one in every if type(one).__name__ == form)
    first, second = (Crossing(data, crossing.parts).decided(combiner)[own] for data in (judged, changed))
    np.testing.assert_array_equal(first, second)


def test_regression_picks_the_metric_of_the_search():
    rng = np.random.default_rng(11)
    targets = rng.normal(0, 10, 200).astype(np.float32)
    answers = [(targets[:, None] + rng.normal(0, 5, (200, 1))).astype(np.float32) for _ in range(5)]
    judged = Judged(NUMBERS, "val_mae", targets, np.arange(200), answers)
    crossings = crossings_of(judged)
    picked = forms_of(judged).pick(crossings)
    assert crossings[0].score(picked) < crossings[0].score(BestSingle())


class TestClaims:
    def test_without_labels_that_can_be_predicted_no_gain_is_claimed(self):
        """In 95 of 100 searches. Which of equal forms is the best is chance."""
        claimed = 0
        for seed in range(50):
            judged = drawn(seed, rows=100, candidates=4, skill=0.0)
            claimed += not isinstance(forms_of(judged).pick(crossings_of(judged, 1)), Greedy)
        assert claimed <= 2

    def test_a_planted_decision_is_found_and_its_score_is_honest(self):
        """Labels are rare, and the most probable label is nearly always the frequent one."""
        judged = drawn(1, rows=900, prior=(0.8, 0.15, 0.05), skill=1.2)
        crossings = crossings_of(judged, 1)
        best = forms_of(judged)
        picked = best.pick(crossings)
        assert isinstance(picked, WithBiases | Stacked)
        gain, error = gain_of(crossings, picked, best.forms[0])
        assert gain > 2 * error
        fresh = drawn(2, rows=4000, prior=(0.8, 0.15, 0.05), skill=1.2)
        fitted = crossings[0].fit(picked)
        later = TASK.measure(fresh.targets, fitted.decided(fresh.answers, np.arange(4000)))["macro_f1"]
        crossed = honest(best, judged, rng=np.random.default_rng(0), repeats=1)
        assert crossed == pytest.approx(later, abs=0.05)

    def test_a_planted_member_is_found(self):
        weak = drawn(3, rows=400, skill=0.5)
        strong = drawn(3, rows=400, skill=0.5).answers
        own = tempered(np.eye(3)[weak.targets] * 0.4 + 0.2, 1.0)
        judged = Judged(TASK, weak.objective, weak.targets, weak.units, [*strong, own], weak.weights)
        for form in forms_of(judged).forms[:3]:
            assert 6 in crossings_of(judged)[0].fit(form).members


def test_a_form_that_is_not_clearly_better_is_not_picked():
    judged = drawn(12)
    greedy = Greedy(Library(tuple(range(6))))
    assert BestForm((greedy, Bagged(Library((0, 1, 2))))).pick(crossings_of(judged)) is greedy


@pytest.mark.parametrize("error", [float("nan"), 0.06])
def test_a_gain_without_a_known_error_is_not_clear(monkeypatch, error):
    monkeypatch.setattr("automm.evaluate.ensembles.gain_of", lambda *arguments: (0.1, error))
    judged = drawn(3, candidates=3)
    greedy = Greedy(Library((0, 1, 2)))
    assert BestForm((greedy, Bagged(Library((0, 1, 2))))).pick(crossings_of(judged)) is greedy


def test_the_costs_of_more_members_grow():
    costs = Costs((1.0, 2.0, 3.0), (frozenset("a"), frozenset("a"), frozenset("b")), (("a", 10.0), ("b", 20.0)))
    found = [costs.of(range(count)) for count in range(1, 4)]
    assert found == [11.0, 13.0, 36.0]
    assert all(one < other for one, other in pairwise(found))
    assert costs.within(range(3))
