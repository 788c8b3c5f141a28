"""What grows with the number of classes: pictures, figures and files."""

import json
import sys

import numpy as np
import pytest
from PIL import Image

from automm.cli.tables import console
from automm.data.quality.run import check
from automm.data.quality.terminal import render
from automm.evaluate.compare import paired_interval
from automm.evaluate.plots import PAIRS, WITH_CELLS, WITH_TEXT, confusion_matrix
from automm.tasks.classification import MANY, Classification, confusion, macro_f1
from automm.tracking.run_folder import Run, stored


def drawn(monkeypatch, counts, labels, path):
    """Draw; return the axes and the size in pixels."""
    figures = []
    monkeypatch.setattr(
        "matplotlib.figure.Figure.savefig", lambda figure, *args, **more: figures.append(figure), raising=True
    )
    confusion_matrix(counts, labels, path)
    [figure] = figures
    return figure.axes[0], figure.get_size_inches()


@pytest.mark.parametrize("classes", [2, WITH_TEXT, WITH_TEXT + 1, WITH_CELLS])
def test_a_large_matrix_has_no_text_in_its_cells(monkeypatch, tmp_path, classes):
    axes, inches = drawn(monkeypatch, np.eye(classes, dtype=int), [f"c{n}" for n in range(classes)], tmp_path / "a.png")
    assert len(axes.texts) == (classes**2 if classes <= WITH_TEXT else 0)
    assert max(inches) <= 3.4 + 0.55 * WITH_TEXT


def test_more_classes_show_the_pairs_that_are_confused_most(monkeypatch, tmp_path):
    classes = 1000
    counts = 5 * np.eye(classes, dtype=int)
    counts[7, 3], counts[1, 2] = 9, 4
    axes, inches = drawn(monkeypatch, counts, [f"c{n}" for n in range(classes)], tmp_path / "a.png")
    assert [text.get_text() for text in axes.get_yticklabels()] == ["c1 → c2", "c7 → c3"]
    assert [bar.get_width() for bar in axes.patches] == [4, 9]
    counts = np.random.default_rng(0).integers(0, 9, (classes, classes))
    axes, inches = drawn(monkeypatch, counts, [f"c{n}" for n in range(classes)], tmp_path / "a.png")
    assert len(axes.patches) == PAIRS
    assert max(inches) < 12


@pytest.mark.parametrize("classes", [3, 40, 120])
def test_any_class_name_can_be_drawn(tmp_path, classes):
    labels = ["x" * 200, "$5-$10", "a $\\frac{", "标签", "line\nend", *(f"c{n}" for n in range(classes))][:classes]
    counts = np.random.default_rng(0).integers(1, 9, (classes, classes))
    with Image.open(confusion_matrix(counts, labels, tmp_path / "a.png")) as picture:
        assert max(picture.size) < 2600
        assert min(picture.size) > 300


@pytest.mark.parametrize(("classes", "kind"), [(1, "float32"), (MANY, "float32"), (MANY + 1, "float16")])
def test_probabilities_of_many_classes_take_half_the_space(tmp_path, classes, kind):
    answers = np.random.default_rng(0).dirichlet(np.ones(classes), 7)
    assert stored(answers).dtype == kind
    run = Run(tmp_path)
    run.candidates_folder.mkdir()
    run.save_predictions("a", answers)
    assert run.predictions("a").dtype == np.float32
    np.testing.assert_allclose(run.predictions("a"), answers, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("classes", [2, 5, 300])
def test_macro_f1_is_that_of_the_confusion_matrix(classes):
    rng = np.random.default_rng(classes)
    labels, predicted = rng.integers(0, classes, (2, 400))
    counts = confusion(labels, predicted, classes)
    right, total = np.diag(counts), counts.sum(axis=0) + counts.sum(axis=1)
    expected = float((2 * right[total > 0] / total[total > 0]).mean())
    assert macro_f1(labels, predicted, classes) == expected


@pytest.mark.parametrize("metric", ["macro_f1", "accuracy", "loss"])
def test_an_interval_is_that_of_the_measured_metric(metric):
    task, rng = Classification(), np.random.default_rng(1)
    targets = rng.integers(0, 3, 50)
    first, second = rng.dirichlet(np.ones(3), (2, 50)).astype(np.float32)
    interval = paired_interval(task, targets, first, second, metric, units=np.arange(50))
    expected = task.measure(targets, first)[metric] - task.measure(targets, second)[metric]
    assert interval.difference == pytest.approx(expected, abs=1e-12)
    assert interval.low <= interval.high


def test_a_long_class_name_takes_one_line_of_the_table(tmp_path, capsys):
    rows = [{"id": n, "text": f"text {n}", "label": "long " * 40 + str(n % 3)} for n in range(60)]
    (tmp_path / "r.jsonl").write_text("\n".join(map(json.dumps, rows)))
    fields = {"id": "id", "text": "text", "label": "label"}
    (tmp_path / "m.yaml").write_text(json.dumps({"name": "x", "records": "r.jsonl", "fields": fields}))
    render(check(tmp_path / "m.yaml"), console(sys.stdout))
    table = [line for line in capsys.readouterr().out.splitlines() if "long " in line]
    assert len(table) == 3
    assert len({line.split("...")[1][:14] for line in table}) == 3
