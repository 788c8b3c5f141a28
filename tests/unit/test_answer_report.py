"""The arithmetic of experiments/answer.py, on made-up searches."""

import argparse
import importlib
import json
from pathlib import Path

import numpy as np
import pytest

from automm.evaluate.combine import Judged
from automm.evaluate.compare import paired_interval
from automm.tasks.registry import TASKS
from automm.tracking.run_folder import COMPLETED, Candidate, create_run

ROOT = Path(__file__).resolve().parents[2]
TASK = TASKS["classification"]
CLASSES = 3
MEMBERS = ("logistic_both", "bag_of_words", "trial-001")


@pytest.fixture
def answer(monkeypatch):
    """The modules of the experiment by name, with two divisions of the units instead of up to 20."""
    monkeypatch.syspath_prepend(ROOT / "experiments")
    modules = {name: importlib.import_module(name) for name in ("answer", "answer_report", "answer_search")}
    monkeypatch.setattr(modules["answer_report"], "divisions", lambda judged: 2)
    return modules


def right(targets, share, rng):
    """Labels of which a share is right."""
    others = (targets + rng.integers(1, CLASSES, len(targets))) % CLASSES
    return np.where(rng.random(len(targets)) < share, targets, others).astype(np.int16)


def test_holms_correction(answer):
    assert answer["answer_report"].holm([0.01, 0.04, 0.03, 0.5]) == pytest.approx([0.04, 0.09, 0.09, 0.5])
    assert answer["answer_report"].holm([0.6, 0.7]) == [1.0, 1.0]


def test_a_paired_difference_has_the_interval_of_automm(answer):
    rng = np.random.default_rng(0)
    targets, units = rng.integers(0, CLASSES, 200), np.arange(200) // 2
    first, second = right(targets, 0.7, rng), right(targets, 0.6, rng)
    found = answer["answer_report"].paired(targets, first, second, units, CLASSES)
    eye = np.eye(CLASSES)
    expected = paired_interval(TASK, targets, eye[first], eye[second], "macro_f1", units=units)
    assert found.value == pytest.approx(expected.difference)
    assert found.value - found.half == pytest.approx(expected.low)
    assert (found.p < 0.05) == (expected.low > 0 or expected.high < 0)


def test_the_same_answers_have_no_difference(answer):
    targets = np.arange(60) % CLASSES
    found = answer["answer_report"].paired(targets, targets, targets, np.arange(60), CLASSES)
    assert (found.value, found.error, found.p) == (0.0, 0.0, 1.0)


def test_the_mean_of_data_sets_has_equal_weights(answer):
    made = answer["answer_report"].Difference
    mean = made.of_means([made(0.01, 0.003, 20.0), made(0.03, 0.004, 20.0)])
    assert mean.value == pytest.approx(0.02)
    assert mean.error == pytest.approx(0.0025)
    assert mean.freedom == pytest.approx(20 * 25**2 / (9**2 + 16**2))
    assert made.of_sample([0.0, 0.02, 0.04]).error == pytest.approx(0.02 / 3**0.5)


def test_a_kind_contributes_what_only_it_knows(answer):
    rng = np.random.default_rng(1)
    targets = rng.integers(0, CLASSES, 240)
    blind = np.full((240, CLASSES), 0.2) + 0.4 * np.eye(CLASSES)[np.where(targets == 2, 1, targets)]
    knows = np.full((240, CLASSES), 0.25) + 0.25 * np.eye(CLASSES)[np.where(targets == 0, 1, targets)]
    noise = rng.dirichlet(np.ones(CLASSES), 240)
    answers = [one.astype(np.float32) for one in (blind, knows, noise)]
    judged = Judged(TASK, "val_macro_f1", targets, np.arange(240), answers, np.ones(240))
    found = answer["answer_report"].contributions(judged, {"words": {1}, "noise": {2}}, 1)
    assert set(found) == {"words", "noise", "decision", "forms", "ensemble"}
    gain, error = found["words"]
    assert gain > 0.2
    assert gain > 5 * error
    assert abs(found["noise"][0]) < 0.02
    assert found["ensemble"][0] > 0.2


