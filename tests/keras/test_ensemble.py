"""The score of an ensemble and the number that ranks it: `candidates/ensemble.py`, without training a model."""

from types import SimpleNamespace

import numpy as np
import pytest

from automm.evaluate.combine import Choice, Crossing, Greedy, Judged, honest
from automm.evaluate.selection import selection
from automm.search.bench import Bench
from automm.search.candidates import ensemble as module
from automm.search.candidates.ensemble import Ensemble
from automm.tasks.registry import TASKS
from automm.tracking.run_folder import COMPLETED, Candidate, rank, stored


@pytest.fixture
def fitted(monkeypatch):
    """Return a function that fits an ensemble: (task, objective, targets, answers) to (fitted, singles, judged)."""
    monkeypatch.setattr(module, "average", lambda models, shares, name: models)

    def fit(task_name, objective, targets, answers):
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
        bench.evaluate_answers = lambda given: Bench.evaluate_answers(bench, given)
        found = Ensemble("ensemble-000", "ensemble", members=members).fit(bench)
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
    greedy = Greedy(tuple(range(len(singles))))
    scores = found.trained.validation
    assert scores["macro_f1"] == pytest.approx(honest(greedy, judged, rng=np.random.default_rng(3), repeats=20))
    rng = np.random.default_rng(3)
    crossings = [Crossing.drawn(judged, rng) for _ in range(20)]
    assert np.ptp([crossing.score(greedy) for crossing in crossings]) > 0.05
    for metric in ("accuracy", "loss"):
        measured = [judged.task.measure(targets, crossing.answers(greedy))[metric] for crossing in crossings]
        assert scores[metric] == pytest.approx(np.mean(measured))
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
    direction = TASKS["classification"].objectives[objective]
    for seed in range(5):
        found, singles, _ = fitted("classification", objective, *draw(seed, 300, outputs, noise=0.1))
        assert found.comparable == singles[0].score
        ensemble = Candidate("ensemble-000", "ensemble", COMPLETED, score=0.5, comparable=found.comparable)
        assert rank([*singles, ensemble], direction)[0] is ensemble
