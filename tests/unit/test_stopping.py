import numpy as np

from automm.search.training.stopping import ENOUGH, median_scores

RISING = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6]


def histories(*scores, objective="val_macro_f1"):
    return [[{objective: score} for score in one] for one in scores]


def test_few_trials_have_no_median():
    assert median_scores(histories(*[RISING] * (ENOUGH - 1)), "val_macro_f1", "max") == ()


def test_the_median_is_of_the_best_scores_so_far():
    falling = [0.9, 0.8, 0.7, 0.6, 0.5, 0.4]  # has reached 0.9 and keeps it
    short = [0.3]  # ended early, with what it had
    found = median_scores(histories(RISING, RISING, RISING, falling, short), "val_macro_f1", "max")
    np.testing.assert_allclose(found, [0.1, 0.2, 0.3, 0.4, 0.5, 0.6])
    found = median_scores(histories(RISING, short, short, falling, short), "val_macro_f1", "max")
    np.testing.assert_allclose(found, [0.3, 0.3, 0.3, 0.3, 0.3, 0.3])


def test_for_a_loss_the_lowest_score_counts():
    up = histories(*[[0.5, 0.6, 0.7, 0.8, 0.9]] * ENOUGH, objective="val_loss")
    np.testing.assert_allclose(median_scores(up, "val_loss", "min"), [0.5] * 5)
