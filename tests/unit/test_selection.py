"""The selection bias of a choice; experiments/selection_simulations.py has the same measurements with more draws."""

import importlib
from pathlib import Path

import numpy as np
import pytest

from automm.evaluate import combine
from automm.evaluate.combine import BestSingle, Judged
from automm.evaluate.compare import score
from automm.evaluate.ensembles import BestForm, Choice, Greedy, Library
from automm.evaluate.selection import selection
from automm.tasks.registry import TASKS

ROOT = Path(__file__).resolve().parents[2]
TASK = TASKS["classification"]


def guesses(rng, labels, classes, skill):
    """(n, classes) probabilities of a model that is right with probability `skill`."""
    said = np.where(rng.random(len(labels)) < skill, labels, rng.integers(0, classes, len(labels)))
    return np.eye(classes)[said] * 0.8 + 0.2 / classes


def judged_of(labels, predictions, objective, units=None):
    return Judged(TASK, objective, labels, np.arange(len(labels)) if units is None else units, predictions)


@pytest.mark.parametrize("objective", ["val_macro_f1", "val_accuracy", "val_loss"])
def test_the_score_of_the_best_of_many_equal_candidates_is_corrected(objective):
    """Forty candidates of equal skill: the best one only seems better, and more rows would show it."""
    rng = np.random.default_rng(1)
    apparent, corrected = [], []
    for _ in range(10):
        labels = rng.integers(0, 3, 200)
        predictions = [guesses(rng, labels, 3, 0.4) for _ in range(40)]
        scores = [score(TASK.measure(labels, part), objective) for part in predictions]
        best = min(scores) if objective == "val_loss" else max(scores)
        found = selection(judged_of(labels, predictions, objective), best, BestSingle(), rng=rng)
        assert (found.score, found.candidates, found.units, found.note) == (best, 40, 200, "")
        assert found.optimism == pytest.approx(abs(best - found.corrected))
        apparent.append(best - np.mean(scores))
        corrected.append(found.corrected - np.mean(scores))
    assert abs(np.mean(corrected)) < 0.3 * abs(np.mean(apparent))


def test_a_clear_winner_has_little_selection_bias():
    rng = np.random.default_rng(2)
    labels = rng.integers(0, 3, 600)
    predictions = [guesses(rng, labels, 3, skill) for skill in (0.1, 0.2, 0.9)]
    best = TASK.measure(labels, predictions[2])["accuracy"]
    found = selection(judged_of(labels, predictions, "val_accuracy"), best, BestSingle(), rng=rng)
    assert found.corrected == pytest.approx(best, abs=1e-12)


def test_candidates_that_are_good_on_one_group_each_are_corrected_by_groups():
    """Each candidate knows one of ten groups by heart: on reviews of other groups all are equal."""
    rng = np.random.default_rng(3)
    labels, units = rng.integers(0, 2, 2000), np.repeat(np.arange(10), 200)
    predictions = [guesses(rng, labels, 2, np.where(units == known, 1.0, 0.1)) for known in range(10)]
    best = max(TASK.measure(labels, part)["accuracy"] for part in predictions)
    by_groups, by_reviews = (
        selection(judged_of(labels, predictions, "val_accuracy", one), best, BestSingle(), rng=rng).corrected
        for one in (units, None)
    )
    assert by_groups < 0.57  # on a new group: 0.55
    assert by_reviews > by_groups + 0.02


def test_the_same_seed_gives_the_same_result():
    labels = np.arange(60) % 3
    predictions = [guesses(np.random.default_rng(seed), labels, 3, 0.5) for seed in range(4)]
    combiner = Choice(BestForm((Greedy(Library((0, 1), (2, 3), 1)),)))
    one, two = (
        selection(judged_of(labels, predictions, "val_macro_f1"), 0.5, combiner, rng=np.random.default_rng(5))
        for _ in range(2)
    )
    assert one == two
    assert one.candidates == 5


def test_the_note_names_what_the_correction_does_not_cover():
    labels = np.arange(60) % 3
    predictions = [guesses(np.random.default_rng(seed), labels, 3, 0.5) for seed in range(4)]
    judged = judged_of(labels, predictions, "val_accuracy", np.arange(60) % 4)
    found = selection(judged, 0.5, BestSingle(), rng=np.random.default_rng(0), early_stopping=True)
    assert found.note == (
        "Not in the correction: each candidate's best epoch was chosen on the same reviews. "
        "The correction is rough: there are only 4 independent groups of reviews."
    )


def test_the_note_says_that_many_reviews_were_divided_less_often(monkeypatch):
    labels = np.arange(60) % 3
    judged = judged_of(
        labels, [guesses(np.random.default_rng(seed), labels, 3, 0.5) for seed in range(4)], "val_accuracy"
    )
    notes = []
    for answers in (1_000_000, 500, 240):
        monkeypatch.setattr(combine, "ANSWERS", answers)
        notes.append(
            selection(
                judged, 0.5, Choice(BestForm((Greedy(Library((0, 1, 2, 3))),))), rng=np.random.default_rng(0)
            ).note
        )
    said = "There are many reviews: the ensemble and the correction were computed on only {} into parts."
    assert notes == ["", said.format("2 divisions"), said.format("one division")]


@pytest.fixture
def simulations(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "experiments")
    return importlib.import_module("selection_simulations")


@pytest.mark.parametrize("metric", ["macro_f1", "accuracy", "loss", "mae"])
@pytest.mark.parametrize(("skills", "count"), [((1.2,), 50), ((1.2, 1.2), 20)])
def test_intervals_cover(simulations, metric, skills, count):
    found = simulations.coverage(200, skills, metric, count, population=20_000, samples=20)
    assert found["units"] > 0.9
    assert found["reviews"] < found["units"] + 0.02


@pytest.mark.parametrize("spread", [0.0, 0.3])
@pytest.mark.parametrize("ensemble", [False, True])
def test_the_corrected_score_is_that_on_fresh_reviews(simulations, spread, ensemble):
    pool = tuple(range(simulations.CANDIDATES))
    combiner = Choice(BestForm((Greedy(Library(pool)),))) if ensemble else BestSingle()
    found = simulations.correction(12 if ensemble else 100, "accuracy", spread, combiner, count=60)
    assert abs(found["corrected minus fresh"]) < 3.5 * found["standard error"] + 0.003