def write_search(to, key, share, seed, rng, worse=0.4):
    """Write the answers of a search whose choice has this share of right labels; return its row."""
    targets = np.arange(300) % CLASSES
    rows = np.sort(np.random.default_rng(seed).permutation(300)[:150])
    names = {"ensemble-020": share, "logistic_both": worse, "bag_of_words": worse + 0.1}
    labels = {name: right(targets[rows], some, rng) for name, some in names.items()}
    kept = to.with_suffix("")
    kept.mkdir(exist_ok=True)
    np.savez(
        kept / f"{key.replace('/', '-')}.npz",
        ids=rows.astype(str),
        units=rows // 2,
        targets=targets[rows],
        plain=labels["ensemble-020"],
        probabilities=np.eye(CLASSES, dtype=np.float32)[labels["ensemble-020"]],
        **{f"label-{name}": some for name, some in labels.items()},
    )
    kinds = {"ensemble-020": "ensemble", "logistic_both": "baseline", "bag_of_words": "baseline", "trial-001": "trial"}
    return {
        "commit": "abc",
        "settings": ["budget.trials=20"],
        "seconds": 60.0,
        "choice": {"name": "ensemble-020", "form": "greedy", "members": {"logistic_both": 0.4, "bag_of_words": 0.6}},
        "kinds": kinds,
        "read_words": ["bag_of_words", "trial-001"],
        "rows": {"train": 100, "validation": 50, "test": 150},
        "selection": None,
        "ranked_by": {"ensemble-020": 0.9, "logistic_both": 0.7, "bag_of_words": 0.6},  # the best on test is another
        "validation": {name: {"macro_f1": 0.5} for name in kinds},
        "test": {name: {"macro_f1": 0.5} for name in names},
    }


@pytest.fixture
def measured(tmp_path):
    """A JSON file of two data sets with two seeds: the answer is better than before on the first only."""
    to, rng = tmp_path / "answer.json", np.random.default_rng(3)
    shares = {"before/one": 0.5, "after/one": 0.8, "before/two": 0.6, "after/two": 0.6}
    searches = {
        f"{part}/{seed}": write_search(to, f"{part}/{seed}", share, seed, rng)
        for part, share in shares.items()
        for seed in (1, 2)
    }
    to.write_text(json.dumps({"searches": searches}))
    folds = tmp_path / "work" / "folds"
    folds.mkdir(parents=True)
    targets = rng.integers(0, CLASSES, 150)
    answers = {f"answer-{name}": rng.dirichlet(np.ones(CLASSES), 150) for name in MEMBERS}
    saved = {"targets": targets, "units": np.arange(150), "weights": np.ones(150), **answers}
    np.savez(folds / "after-one-1.npz", **saved)
    return to


def test_the_report_compares_searches(answer, measured, tmp_path, capsys):
    answer["answer"].report(measured, tmp_path / "work")
    printed = capsys.readouterr().out
    assert "code: after abc (budget.trials=20), before abc (budget.trials=20)" in printed
    kept = json.loads(measured.read_text())
    before = kept["compared"]["code before"]
    assert before["sets"]["one"]["value"] > 0.15
    assert before["holm"]["one"] < 0.01 < before["holm"]["two"]
    both = [before["sets"][name]["value"] for name in ("one", "two")]
    assert before["mean"]["value"] == pytest.approx(np.mean(both))
    # The baseline is the best on validation, not on the test split.
    assert kept["compared"]["best baseline"] == kept["compared"]["logistic regression"]
    assert kept["compared"]["without its decision"]["sets"]["one"]["value"] == 0
    found = kept["searches"]["after/one/1"]["contributions"]
    assert {"logistic regressions", "bag of words", "trials", "all that read words", "decision"} <= set(found)
    assert "contributions" not in kept["searches"]["after/two/1"]


