"""The verdict of a search in five lines."""

import pytest

from automm.evaluate.evidence.lines import five_lines

COMMAND = "automm evidence latest"
LABELS = {
    "best": "trial-003",
    "recipe": "logistic_both",
    "test": {"trial-003": {"macro_f1": 0.625, "accuracy": 0.73, "loss": 0.8}},
    "against_recipe": {
        "macro_f1": {"difference": 0.013, "low": 0.001, "high": 0.026, "units": 500, "method": "jackknife"},
        "accuracy": {"difference": 0.016, "low": 0.006, "high": 0.026, "units": 500, "method": "jackknife"},
    },
}
EVIDENCE = {
    "modalities": {
        "of": {"text": {"sentence": "the text helps (+9)"}, "image": {"sentence": "the pictures help (+2)"}}
    },
    "learning_curve": {"sentence": "more reviews would help. Twice as many: +1"},
    "left_out": {},
}


def test_all_of_it():
    assert five_lines({**LABELS, "evidence": EVIDENCE}, COMMAND) == [
        "choice: trial-003, test macro-F1 0.625, accuracy 0.730",
        "lead: +1.3 points of macro-F1 over logistic_both on the test split (95 % interval 0.1 to 2.6)",
        "modalities: The text helps (+9). The pictures help (+2)",
        "more data: More reviews would help. Twice as many: +1",
        "caution: none",
    ]


def test_what_is_missing_is_named_with_the_command():
    left_out = {"learning_curve": "takes about 4 min, and 2 s are left", "modalities": "1 of 2 seeds"}
    result = {**LABELS, "verdict": ["fold 2 differs"], "evidence": {**EVIDENCE, "left_out": left_out}}
    del result["evidence"]["learning_curve"]
    lines = five_lines(result, COMMAND)
    assert lines[3] == f"more data: not computed (takes about 4 min, and 2 s are left). Compute it: {COMMAND}"
    assert lines[4] == f"caution: Fold 2 differs. Not complete: modalities ({COMMAND})"
    assert five_lines(LABELS, COMMAND)[2] == f"modalities: not computed. Compute it: {COMMAND}"


@pytest.mark.parametrize(("low", "high"), [(-0.5, 0.1), (0.1, 0.5)])
def test_a_smaller_error_is_a_gain(low, high):
    against = {"mae": {"difference": -0.2, "low": low, "high": high, "units": 90, "method": "jackknife"}}
    test = {"trial-003": {"mae": 1.5, "rmse": 2.0, "r2": 0.5}}
    line = five_lines({**LABELS, "test": test, "against_recipe": against}, COMMAND)[1]
    shown = f"{min(-low, -high):.3g} to {max(-low, -high):.3g}"
    assert line == f"lead: a gain of 0.2 in MAE over logistic_both on the test split (95 % interval {shown})"


def test_without_an_interval_or_a_baseline():
    few = {"difference": 0.1, "low": None, "high": None, "units": 7, "method": "too few to say: 10 units are needed"}
    line = five_lines({**LABELS, "against_recipe": {"macro_f1": few}}, COMMAND)[1]
    assert line.endswith("on the test split (too few to say: 10 units are needed, and there are 7)")
    alone = {key: value for key, value in LABELS.items() if key != "against_recipe"}
    assert five_lines(alone, COMMAND)[1] == "lead: the choice is the linear baseline itself, or there is none"
