from itertools import pairwise

import numpy as np
import pytest

from automm.cli.tables import verdict
from automm.evaluate import plots
from automm.evaluate.missing import PERCENTS, draw_missing_rows, missing_modality_scores
from automm.tasks.registry import TASKS
from automm.tracking.results import missing_curves, summary_of

TASK = TASKS["classification"]

HAS = np.arange(30) % 3 > 0  # 20 reviews of 30


@pytest.fixture
def lost():
    return draw_missing_rows(HAS, np.random.default_rng(1))


def test_each_step_adds_reviews_that_lose_the_modality(lost):
    assert [int(rows.sum()) for rows in lost] == [0, 5, 10, 15, 20]
    for fewer, more in pairwise(lost):
        assert not (fewer & ~more).any()
    np.testing.assert_array_equal(lost[-1], HAS)


def test_the_random_generator_decides_which_reviews(lost):
    again, other = (draw_missing_rows(HAS, np.random.default_rng(seed)) for seed in (1, 2))
    np.testing.assert_array_equal(again, lost)
    assert (other[2] != lost[2]).any()


def probabilities(seed):
    drawn = np.random.default_rng(seed).random((30, 3))
    return drawn / drawn.sum(axis=1, keepdims=True)


def test_scores_go_from_unchanged_reviews_to_reviews_without_the_modality(lost):
    labels, whole, bare = np.arange(30) % 3, probabilities(1), probabilities(2)
    curves = missing_modality_scores(TASK, labels, *2 * [{"": whole, "image": bare}], {"image": lost})["image"]
    assert {metric: values[0] for metric, values in curves.items()} == TASK.measure(labels, whole)
    gone = np.where(HAS[:, None], bare, whole)
    assert {metric: values[-1] for metric, values in curves.items()} == TASK.measure(labels, gone)
    half = whole.copy()
    half[lost[2]] = bare[lost[2]]
    assert {metric: values[2] for metric, values in curves.items()} == TASK.measure(labels, half)


RESULT = {
    "best": "fused",
    "test": {"fused": {"macro_f1": 0.9, "accuracy": 0.8, "loss": 1.0}},
    "missing": {
        "percent": list(PERCENTS),
        "reviews": {"image": 20},
        "scores": {"fused": {"image": {"macro_f1": [0.9, 0.8, 0.7, 0.6, 0.5]}}},
    },
}


def test_the_summary_and_curves_for_a_tracker():
    assert missing_curves(RESULT, "fused") == {"missing_image/macro_f1": {0: 0.9, 25: 0.8, 50: 0.7, 75: 0.6, 100: 0.5}}
    assert missing_curves(RESULT, "another") == missing_curves({}, "fused") == {}
    expected = {"best": "fused", "test/macro_f1": 0.9, "test/accuracy": 0.8, "test/loss": 1.0}
    assert summary_of(RESULT) == expected
    luck = {"score": 0.9, "corrected": 0.8, "candidates": 3}
    folds = {"folds": [1, 2], "test": {"loss": [1.0, 2.0]}, "mean": {"loss": 1.5}, "deviation": {"loss": 0.7}}
    more = {**RESULT, "selection": luck, "folds": {"scores": {"fused": folds}}}
    expected |= {
        "selection/score": 0.9,
        "selection/corrected": 0.8,
        "folds/loss_mean": 1.5,
        "folds/loss_deviation": 0.7,
    }
    assert summary_of(more) == expected
    judged = {**more, "verdict": ["fold 2 differs", "the choice is worse"]}
    assert summary_of(judged) == {**expected, "verdict": "fold 2 differs. the choice is worse"}
    assert summary_of({}) == {}


def test_what_a_search_has_not_shown_is_printed():
    assert "  fold 2 differs" in verdict({**RESULT, "verdict": ["fold 2 differs"]})


def test_the_verdict_has_the_scores_without_pictures():
    assert "  if reviews lose their pictures: macro-F1 0.700 (half of the reviews), 0.500 (all)" in verdict(RESULT)


def test_the_verdict_says_what_the_correction_does_not_cover_and_where_there_is_no_interval():
    few = {"difference": 0.1, "low": None, "high": None, "units": 7, "method": "too few to say: 10 units are needed"}
    many = {"difference": 0.1, "low": 0.05, "high": 0.15, "units": 70, "method": "jackknife over units, t"}
    luck = {"candidates": 3, "of": "holdout", "score": 0.9, "optimism": 0.1, "note": "Only a note."}
    against = {"macro_f1": many, "accuracy": few}
    more = {"objective": "val_macro_f1", "selection": luck, "recipe": "logistic_both", "against_recipe": against}
    lines = verdict({**RESULT, **more})
    assert "  Only a note." in lines
    assert (
        "  against logistic regression on text and pictures: macro-F1 +0.100 (95 % interval +0.050 to +0.150)" in lines
    )
    assert any(
        line.endswith("accuracy +0.100 (too few to say: 10 units are needed, and there are 7)") for line in lines
    )


def test_the_verdict_says_what_training_encoders_was_worth():
    pilots = {"end_to_end": {"sentence": "of the end"}, "tier2": {"a-tuned": {"sentence": "of a"}}}
    assert [line for line in verdict({**RESULT, **pilots}) if " of " in line][-3:-1] == ["  of the end", "  of a"]
    assert verdict({**RESULT, "end_to_end": None, "tier2": {}}) == verdict(RESULT)


def test_the_plot_is_a_png_file(tmp_path):
    lines = {
        "fused": {"text": [5, 4, 3, 2, 1], "image": [1, 1, 1, 1, 1]},
        "text_only": {"text": [1] * 5, "image": [1] * 5},
    }
    path = plots.missing_curves(lines, PERCENTS, "test macro_f1", tmp_path / "missing.png")
    assert path.read_bytes().startswith(b"\x89PNG")
