"""The score of an ensemble and the number that ranks it: `candidates/ensemble.py`, without training a model."""

from types import SimpleNamespace

import keras
import numpy as np
import pytest
from advice import advises, hear

from automm.errors import TrialError
from automm.evaluate import combine
from automm.evaluate.combine import Crossing, Judged, honest
from automm.evaluate.decision import decisions, measured, tempered
from automm.evaluate.ensembles import Choice, Costs, Library, forms
from automm.evaluate.selection import selection
from automm.models.average import with_decision, without_decision
from automm.search.bench import Bench
from automm.search.candidates import ensemble as module
from automm.search.candidates.ensemble import Ensemble
from automm.tasks.registry import TASKS
from automm.tracking.run_folder import COMPLETED, Candidate, rank, stored


@pytest.fixture
def fitted(monkeypatch):
    """Return a function that fits an ensemble: (task, objective, targets, answers) to (fitted, singles, judged)."""
    monkeypatch.setattr(combine, "DIVISIONS", 3)
    monkeypatch.setattr(module.average, "combine", lambda models, layers, name: (models, layers))

    def fit(task_name, objective, targets, answers, costs=None):
        task, units = TASKS[task_name], np.arange(len(targets))
        singles = [
            Candidate(f"trial-{place}", "trial", COMPLETED, score=task.measure(targets, one)[objective[4:]])
            for place, one in enumerate(answers)
        ]
        kept = {one.name: stored(given).astype(np.float32) for one, given in zip(singles, answers, strict=True)}
        singles = rank(singles, task.objectives[objective])
        members = [(one, kept[one.name]) for one in singles]
        setup = SimpleNamespace(
            task=task,
            experiment=SimpleNamespace(seed=3),
            validation_targets=targets,
            judged=lambda given: Judged(task, objective, targets, units, given),
        )
        bench = SimpleNamespace(setup=setup, saved=str, seed_of=lambda name: 3)
        bench.evaluate_answers = lambda given, decided: Bench.evaluate_answers(bench, given, decided)
        found = Ensemble("ensemble-000", "ensemble", members=members, costs=costs).fit(bench)
        return found, singles, setup.judged([answer for _, answer in members])

    return fit


def draw(seed, rows, outputs, noise, count=6):
    """Targets, and candidates that differ from each other by little: (rows,), and of each (rows, outputs)."""
    rng = np.random.default_rng(seed)
    targets = rng.integers(0, outputs, rows)
    base = rng.normal(size=(rows, outputs)) + 1.5 * np.eye(outputs)[targets]
    powers = [np.exp(base + rng.normal(size=base.shape) * noise) for _ in range(count)]
    return targets, [(one / one.sum(axis=1, keepdims=True)).astype(np.float32) for one in powers]


def test_score_and_correction_are_means_over_the_same_divisions(fitted):
    """With 30 reviews, the score on one division and the next differ by more than the selection bias."""
    targets, answers = draw(1, 30, 3, noise=1.0)
    found, singles, judged = fitted("classification", "val_macro_f1", targets, answers)
    greedy = forms(judged.task, "macro_f1", 3, Library(tuple(range(len(singles)))))
    scores = found.trained.validation
    assert scores["macro_f1"] == pytest.approx(honest(greedy, judged, rng=np.random.default_rng(3), repeats=3))
    rng = np.random.default_rng(3)
    crossings = [Crossing.drawn(judged, rng) for _ in range(3)]
    assert np.ptp([crossing.score(greedy) for crossing in crossings]) > 0.05
    for metric in ("accuracy", "loss"):
        each = [measured(judged.task, targets, one.answers(greedy), one.decided(greedy))[metric] for one in crossings]
        assert scores[metric] == pytest.approx(np.mean(each))
    np.testing.assert_allclose(
        found.trained.probabilities, np.mean([one.answers(greedy) for one in crossings], axis=0), atol=1e-6
    )
    best = max(one.score for one in singles)
    assert found.comparable == best + Choice(greedy).lead(crossings)
    luck = selection(judged, scores["macro_f1"], greedy, rng=np.random.default_rng(3))
    assert luck.corrected == pytest.approx(luck.score)
    assert luck.optimism == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize(("objective", "outputs"), [("val_macro_f1", 10), ("val_macro_f1", 120), ("val_loss", 120)])
