"""The selection bias of a search: which candidates and reviews it is estimated on."""

from types import SimpleNamespace

import numpy as np
import pytest

from automm.evaluate.combine import BestSingle, Judged
from automm.search.finalists import selection as module
from automm.search.finalists.selection import difference, selection_of
from automm.search.ranking import Ranking
from automm.tasks.registry import TASKS
from automm.tracking.run_folder import COMPLETED, Candidate

TASK = TASKS["classification"]
ROWS = 120
PAIRS = np.arange(ROWS) // 2


def candidate(name, kind, score, evaluation="5 folds", **more):
    return Candidate(name, kind, COMPLETED, score=score, objective="val_accuracy", evaluation=evaluation, **more)


@pytest.fixture
def search(monkeypatch):
    """Return a function that makes a search of these candidates; every two reviews are linked."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, ROWS)
    answers = {}

    def make(candidates, units=PAIRS):
        for one in candidates:
            answers[one.name] = rng.dirichlet(np.ones(3), ROWS)
        experiment = SimpleNamespace(
            seed=1, objective="val_accuracy", direction="max", budget=SimpleNamespace(latency=None)
        )
        setup = SimpleNamespace(
            task=TASK,
            experiment=experiment,
            evaluation="5 folds",
            outputs=3,
            units=units,
            rows=lambda split: np.arange(ROWS),
            targets=lambda split: labels,
            judged=lambda given: Judged(TASK, "val_accuracy", labels, units, given),
        )
        members = [(c, answers[c.name]) for c in candidates if c.kind != "ensemble" and c.name != "trial-002"]
        monkeypatch.setattr(module, "members_of_ensemble", lambda search: members)
        return SimpleNamespace(
            setup=setup,
            candidates=candidates,
            ranking=Ranking(experiment, candidates),
            run=SimpleNamespace(predictions=answers.get),
        )

    return make


SINGLES = [
    candidate("trial-001", "trial", 0.5, history=[{"loss": 1.0}]),
    candidate("trial-002", "trial", 0.4),
    candidate("concatenation", "baseline", 0.45),
]


def of_best(made, refused=()):
    best = next(one for one in made.ranking.ranked() if one.name not in refused)
    return selection_of(made, best, refused)


def test_the_best_single_candidate(search):
    partial = candidate("end_to_end", "baseline", 0.9, "1 of 5 folds")
    found = of_best(search([*SINGLES, partial]))
    assert list(found) == ["score", "corrected", "optimism", "candidates", "units", "note", "of"]
    assert (found["score"], found["candidates"], found["units"], found["of"]) == (0.5, 3, ROWS // 2, "5 folds")
    assert "best epoch" in found["note"]


def test_an_ensemble_is_part_of_the_choice(search, monkeypatch):
    used = []
    real = module.selection
    monkeypatch.setattr(module, "selection", lambda *given, **more: used.append(given) or real(*given, **more))
    found = of_best(search([*SINGLES, candidate("ensemble-002", "ensemble", 0.48, comparable=0.52)]))
    assert (found["score"], found["candidates"]) == (0.48, 4)
    ((judged, _, combiner),) = used
    assert len(judged.answers) == 3
    library = combiner.ensemble.forms[
        0
    ].library  # ranked: trial-001, concatenation, trial-002, of which one trial has kept its model
    assert (library.always, library.others, library.best) == ((1,), (0, 2), 1)


def test_refused_candidates_are_no_part_of_the_choice(search, monkeypatch):
    used = []
    real = module.selection
    monkeypatch.setattr(module, "selection", lambda *given, **more: used.append(given) or real(*given, **more))
    made = search([*SINGLES, candidate("ensemble-002", "ensemble", 0.48, comparable=0.52)])
    assert of_best(made, ["ensemble-002"])["score"] == 0.5
    found = of_best(made, ["ensemble-002", "trial-001"])
    assert (found["score"], found["candidates"]) == (0.45, 2)
    assert [combiner for _, _, combiner in used] == [BestSingle()] * 2
    assert [len(judged.answers) for judged, _, _ in used] == [3, 2]
    later = search([*made.candidates, candidate("ensemble-004", "ensemble", 0.47, comparable=0.51)])
    assert of_best(later, ["ensemble-002"])["score"] == 0.47
    assert used[-1][2] != BestSingle()


def test_nothing_to_correct(search):
    assert of_best(search(SINGLES[:1])) is None
    assert of_best(search(SINGLES, units=np.zeros(ROWS, int))) is None
    assert of_best(search([candidate("end_to_end", "baseline", 0.9, "1 of 5 folds")])) is None


def test_a_difference_is_over_linked_reviews(search):
    made = search(SINGLES)
    first, second = made.run.predictions("trial-001"), made.run.predictions("concatenation")
    found = difference(made, first, second)
    assert list(found) == ["macro_f1", "accuracy"]
    assert {row["units"] for row in found.values()} == {ROWS // 2}
    assert list(found["accuracy"]) == ["difference", "low", "high", "units", "method"]
