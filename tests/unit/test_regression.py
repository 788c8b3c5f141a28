"""Regression: how targets are read and split, and how predictions are scored and shown."""

import json
from collections import Counter

import numpy as np
import pytest
from sklearn.metrics import mean_absolute_error, r2_score, root_mean_squared_error

from automm.config.experiment import load_experiment
from automm.data.manifest import parse_manifest
from automm.data.records.reviews import load_dataset
from automm.data.splitting.folds import fold_rows
from automm.data.splitting.links import links_of
from automm.data.splitting.split import split_dataset
from automm.errors import ConfigError, DataError
from automm.evaluate.combine import BestSingle, Judged
from automm.evaluate.compare import paired_interval, score
from automm.evaluate.plots import learning_curves, true_and_predicted
from automm.evaluate.selection import selection
from automm.tasks.registry import TASKS, task_of

TASK = TASKS["regression"]

CONTENT = {"name": "x", "records": "r.jsonl", "task": "regression", "fields": {"text": "t", "label": "price"}}


def load(tmp_path, prices, **more):
    rows = [{"t": f"text {number}", "price": price} for number, price in enumerate(prices)]
    (tmp_path / "r.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return load_dataset(parse_manifest({**CONTENT, **more}, tmp_path / "manifest.yaml"))


class TestReading:
    def test_the_label_is_a_number(self, tmp_path):
        dataset = load(tmp_path, [1, "2.50", -3e2])
        assert [review.value for review in dataset.reviews] == [1.0, 2.5, -300.0]
        assert [review.label for review in dataset.reviews] == ["1", "2.5", "-300"]
        assert dataset.labels == ()

    def test_a_target_that_is_not_a_number_is_reported_with_its_record(self, tmp_path):
        with pytest.raises(DataError) as caught:
            load(tmp_path, [1, "$2", None, "1,024", True])
        assert [problem.split(": ")[0] for problem in caught.value.lines] == [f"r.jsonl:{n}" for n in (2, 3, 4, 5)]

    def test_a_single_value_is_rejected(self, tmp_path):
        with pytest.raises(DataError, match=r"every review has the value 7, so there is nothing to learn"):
            load(tmp_path, [7, 7.0, "7"])

    def test_a_map_of_labels_is_rejected(self, tmp_path):
        with pytest.raises(ConfigError, match="a regression predicts a number"):
            load(tmp_path, [1, 2], labels={"map": {"low": [1], "high": [2]}})

    def test_an_unknown_task(self, tmp_path):
        with pytest.raises(ConfigError, match=r"unknown task 'regresion'\. Did you mean 'regression'"):
            load(tmp_path, [1, 2], task="regresion")


class TestSplits:
    def test_every_split_and_fold_has_low_and_high_numbers(self, tmp_path):
        values = np.random.default_rng(0).lognormal(3, 1, 300).round(2)
        dataset = load(tmp_path, values.tolist())
        splits = split_dataset(dataset, links_of(dataset, {}))
        assert {name: len(rows) for name, rows in splits.items()} == {"train": 210, "validation": 45, "test": 45}
        rows = np.arange(300)
        for part in (
            *splits.values(),
            *(held_out for _, held_out in fold_rows(dataset, links_of(dataset, {}), rows, 5)),
        ):
            tenths = Counter(np.searchsorted(np.quantile(values, np.arange(1, 10) / 10), values[part]))
            assert max(tenths.values()) - min(tenths.values()) <= 2
            assert np.mean(values[part]) == pytest.approx(np.mean(values), rel=0.25)

    def test_a_frequent_number_is_in_every_split(self, tmp_path):
        dataset = load(tmp_path, [0] * 80 + [5] * 20)
        splits = split_dataset(dataset, links_of(dataset, {}))
        assert [sum(dataset.reviews[r].value == 5 for r in splits[name]) for name in splits] == [14, 3, 3]


class TestExperiment:
    def write(self, tmp_path, task, experiment):
        (tmp_path / "m.yaml").write_text(f"name: x\nrecords: r.jsonl\ntask: {task}\n")
        (tmp_path / "e.yaml").write_text(f"manifest: m.yaml\n{experiment}")
        return tmp_path / "e.yaml"

    def test_the_default_objective_belongs_to_the_task(self, tmp_path):
        experiment = load_experiment(self.write(tmp_path, "regression", ""))
        assert (experiment.objective, experiment.direction) == ("val_mae", "min")
        assert load_experiment(tmp_path / "m.yaml").objective == "val_mae"
        assert load_experiment(self.write(tmp_path, "classification", "")).objective == "val_macro_f1"

    @pytest.mark.parametrize(
        ("task", "objective", "legal"),
        [("regression", "val_loss", "val_mae, val_rmse"), ("classification", "val_rmse", "val_macro_f1, val_accuracy")],
    )
    def test_an_objective_of_the_other_task(self, tmp_path, task, objective, legal):
        with pytest.raises(ConfigError, match=f"objective: '{objective}' does not fit task: {task}. Legal: {legal}"):
            load_experiment(self.write(tmp_path, task, f"objective: {objective}\n"))

    def test_baselines_of_numbers(self, tmp_path):
        baselines = load_experiment(self.write(tmp_path, "regression", "")).baselines
        names = baselines.names(("metadata",), TASK)
        assert {"median", "ridge_text", "ridge_both", "ridge_columns", "ridge_all", "concatenation"} <= set(names)
        assert not [name for name in names if name.startswith(("majority", "logistic"))]


def answers(seed=0, rows=50, noise=1.0):
    rng = np.random.default_rng(seed)
    true = rng.normal(100, 20, rows).astype(np.float32)
    return true, (true + rng.normal(0, noise, rows)).astype(np.float32)[:, None]


class TestMetrics:
    @pytest.mark.parametrize("seed", range(3))
    def test_against_scikit_learn(self, seed):
        true, predicted = answers(seed, noise=15.0)
        scores = TASK.measure(true, predicted)
        assert scores == pytest.approx(
            {
                "mae": mean_absolute_error(true, predicted),
                "rmse": root_mean_squared_error(true, predicted),
                "r2": r2_score(true, predicted),
            },
            rel=1e-4,
        )
        assert task_of(scores).main_metrics == ("mae", "rmse")
        assert TASK.smooth == "rmse"

    def test_equal_targets_have_an_r2_of_zero(self):
        assert TASK.measure(np.full(3, 2.0), np.full((3, 1), 3.0)) == {"mae": 1.0, "rmse": 1.0, "r2": 0.0}

    def test_an_interval_of_a_difference(self):
        true, near = answers(noise=1.0)
        far = near + 10
        interval = paired_interval(TASK, true, near, far, "mae", units=np.arange(50))
        assert interval.low <= interval.difference <= interval.high < 0

    @pytest.mark.parametrize("objective", ["val_mae", "val_rmse"])
    def test_selection_bias_of_regressions(self, objective):
        true, _ = answers(rows=200)
        candidates = [
            answers(seed, 200, 10.0)[1] - answers(seed, 200)[0][:, None] + true[:, None] for seed in range(30)
        ]
        scores = [score(TASK.measure(true, part), objective) for part in candidates]
        judged = Judged(TASK, objective, true, np.arange(200), candidates)
        found = selection(judged, min(scores), BestSingle(), rng=np.random.default_rng(0))
        assert min(scores) < found.corrected < max(scores)
        assert found.optimism == found.corrected - found.score

    def test_figures(self, tmp_path):
        true, predicted = answers()
        history = [{"loss": 1.0 / n, "val_mae": 3.0, "val_rmse": 4.0, "val_r2": 0.1} for n in (1, 2)]
        for path in (
            true_and_predicted(true, predicted[:, 0], tmp_path / "a.png"),
            learning_curves(history, 1, tmp_path / "b.png"),
        ):
            assert path.read_bytes().startswith(b"\x89PNG")
