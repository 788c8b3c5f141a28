"""`automm compare`: two runs on the same test reviews, aligned by id and by label; what differs between them."""

import json
import shutil

import numpy as np
import pytest
from advice import advises, hear
from typer.testing import CliRunner

from automm.cli import app
from automm.errors import DataError, NotFoundError
from automm.evaluate.comparisons.runs import compare_runs, joined_units
from automm.tasks.registry import TASKS
from automm.tracking.judged_rows import JudgedRows
from automm.tracking.packed_answers import TEST, write_packed
from automm.tracking.run_folder import Run

COUNT = 120
IDS = np.array([f"r{number}" for number in range(COUNT)])


def truth(labels=("bad", "good", "mixed")):
    """The label of each review, a position in `labels`."""
    names = np.random.default_rng(0).choice(["bad", "good", "mixed"], COUNT)
    return np.array([labels.index(name) for name in names])


def make(folder, wrong, *, labels=("bad", "good", "mixed"), order=None, task="classification", targets=None, **other):
    """Write a run whose choice is wrong in the first `wrong` reviews."""
    folder.mkdir(parents=True)
    run, found = Run(folder), truth(labels) if targets is None else targets
    order = np.arange(COUNT) if order is None else order
    if task == "classification":
        predicted = np.where(np.arange(COUNT) < wrong, (found + 1) % len(labels), found)
        answers = np.full((COUNT, len(labels)), 0.1, np.float32)
        answers[np.arange(COUNT), predicted] = 1 - 0.1 * (len(labels) - 1)
    else:
        answers = (found + np.where(np.arange(COUNT) < wrong, 3.0, 0.5)).astype(np.float32)[:, None]
    units = other.get("units", np.arange(COUNT))
    rows = JudgedRows(other.get("ids", IDS)[order], found[order], units[order], np.zeros(COUNT, np.int64))
    write_packed(folder / TEST, TASKS[task], rows, answers.shape[1], [("choice", answers[order])], {})
    values = TASKS[task].detailed(found, answers, answers, labels).values
    objective = "val_macro_f1" if task == "classification" else "val_mae"
    evidence = {"metrics": {"test": {"choice": {"values": values}}}}
    run.write("result.json", {"best": "choice", "objective": objective, "test_reads": 1, "evidence": evidence})
    encoders = {"text": [{"name": other.get("encoder", "minilm"), "fingerprint": "a" * 40, "size": 64}]}
    fingerprint = other.get("fingerprint", "f" * 40)
    described = {"labels": list(labels), "reading": {"task": task}, "encoders": encoders, "fingerprint": fingerprint}
    run.write("manifest.json", described)
    run.write("environment.json", {"packages": {"automm": "0.1.0"}})
    (folder / "config.yaml").write_text(f"seed: {other.get('seed', 0)}\nbudget:\n  trials: {other.get('trials', 5)}\n")
    return run


@pytest.fixture
def runs(tmp_path):
    return tmp_path / "runs" / "demo"


def test_the_difference_is_the_second_minus_the_first(runs):
    found = compare_runs(make(runs / "a", 40), make(runs / "b", 10))
    accuracy = found["metrics"]["accuracy"]
    assert accuracy["values"] == pytest.approx([80 / 120, 110 / 120])
    assert accuracy["difference"] == pytest.approx(0.25)
    assert 0.1 < accuracy["low"] < 0.25 < accuracy["high"]
    assert found["relation"] == "better"
    assert (found["mcnemar"]["wins"], found["mcnemar"]["losses"]) == (30, 0)
    assert found["published"]["auroc"][0] < found["published"]["auroc"][1]
    assert (found["reviews"], found["units"]) == (120, 120)
    assert not any(found["differs"].values())
    back = compare_runs(Run(runs / "b"), Run(runs / "a"))
    assert back["relation"] == "worse"
    assert compare_runs(Run(runs / "a"), Run(runs / "a"))["relation"] == "not told apart"


def test_rows_and_labels_in_another_order_are_aligned(runs):
    order = np.random.default_rng(1).permutation(COUNT)
    plain = make(runs / "plain", 30)
    for labels in (("good", "mixed", "bad"), ("mixed", "bad", "good")):
        # The same answers with the labels renamed: a cyclic order keeps which label is predicted by mistake.
        other = make(runs / "-".join(labels), 30, labels=labels, order=order)
        found = compare_runs(plain, other)
        assert all(one["difference"] == pytest.approx(0.0, abs=1e-9) for one in found["metrics"].values())
        assert (found["mcnemar"]["wins"], found["mcnemar"]["losses"]) == (0, 0)


def test_what_differs_is_named(runs):
    first = make(runs / "a", 40)
    second = make(runs / "b", 10, seed=3, trials=9, encoder="mpnet", fingerprint="e" * 40)
    differs = compare_runs(first, second)["differs"]
    assert differs["configuration"] == {"budget.trials": [5, 9], "seed": [0, 3]}
    assert differs["data"] == {
        "encoders.text": [["minilm (aaaaaaaaaaaa, size 64)"], ["mpnet (aaaaaaaaaaaa, size 64)"]],
        "fingerprint": ["f" * 12, "e" * 12],
    }
    assert differs["versions"] == {}


