import numpy as np
import pytest

from automm.evaluate.compare import score
from automm.evaluate.selection import selection
from automm.tasks.registry import TASKS

TASK = TASKS["classification"]


def guesses(rng, labels, classes, skill):
    """(n, classes) probabilities of a model that is right with probability `skill`."""
    said = np.where(rng.random(len(labels)) < skill, labels, rng.integers(0, classes, len(labels)))
    return np.eye(classes)[said] * 0.8 + 0.2 / classes


@pytest.mark.parametrize("objective", ["val_macro_f1", "val_accuracy", "val_loss"])
def test_the_score_of_the_best_of_many_equal_candidates_is_corrected(objective):
    """Forty candidates of equal skill: the best one only seems better, and more rows would show it."""
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 3, 200)
    predictions = [guesses(rng, labels, 3, 0.4) for _ in range(40)]
    found = selection(TASK, labels, predictions, objective, rng=rng, samples=100)
    scores = [score(TASK.measure(labels, part), objective) for part in predictions]
    best = min(scores) if objective == "val_loss" else max(scores)
    assert found.score == pytest.approx(best)
    assert found.candidates == 40
    typical = float(np.mean(scores))
    assert found.optimism > 0.5 * abs(best - typical)
    assert abs(found.corrected - typical) < abs(best - typical)


def test_a_clear_winner_has_little_selection_bias():
    rng = np.random.default_rng(2)
    labels = rng.integers(0, 3, 600)
    predictions = [guesses(rng, labels, 3, skill) for skill in (0.1, 0.2, 0.9)]
    assert selection(TASK, labels, predictions, "val_accuracy", rng=rng, samples=100).optimism < 0.01


def test_the_same_seed_gives_the_same_result():
    labels = np.arange(60) % 3
    predictions = [guesses(np.random.default_rng(seed), labels, 3, 0.5) for seed in range(4)]
    one, two = (
        selection(TASK, labels, predictions, "val_macro_f1", rng=np.random.default_rng(5), samples=20) for _ in range(2)
    )
    assert one == two