def test_a_review_in_several_splits_is_one_unit(answer, measured):
    data = answer["answer_report"].data_sets(measured)["one"]
    once = type(data)({1: data.after[1]}, {})
    twice = type(data)({1: data.after[1], 2: data.after[1]}, {})
    assert twice.against_baseline().value == pytest.approx(once.against_baseline().value)
    assert twice.against_baseline().error == pytest.approx(once.against_baseline().error)


def test_other_test_reviews_are_refused(answer, measured):
    data = answer["answer_report"].data_sets(measured)["one"]
    with pytest.raises(SystemExit, match="other test reviews for seed 1"):
        type(data)({1: data.after[1]}, {1: data.before[2]}).against_before()


def test_a_decision_changes_labels(answer):
    probabilities = np.array([[0.5, 0.3, 0.2], [0.4, 0.35, 0.25]])
    assert answer["answer_search"].labels_of(probabilities, []).tolist() == [0, 0]
    assert answer["answer_search"].labels_of(probabilities, [0.0, 0.2, 0.0]).tolist() == [0, 1]


def test_searches_with_other_settings_are_refused(answer, measured):
    def asked(*settings):
        arguments = argparse.Namespace(to=measured, trials=20, set=list(settings))
        return [answer["answer"].measured(arguments, key) for key in ("before/one/1", "after/one/1", "after/one/3")]

    assert asked() == [True, True, False]
    with pytest.raises(SystemExit, match=r"after/one/1 has .*, not .*trees=true.*Name another file"):
        asked("baselines.trees=true")


@pytest.fixture
def run(tmp_path):
    """A run whose choice decides labels with biases, and has the accuracy that it gets so."""
    run = create_run(tmp_path / "runs", "made-up", "0" * 6)
    chosen = Candidate("ensemble-002", "ensemble", COMPLETED, decision=[0.0, 0.2, 0.0])
    for candidate in (Candidate("concatenation", "baseline", COMPLETED), chosen):
        run.append(candidate)
    answers = np.array([[0.5, 0.3, 0.2], [0.4, 0.35, 0.25]], np.float32)
    saved = {"ids": np.array(["a", "b"]), "labels": np.array([0, 1])}
    np.savez(run.folder / "test_predictions.npz", **saved, **dict.fromkeys(("ensemble-002", "concatenation"), answers))
    test = {"ensemble-002": {"accuracy": 1.0}, "concatenation": {"accuracy": 0.5}}
    run.write("result.json", {"best": "ensemble-002", "test": test})
    return run


def test_the_labels_of_the_test_split_are_kept_with_and_without_the_decision(answer, run, tmp_path):
    answer["answer_search"].keep_test(run, np.array(["a", "b"]), np.array([4, 7]), tmp_path / "kept.npz")
    with np.load(tmp_path / "kept.npz") as kept:
        assert kept["label-ensemble-002"].tolist() == [0, 1]
        assert kept["plain"].tolist() == kept["label-concatenation"].tolist() == [0, 0]
        assert kept["units"].tolist() == [4, 7]
        assert kept["probabilities"].shape == (2, 3)


def test_labels_that_the_search_did_not_measure_are_refused(answer, run, tmp_path):
    result = run.read("result.json")
    run.write("result.json", {**result, "test": {**result["test"], "concatenation": {"accuracy": 1.0}}})
    with pytest.raises(SystemExit, match="concatenation: the labels are not those"):
        answer["answer_search"].keep_test(run, np.array(["a", "b"]), np.array([4, 7]), tmp_path / "kept.npz")
    with pytest.raises(SystemExit, match="in the order of the rows"):
        answer["answer_search"].keep_test(run, np.array(["b", "a"]), np.array([4, 7]), tmp_path / "kept.npz")