def test_units_of_both_runs_are_joined(runs):
    joined = joined_units(np.array([0, 0, 1, 2, 3]), np.array([7, 8, 8, 9, 5])).tolist()
    assert len(set(joined[:3])) == 1
    assert len(set(joined)) == 3
    linked = make(runs / "b", 10, units=np.arange(COUNT) // 2)
    assert compare_runs(make(runs / "a", 40), linked)["units"] == 60


def test_numbers_are_compared_too(runs):
    targets = np.linspace(0, 50, COUNT).astype(np.float32)
    pair = [
        make(runs / name, wrong, labels=(), task="regression", targets=targets) for name, wrong in (("a", 50), ("b", 5))
    ]
    found = compare_runs(*pair)
    assert found["relation"] == "better"
    assert found["metrics"]["mae"]["difference"] < 0
    assert found["mcnemar"] is None


class TestErrors:
    """Each error says why two runs cannot be compared; what it says to do makes them comparable."""

    def refused(self, first, second, words, advice):
        with pytest.raises((DataError, NotFoundError), match=words) as caught:
            compare_runs(first, second)
        hear(str(caught.value), advice)

    @advises("Give both manifests the same splits, for example with splits.column")
    def test_other_reviews_are_counted(self, runs):
        ids = IDS.astype("U9")
        ids[:7] = [f"new {number}" for number in range(7)]
        first, other = make(runs / "a", 4), make(runs / "b", 4, ids=ids)
        words = r"113 are in both, 7 only in a and 7 only in b\."
        self.refused(first, other, words, "Give both manifests the same splits, for example with splits.column")
        assert compare_runs(first, make(runs / "c", 4))["reviews"] == COUNT

    @advises("Compare runs with the same labels")
    def test_other_labels_are_named(self, runs):
        first, other = make(runs / "a", 4), make(runs / "b", 4, labels=("bad", "good", "mixed", "new"))
        self.refused(first, other, "only a has none, only b has new", "Compare runs with the same labels")
        assert compare_runs(other, make(runs / "c", 4, labels=("new", "good", "mixed", "bad")))["reviews"] == COUNT

    @advises("Compare runs on the same labels or numbers")
    def test_other_targets_are_counted(self, runs):
        targets = truth()
        targets[:3] = (targets[:3] + 1) % 3
        first, other = make(runs / "a", 4), make(runs / "b", 4, targets=targets)
        words = "3 of 120 test reviews have another target in b"
        self.refused(first, other, words, "Compare runs on the same labels or numbers")
        assert compare_runs(other, make(runs / "c", 4, targets=targets))["reviews"] == COUNT

    @advises("Compare runs of the same task")
    def test_another_task_is_refused(self, runs):
        numbers = {"labels": (), "task": "regression", "targets": np.arange(COUNT, dtype=np.float32)}
        first, other = make(runs / "a", 4), make(runs / "b", 4, **numbers)
        words = "a is a classification, and b is a regression"
        self.refused(first, other, words, "Compare runs of the same task")
        assert compare_runs(other, make(runs / "c", 4, **numbers))["reviews"] == COUNT

    @advises(
        "Resume it, or name another run",
        "Resume it, which reads the test split again: automm search --resume {}{}",
    )
    def test_a_search_that_has_not_ended_is_refused(self, runs):
        first, second = make(runs / "a", 4), make(runs / "b", 4)
        (second.folder / "result.json").unlink()
        self.refused(first, second, "b has no result", "Resume it, or name another run")
        (second.folder / TEST).unlink()
        advice = "Resume it, which reads the test split again: automm search --resume {}{}"
        self.refused(first, second, r"test\.npz is not there", advice)
        shutil.rmtree(second.folder)
        assert compare_runs(first, make(runs / "b", 4))["reviews"] == COUNT  # a resumed search writes both files


def test_the_command_prints_a_table_or_json(runs):
    make(runs / "a", 40)
    make(runs / "b", 10, seed=3)
    arguments = ["compare", "a", "b", "--runs-dir", str(runs.parent)]
    table = CliRunner().invoke(app, arguments)
    assert table.exit_code == 0, table.output
    for words in ("A: demo/a, choice", "120 test reviews, 120 units", "macro-F1 of B: better", "balanced accuracy",
                  "30 in B, 0 in A (McNemar, p <0.001)", "data: the same", "seed"):  # fmt: skip
        assert words in table.stdout
    printed = json.loads(CliRunner().invoke(app, [*arguments, "--format", "json"]).stdout)
    assert printed == json.loads(json.dumps(compare_runs(Run(runs / "a"), Run(runs / "b"))))
