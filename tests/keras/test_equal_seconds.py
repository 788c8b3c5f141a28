"""With which frozen head a pilot is compared, and how its comparison reads."""

from types import SimpleNamespace

import numpy as np
import pytest

from automm.search.finalists.pilots import Comparison, compare
from automm.tasks.registry import TASKS
from automm.tracking.run_folder import COMPLETED, Candidate, rank

FOLDS = (SimpleNamespace(validation=np.array([0, 1])), SimpleNamespace(validation=np.array([2, 3])))
RIGHT, WRONG = np.eye(2, dtype=np.float32), 1 - np.eye(2, dtype=np.float32)
# By candidate: its score on all folds, its seconds, and its answers for fold 1 (whose labels are 0 and 1).
HEADS = {"text_only": (0.3, 10.0, WRONG), "concatenation": (0.5, 20.0, WRONG), "trial-001": (0.9, 40.0, RIGHT)}


def search(pilot_score, pilot_seconds, heads=HEADS, name="end_to_end-pilot"):
    candidates = [
        Candidate(head, "baseline", COMPLETED, history=[{}], evaluation="2 folds", score=score, seconds=seconds)
        for head, (score, seconds, _) in heads.items()
    ]
    pilot = Candidate(name, "pilot", COMPLETED, 2, history=[{}], score=pilot_score, seconds=pilot_seconds)
    ranking = SimpleNamespace(trained=lambda: rank(candidates, "max"))
    return SimpleNamespace(
        candidates=[*candidates, pilot],
        ranking=ranking,
        run=SimpleNamespace(predictions=lambda name: np.concatenate([heads[name][2], RIGHT])),
        setup=SimpleNamespace(
            folds=FOLDS,
            evaluation="2 folds",
            task=TASKS["classification"],
            arrays=SimpleNamespace(targets=np.array([0, 1, 0, 1])),
            experiment=SimpleNamespace(objective="val_accuracy", direction="max"),
        ),
    )


@pytest.mark.parametrize(
    ("start", "seconds", "head"),
    [
        ("", 1.0, "text_only"),  # less than any head took: the first one
        ("", 5.0, "text_only"),  # ten seconds for two folds are five for one
        ("", 15.0, "concatenation"),
        ("", 35.0, "trial-001"),
        ("concatenation", 1.0, "concatenation"),  # tier 1 goes on from the head that the pilot starts from
        ("concatenation", 20.0, "trial-001"),
    ],
)
def test_the_head_is_the_best_that_was_found_in_equal_seconds(start, seconds, head):
    found = compare(search(0.5, seconds), "end_to_end", start)
    assert (found.head, found.best_head) == (head, "trial-001")
    assert found.best_head_score == 1.0
    # Judged on the rows of the first fold, not by its score on all folds.
    assert found.head_score == (1.0 if head == "trial-001" else 0.0)
    assert found.difference == 0.5 - found.head_score
    assert found.won == (head != "trial-001")


def test_an_equal_score_does_not_win():
    assert not compare(search(1.0, 100.0), "end_to_end", "").won


def test_without_a_frozen_head_a_pilot_wins_and_without_a_pilot_there_is_no_comparison():
    alone = compare(search(0.1, 1.0, heads={}), "end_to_end", "")
    assert (alone.won, alone.head, alone.difference) == (True, "", None)
    assert alone.sentence("val_accuracy").endswith("without a frozen head to compare with")
    assert compare(search(0.1, 1.0), "concatenation-tuned", "concatenation") is None


def test_its_sentence_says_worth_and_cost():
    found = Comparison("x-tuned", 0.6, 47.0, "x", 0.58, "y", 0.61, 0.02, True, 5, True, 240.0)
    assert found.sentence("val_macro_f1") == (
        "x-tuned: macro-F1 0.600 on fold 1 of 5 in 47 s, +0.020 against the best frozen head of equal seconds, x "
        "(0.580); the best, y, has 0.610; trained on all folds in 240 s"
    )
