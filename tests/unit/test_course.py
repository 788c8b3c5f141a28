"""How a search went, on simulated candidates: leads, gains, importance of hyperparameters, correlations of errors."""

import json
import time
from dataclasses import asdict

import numpy as np
import pytest

from automm.evaluate.combine import Judged
from automm.evaluate.course.errors import MOST, error_correlations
from automm.evaluate.course.gains import Loaded, gains_of
from automm.evaluate.course.importance import Table, importance_of
from automm.evaluate.course.progress import changed, elapsed, leads, proposers
from automm.evaluate.course.section import course_of
from automm.tasks.registry import TASKS
from automm.tracking.judged_rows import JudgedRows
from automm.tracking.plain_json import plain
from automm.tracking.run_folder import COMPLETED, FAILED, Candidate

TASK, NUMBERS = TASKS["classification"], TASKS["regression"]


def candidate(name: str, second: int, score: float | None, kind: str = "trial", **more) -> Candidate:
    return Candidate(
        name,
        kind,
        FAILED if score is None else COMPLETED,
        score=score,
        seconds=more.pop("seconds", 10.0),
        started=f"2026-01-01T00:{second // 60:02d}:{second % 60:02d}.000+00:00",
        evaluation=more.pop("evaluation", "5 folds"),
        **more,
    )


SEARCH = [
    candidate("logistic_both", 0, 0.5, "baseline", proposed_by="baseline", hyperparameters={"C": 1.0}),
    candidate("concatenation", 10, 0.6, "baseline", proposed_by="baseline", hyperparameters={"a": 1, "b": "x"}),
    candidate("trial-001", 20, 0.55, proposed_by="portfolio", hyperparameters={"a": 2, "b": "x"}),
    candidate("trial-002", 30, None, proposed_by="greedy", error="out of memory", hyperparameters={"a": 1, "b": "z"}),
    candidate(
        "trial-003", 40, 0.7, proposed_by="greedy", hyperparameters={"a": 1, "b": "y", "c": 3, "tuner/epochs": 9}
    ),
    candidate("trial-003-seed-2", 50, 0.9, "seed", proposed_by="seed"),
    candidate("trial-003-tuned-pilot", 60, 0.95, "pilot", proposed_by="fine-tuning", evaluation="1 of 5 folds"),
    candidate("ensemble-003", 100, 0.69, "ensemble", proposed_by="ensemble", comparable=0.72),
]


def test_leads_are_those_of_comparable_candidates():
    found = leads(SEARCH, "max")
    assert [(one.name, one.proposed_by, one.score) for one in found] == [
        ("logistic_both", "baseline", 0.5),
        ("concatenation", "baseline", 0.6),
        ("trial-003", "greedy", 0.7),
        ("ensemble-003", "ensemble", 0.72),
    ]
    assert [one.seconds for one in found] == [10, 20, 50, 80]  # nothing was trained from second 70 to 100
    assert [one.candidates for one in found] == [0, 1, 4, 7]
    assert [one.name for one in leads(SEARCH, "min")] == ["logistic_both"]


def test_a_worse_ensemble_of_an_earlier_session_takes_no_lead():
    later = [candidate("ensemble-001", 0, 0.9, "ensemble", comparable=0.4), candidate("trial-001", 10, 0.5)]
    assert [one.name for one in leads(later, "max")] == ["ensemble-001", "trial-001"]


def test_the_time_of_parallel_trials_counts_once():
    def spans(*pairs: tuple[int, float]) -> list[float]:
        return elapsed([candidate("", begun, 0.5, seconds=seconds) for begun, seconds in pairs]).tolist()

    assert spans() == []
    assert spans((0, 4), (10, 5)) == [4, 9]
    assert spans((10, 5), (0, 12), (1, 2)) == [15, 12, 3]


def test_proposers_have_what_they_cost_and_brought():
    found = proposers(SEARCH, "max")
    assert list(found) == ["baseline", "portfolio", "greedy", "seed", "fine-tuning", "ensemble"]
    greedy = found["greedy"]
    assert (greedy.candidates, greedy.failed, greedy.seconds, greedy.best, greedy.leads) == (2, 1, 20.0, 0.7, 1)
    assert (found["seed"].best, found["fine-tuning"].best) == (None, None)  # they have no rank
    assert proposers(SEARCH, "min")["baseline"].best == 0.5


def test_the_best_trial_is_compared_with_the_nearest_baseline():
    found = changed(SEARCH, "max")
    assert (found.baseline, found.trial) == ("concatenation", "trial-003")
    assert found.hyperparameters == {"b": ("x", "y"), "c": (None, 3)}
    assert found.share == pytest.approx(2 / 3)
    assert changed(SEARCH[:2], "max") is None
    assert changed(SEARCH[2:], "max") is None