def test_without_a_lead_the_ensemble_is_ranked_first(fitted, monkeypatch, objective, outputs):
    """Scores are compared as recorded: answers for more than 100 classes are stored with less precision."""
    monkeypatch.setattr(Choice, "lead", lambda self, crossings: 0.0)
    monkeypatch.setattr(combine, "DIVISIONS", 1)
    direction = TASKS["classification"].objectives[objective]
    for seed in range(2):
        found, singles, _ = fitted("classification", objective, *draw(seed, 300, outputs, noise=0.1))
        assert found.comparable == singles[0].score
        ensemble = Candidate("ensemble-000", "ensemble", COMPLETED, score=0.5, comparable=found.comparable)
        assert rank([*singles, ensemble], direction)[0] is ensemble


def test_what_is_exported_gives_the_answers_and_labels_that_were_chosen(fitted, tmp_path):
    """Rare labels, and probabilities that are too sure: a form with a decision, and a temperature."""
    rng = np.random.default_rng(1)
    targets = rng.choice(3, 800, p=(0.8, 0.15, 0.05))
    base = rng.normal(0, 0.7, (800, 3)) + np.log((0.8, 0.15, 0.05)) + 1.2 * np.eye(3)[targets]
    powers = [np.exp(base + rng.normal(0, 0.4, base.shape)) for _ in range(3)]
    answers = [tempered(one / one.sum(axis=1, keepdims=True), 0.2) for one in powers]
    found, singles, judged = fitted("classification", "val_macro_f1", targets, answers)
    assert "decision by class" in found.point["combiner/form"]
    # A stacked regression calibrates by its coefficients.
    assert "stacked" in found.point["combiner/form"] or found.point["combiner/temperature"] > 1.5
    names, layers = found.model
    by_name = {one.name: answer for one, answer in zip(singles, judged.answers, strict=True)}
    inputs = [keras.Input((3,), name=name) for name in names]
    outputs = inputs
    for layer in layers:
        outputs = [layer(outputs)]
    model = with_decision(keras.Model({one.name: one for one in inputs}, outputs[0]), found.decision)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras", compile=False)
    given = loaded({name: by_name[name] for name in names})
    probabilities = np.asarray(given["probabilities"])
    np.testing.assert_array_equal(given["label"], decisions(probabilities, found.decision).argmax(axis=1))
    assert (probabilities.argmax(axis=1) != np.asarray(given["label"])).any()
    scores = measured(judged.task, targets, probabilities, decisions(probabilities, found.decision))
    for metric, tolerance in (("macro_f1", 0.03), ("loss", 0.03)):
        assert scores[metric] == pytest.approx(found.trained.validation[metric], abs=tolerance)
    assert without_decision(loaded).output.shape == (None, 3)


@advises("Raise budget.latency")
def test_no_member_within_the_latency(fitted):
    costs = Costs((2.0,) * 6, (frozenset(),) * 6, (), 1.0)
    with pytest.raises(TrialError, match=r"needs 2 ms a review, and 1\.0 are allowed") as caught:
        fitted("classification", "val_macro_f1", *draw(1, 30, 3, noise=1.0), lambda candidates: costs)
    hear(str(caught.value), "Raise budget.latency")
    costs = Costs((2.0,) * 6, (frozenset(),) * 6, (), 4.0)
    found, _, _ = fitted("classification", "val_macro_f1", *draw(1, 30, 3, noise=1.0), lambda candidates: costs)
    assert sum(name.startswith("ensemble/") for name in found.point) <= 2
