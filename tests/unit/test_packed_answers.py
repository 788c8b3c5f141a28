"""The answers of candidates in one file: what is written is read, with the documented error."""

import numpy as np
import pytest
from advice import advises, hear

from automm.errors import DataError, NotFoundError
from automm.tasks.registry import TASKS
from automm.tracking.judged_rows import JudgedRows
from automm.tracking.packed_answers import TEST, TOP, PackedAnswers, write_packed
from automm.tracking.run_folder import Run

TASK = TASKS["classification"]


def rows(targets):
    count = len(targets)
    return JudgedRows(np.array([f"größe {n}" for n in range(count)]), targets, np.arange(count) // 2, np.ones(count))


def packed(run, targets, answers, biased=None, task=TASK):
    outputs = next(iter(answers.values())).shape[1]
    write_packed(run.folder / TEST, task, rows(targets), outputs, answers.items(), biased or {})
    return PackedAnswers.read(run, TEST)


@pytest.fixture
def run(tmp_path):
    (tmp_path / "runs" / "demo" / "1").mkdir(parents=True)
    return Run(tmp_path / "runs" / "demo" / "1")


def test_few_labels_are_float16_and_labels_exact(run):
    rng = np.random.default_rng(0)
    targets = rng.integers(0, 4, 500)
    answers = {name: rng.dirichlet(np.full(4, 0.05), 500).astype(np.float32) for name in ("trial-001", "ids")}
    answers["ids"][0] = [0.5, 0.49999, 0.00001, 0]  # the first two are equal in float16
    answers["ids"][1] = [0.49999, 0.5, 0.00001, 0]
    biased = {"trial-001": np.roll(answers["trial-001"], 1, axis=1)}
    found = packed(run, targets, answers, biased)
    assert found.outputs == 4
    for name, array in vars(rows(targets)).items():
        np.testing.assert_array_equal(getattr(found.rows, name), array)
    for name, exact in answers.items():
        assert found.answers[name].dtype == np.float32
        np.testing.assert_allclose(found.answers[name], exact, rtol=2**-11, atol=3e-8)
        label = biased.get(name, exact).argmax(axis=1)
        np.testing.assert_array_equal(found.labels[name], label)
        np.testing.assert_array_equal(found.decided(name).argmax(axis=1), label)


@pytest.mark.parametrize("concentration", [0.01, 10.0])
def test_many_labels_keep_the_most_probable_and_the_true_one(run, concentration):
    rng = np.random.default_rng(0)
    targets = rng.integers(0, 300, 80)
    exact = rng.dirichlet(np.full(300, concentration), 80).astype(np.float32)
    found = packed(run, targets, {"trial-001": exact})
    read = found.answers["trial-001"]
    np.testing.assert_allclose(read[np.arange(80), targets], exact[np.arange(80), targets], rtol=2**-11, atol=3e-8)
    largest = np.argsort(-exact, axis=1)[:, :TOP]
    kept = [np.take_along_axis(answers, largest, axis=1) for answers in (read, exact)]
    np.testing.assert_allclose(*kept, rtol=2**-11, atol=3e-8)
    assert np.abs(read - exact).max() <= 1 / (TOP + 1)
    np.testing.assert_allclose(read.sum(axis=1), 1.0, atol=2e-3)
    np.testing.assert_array_equal(found.labels["trial-001"], exact.argmax(axis=1))
    assert (run.folder / TEST).stat().st_size < 80 * (TOP + 1) * 5 + 20_000
    losses = [TASK.measure(targets, answers)["loss"] for answers in (read, exact)]
    assert losses[0] == pytest.approx(losses[1], abs=1e-3)


def test_numbers_are_exact(run):
    targets = np.array([1e6, 2.5], np.float32)
    exact = np.array([[1234567.0], [2.25]], np.float32)
    found = packed(run, targets, {"median": exact}, task=TASKS["regression"])
    np.testing.assert_array_equal(found.answers["median"], exact)
    assert found.labels == {}
    assert found.decided("median") is found.answers["median"]


def test_an_absent_file_is_explained(run):
    with pytest.raises(NotFoundError, match=r"test\.npz is not there: the search has not ended, or an earlier version"):
        PackedAnswers.read(run, TEST)


@advises("Resume the run to write it again")
@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 nothing"])
def test_a_damaged_file_is_named(run, content):
    targets, answers = np.array([0, 1]), {"trial-001": np.eye(2, dtype=np.float32)}
    packed(run, targets, answers)
    whole = (run.folder / TEST).read_bytes()
    (run.folder / TEST).write_bytes(content)
    with pytest.raises(DataError, match=r"test\.npz is damaged") as caught:
        PackedAnswers.read(run, TEST)
    hear(str(caught.value), "Resume the run to write it again")
    (run.folder / TEST).write_bytes(whole)
    assert len(PackedAnswers.read(run, TEST).rows) == 2