def points(rng, count: int) -> list[dict]:
    """Points of a space in which `heads` exists only with two of four poolings."""
    found = []
    for _ in range(count):
        point = {"pooling": str(rng.choice(list("abcd"))), "rate": float(rng.choice([1e-3, 3e-3])), "depth": 1}
        point |= {f"other{place}": int(rng.integers(3)) for place in range(4)}
        if point["pooling"] in "ab":
            point["heads"] = int(rng.choice([1, 4]))
        found.append(point)
    return found


def test_a_table_has_what_was_searched_and_no_trace_of_what_does_not_exist():
    table = Table.of([{"a": 1, "b": "x", "c": 5}, {"a": 10, "c": 5}, {"a": 2, "b": "y"}, {"a": 2, "b": "x"}, {"a": 2}])
    assert (table.names, table.values) == (["a", "b"], [[1, 2, 10], ["x", "y"]])
    assert table.codes.tolist() == [[0, 0], [2, 0], [1, 1], [1, 0], [1, 0]]
    assert table.exists[:, 1].tolist() == [True, False, True, True, False]


@pytest.mark.parametrize("direction", ["max", "min"])
def test_the_hyperparameter_that_decides_is_shown_with_its_best_value(direction):
    rng = np.random.default_rng(0)
    tried = points(rng, 40)
    scores = np.array([0.1 * (point["rate"] == 1e-3) for point in tried]) + rng.normal(0, 0.02, 40)
    found = importance_of(tried, scores if direction == "max" else -scores, direction, rng)
    assert [one.name for one in found.shown] == ["rate"]
    assert found.shown[0].importance > 3 * found.limit
    assert [one.value for one in found.shown[0].values] == [1e-3, 3e-3]
    assert sum(one.trials for one in found.shown[0].values) == 40
    assert found.others == ["heads", "other0", "other1", "other2", "other3", "pooling"]  # depth was not searched


def test_a_hyperparameter_is_not_important_because_of_the_one_that_it_depends_on():
    rng = np.random.default_rng(1)
    tried = points(rng, 60)
    scores = np.array([0.1 * (point["pooling"] in "ab") for point in tried]) + rng.normal(0, 0.02, 60)
    assert [one.name for one in importance_of(tried, scores, "max", rng).shown] == ["pooling"]


def test_chance_is_seldom_shown():
    rng = np.random.default_rng(0)
    found = [importance_of(points(rng, 20), rng.normal(size=20), "max", rng, shuffles=19) for _ in range(10)]
    assert sum(bool(one.shown) for one in found) <= 2  # 0.5 are expected; 3 or more have a probability of 1 %


def test_few_trials_and_equal_scores_show_nothing():
    rng = np.random.default_rng(0)
    few = importance_of(points(rng, 9), rng.normal(size=9), "max", rng)
    assert (few.trials, few.limit, few.shown) == (9, None, [])
    assert importance_of([{"a": 1}] * 20, rng.normal(size=20), "max", rng).limit is None
    assert importance_of(points(rng, 12), np.full(12, 0.5), "max", rng, shuffles=19).shown == []
    assert importance_of([], np.zeros(0), "max", rng).trials == 0


def answers(rng, targets: np.ndarray, skill: float, shared: np.ndarray) -> np.ndarray:
    scores = skill * np.eye(3)[targets] + shared + 0.7 * rng.normal(size=shared.shape)
    powers = np.exp(scores)
    return powers / powers.sum(axis=1, keepdims=True)


def judged(rng, skills: list[float], count: int = 300, objective: str = "val_macro_f1") -> Judged:
    targets, shared = rng.integers(0, 3, count), rng.normal(size=(count, 3))
    return Judged(TASK, objective, targets, np.arange(count), [answers(rng, targets, one, shared) for one in skills])


@pytest.mark.parametrize("objective", ["val_macro_f1", "val_loss"])
def test_trials_that_are_better_gain(objective):
    rng = np.random.default_rng(0)
    found = gains_of(judged(rng, [1.0] * 5 + [1.0] * 6 + [1.6] * 3, objective=objective), 5, rng)
    assert (found.trials, found.over_baselines.trials, found.late.trials, found.settled) == (9, 9, 3, False)
    assert found.late.gain > 3 * found.late.error
    early = gains_of(judged(rng, [1.0] * 5 + [1.6] * 3 + [1.0] * 6, objective=objective), 5, rng)
    assert early.over_baselines.gain > 3 * early.over_baselines.error
    assert early.settled is True


def test_a_search_of_equal_candidates_has_mostly_settled():
    rng = np.random.default_rng(0)
    settled = [gains_of(judged(rng, [1.2] * 20, count=200), 8, rng).settled for _ in range(20)]
    assert sum(settled) >= 15


