"""With which frozen head a pilot is compared, and how its comparison reads."""

from types import SimpleNamespace

import numpy as np
import pytest

from automm.search.baselines import END_TO_END, baseline
from automm.search.finalists import pilots
from automm.search.finalists.pilots import Comparison, FrozenHead, compare
from automm.tasks.registry import TASKS
from automm.tracking.run_folder import COMPLETED, KILLED, Candidate, rank

FOLDS = (SimpleNamespace(validation=np.array([0, 1])), SimpleNamespace(validation=np.array([2, 3])))
RIGHT, WRONG = np.eye(2, dtype=np.float32), 1 - np.eye(2, dtype=np.float32)
# By candidate: its score on all folds, its seconds, and its answers for fold 1 (whose labels are 0 and 1).
HEADS = {"text_only": (0.3, 10.0, WRONG), "concatenation": (0.5, 20.0, WRONG), "trial-001": (0.9, 40.0, RIGHT)}


def search(pilot_score, pilot_seconds, heads=HEADS, name="end_to_end-pilot", direction="max"):
    candidates = [
        Candidate(head, "baseline", COMPLETED, history=[{}], evaluation="2 folds", score=score, seconds=seconds)
        for head, (score, seconds, _) in heads.items()
    ]
    pilot = Candidate(name, "pilot", COMPLETED, 2, history=[{}], score=pilot_score, seconds=pilot_seconds)
    ranking = SimpleNamespace(trained=lambda: rank(candidates, "max"))
    return SimpleNamespace(
        candidates=[*candidates, pilot],
        ranking=ranking,
        run=SimpleNamespace(
            predictions=lambda name: np.concatenate([heads[name][2] if name in heads else RIGHT, RIGHT])
        ),
        setup=SimpleNamespace(
            folds=FOLDS,
            evaluation="2 folds",
            task=TASKS["classification"],
            arrays=SimpleNamespace(targets=np.array([0, 1, 0, 1])),
            units=np.arange(4),
            experiment=SimpleNamespace(objective="val_accuracy", direction=direction),
        ),
    )


@pytest.mark.parametrize(
    ("start", "seconds", "head"),
    [
        ("", 1.0, "text_only"),  # less than any head took: the first one
        ("", 5.0, "text_only"),
        ("", 15.0, "concatenation"),
        ("", 35.0, "trial-001"),
        ("concatenation", 1.0, "concatenation"),  # tier 1 goes on from the head that the pilot starts from
        ("concatenation", 20.0, "trial-001"),
    ],
)
def test_the_best_head_decides_and_the_one_of_equal_seconds_is_reported(start, seconds, head):
    found = compare(search(0.5, seconds), "end_to_end", start)
    # Judged on the rows of the first fold, not by its score on all folds. Ten seconds for two folds are five for one.
    assert found.head == FrozenHead("trial-001", 1.0, 35.0)
    until_found = {"text_only": 5.0, "concatenation": 15.0, "trial-001": 35.0}[head]
    assert found.equal_seconds_head == FrozenHead(head, 1.0 if head == "trial-001" else 0.0, until_found)
    # Whatever the seconds are, the decision is the same.
    assert (found.difference, found.won) == (-0.5, False)


def test_an_equal_score_does_not_win():
    assert not compare(search(1.0, 100.0), "end_to_end", "").won


@pytest.mark.parametrize(
    ("difference", "error", "direction", "won"),
    [
        (0.03, 0.014, "max", True),
        (0.03, 0.016, "max", False),
        (0.03, 0.0, "max", True),
        (0.03, float("nan"), "max", False),
        (-0.03, 0.014, "max", False),
        (-0.03, 0.014, "min", True),
        (0.03, 0.014, "min", False),
    ],
)
def test_a_pilot_wins_by_two_standard_errors(monkeypatch, difference, error, direction, won):
    monkeypatch.setattr(pilots, "paired_error", lambda *arguments, **more: error)
    assert compare(search(1.0 + difference, 1.0, direction=direction), "end_to_end", "").won == won


def test_the_error_is_that_of_both_answers_for_the_first_fold():
    """The head is wrong on both rows, and the pilot on none: they differ by the same on each of the two units."""
    wrong = {"text_only": HEADS["text_only"]}
    assert compare(search(1.0, 1.0, heads=wrong), "end_to_end", "").error == 0.0
    half = {"text_only": (0.3, 10.0, np.stack([RIGHT[0], RIGHT[0]]))}
    assert compare(search(1.0, 1.0, heads=half), "end_to_end", "").error == pytest.approx(0.5)


def test_without_a_frozen_head_a_pilot_wins_and_without_a_pilot_there_is_no_comparison():
    alone = compare(search(0.1, 1.0, heads={}), "end_to_end", "")
    assert (alone.won, alone.head, alone.equal_seconds_head, alone.difference) == (True, None, None, None)
    assert alone.sentence("val_accuracy").endswith("without a frozen head to compare with")
    assert compare(search(0.1, 1.0), "concatenation-tuned", "concatenation") is None


def test_its_sentence_says_worth_and_cost():
    x, y = FrozenHead("x", 0.57, 20.0), FrozenHead("y", 0.58, 61.0)
    found = Comparison("x-tuned", 0.6, 47.0, "epochs", y, x, 0.02, 0.009, True, 5, True, 240.0)
    assert found.sentence("val_macro_f1") == (
        "x-tuned: macro-F1 0.600 on fold 1 of 5 in 47 s, +0.020 (standard error 0.009) against the best frozen "
        "head, y (0.580 after 61 s); the best of equal seconds, x, has 0.570 after 20 s; trained on all folds in 240 s"
    )
    found = Comparison("x-tuned", 0.5, 47.0, "time", y, y, -0.08, 0.03, False, 5, False, None)
    assert found.sentence("val_macro_f1") == (
        "x-tuned: macro-F1 0.500 on fold 1 of 5 in 47 s, ended by the time limit, -0.080 (standard error 0.030) "
        "against the best frozen head, y (0.580 after 61 s); not trained on all folds, which takes a lead of 2 "
        "standard errors"
    )


@pytest.mark.parametrize(("status", "left"), [(COMPLETED, 20.0), (KILLED, 900.0)])
def test_an_interrupted_pilot_is_repeated_in_the_whole_time(monkeypatch, status, left):
    monkeypatch.setattr("automm.search.baselines.time.monotonic", lambda: 1000.0)
    baselines = SimpleNamespace(end_to_end_time=900.0, end_to_end_learning_rate=1e-5, end_to_end_epochs=3)
    dataset = SimpleNamespace(manifest=SimpleNamespace(towers=lambda inputs: ()))
    encoders = SimpleNamespace(by_modality={"text": ("minilm-l6",), "image": ("efficientnet-lite0",)})
    experiment = SimpleNamespace(baselines=baselines, encoders=encoders, inputs=None)
    given = SimpleNamespace(
        setup=SimpleNamespace(experiment=experiment, dataset=dataset, task=TASKS["classification"]),
        budget=SimpleNamespace(deadline=None),
        candidates=[Candidate("end_to_end-pilot", "pilot", status, seconds=880.0)],
    )
    assert baseline(given, END_TO_END).deadline - 1000.0 == left