def test_of_few_trials_or_units_nothing_is_said():
    rng = np.random.default_rng(0)
    found = gains_of(judged(rng, [1.0] * 12), 4, rng)
    assert (found.over_baselines.trials, found.late, found.settled) == (8, None, None)
    assert gains_of(judged(rng, [1.0] * 4), 4, rng).over_baselines is None
    assert gains_of(judged(rng, [1.0] * 12), 0, rng).over_baselines is None
    assert gains_of(judged(rng, [1.0] * 12, count=2), 4, rng).over_baselines is None


def test_answers_are_loaded_as_they_are_needed():
    read = []

    def load(name: str) -> np.ndarray:
        read.append(name)
        return np.full((2, 1), float(name))

    loaded = Loaded(load, ["0", "1", "2"])
    assert (len(loaded), read) == (3, [])
    assert (loaded[1][0, 0], loaded[1][0, 0], loaded[-1][0, 0], read) == (1.0, 1.0, 2.0, ["1", "2"])
    assert [one[0, 0] for one in loaded] == [0.0, 1.0, 2.0]
    assert [one[0, 0] for one in loaded[1:]] == [1.0, 2.0]


def test_errors_are_correlated_over_reviews():
    rng = np.random.default_rng(0)
    targets = rng.integers(0, 3, 400)
    first, alone = answers(rng, targets, 1.0, rng.normal(size=(400, 3))), rng.dirichlet(np.ones(3), 400)
    stored = {"first": first, "again": first**1.2, "alone": alone, "constant": np.full((400, 3), 1 / 3)}
    found = error_correlations(TASK, targets, list(stored), stored.__getitem__)
    assert found.candidates == list(stored)
    matrix = np.array(found.matrix, float)
    assert matrix[:3, :3] == pytest.approx(matrix[:3, :3].T)
    assert np.diag(matrix)[:3] == pytest.approx(1)
    assert matrix[0, 1] > 0.9
    assert abs(matrix[0, 2]) < 0.2
    assert found.matrix[3] == [None] * 4
    numbers = {"a": targets[:, None] + 1.0, "b": targets[:, None] + rng.normal(size=(400, 1))}
    assert error_correlations(NUMBERS, targets, ["a", "b"], numbers.__getitem__).matrix[0] == [None, None]
    assert len(error_correlations(TASK, targets, ["first"] * 30, stored.__getitem__).candidates) == MOST
    assert error_correlations(TASK, targets, [], stored.__getitem__).matrix == []


def run_of(rng, trials: int, count: int = 200) -> tuple[list[Candidate], JudgedRows, dict[str, np.ndarray]]:
    """A run: a baseline and trials, with their answers."""
    targets, shared = rng.integers(0, 3, count), rng.normal(size=(count, 3))
    rows = JudgedRows(np.arange(count).astype(str), targets, np.arange(count), np.arange(count) % 5 + 1)
    names = ["concatenation", *(f"trial-{number:03d}" for number in range(1, trials + 1))]
    stored = {name: answers(rng, targets, 1.0, shared) for name in names}
    tried = points(rng, len(names))
    candidates = [
        candidate(
            name,
            10 * place,
            TASK.measure(targets, stored[name])["macro_f1"],
            "trial" if place else "baseline",
            hyperparameters=tried[place],
            seconds=9.0,
        )
        for place, name in enumerate(names)
    ]
    return candidates, rows, stored


def test_the_entry_leaves_out_candidates_without_complete_answers():
    rng = np.random.default_rng(0)
    candidates, rows, stored = run_of(rng, 12)
    stored["trial-001"] = stored["trial-001"][:50]
    del stored["trial-002"]
    shown = ["trial-003", "trial-001", "concatenation"]
    found = course_of(TASK, "val_macro_f1", candidates, rows, stored.get, shown=shown, seconds={"trials": 9.0}, seed=0)
    assert found.gains.trials == 10
    assert found.importance.trials == 12
    assert found.errors.candidates == ["trial-003", "concatenation"]
    assert found.seconds == {"trials": 9.0}
    written = json.loads(json.dumps(plain(asdict(found)), allow_nan=False))
    assert written.keys() == {"seconds", "leads", "proposers", "changed", "gains", "importance", "errors"}
    again = course_of(TASK, "val_macro_f1", candidates, rows, stored.get, shown=shown, seconds={"trials": 9.0}, seed=0)
    assert again == found


def test_two_hundred_trials_take_less_than_twenty_seconds():
    rng = np.random.default_rng(0)
    candidates, rows, stored = run_of(rng, 200, count=500)
    began = time.process_time()
    course_of(TASK, "val_macro_f1", candidates, rows, stored.get, shown=list(stored), seconds={}, seed=0)
    seconds = time.process_time() - began
    print(f"course of 200 trials: {seconds:.1f} s")
    assert seconds < 20
