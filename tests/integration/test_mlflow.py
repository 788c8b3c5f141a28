"""The record of a search in MLflow, and outages of the store."""

import json

import pytest

from automm.errors import ConfigError, NotFoundError, TrackingError
from automm.tracking.mlflow_tracker import MlflowTracker, flatten
from automm.tracking.run_folder import COMPLETED, FAILED, KILLED, Run, all_runs
from automm.tracking.sync import sync_run

PARENT = "mlflow.parentRunId"
QUICK = ("training.epochs=1", "baselines=[majority, concatenation]", "budget.trials=1")


class Store:
    """All runs of one experiment in a store."""

    def __init__(self, uri):
        from mlflow.tracking import MlflowClient

        self.client = MlflowClient(uri)
        self.experiment = self.client.get_experiment_by_name("tiny")
        runs = list(self.client.search_runs([self.experiment.experiment_id], max_results=1000))
        self.parents = [run for run in runs if PARENT not in run.data.tags]
        self.children = {run.data.tags["automm.name"]: run for run in runs if PARENT in run.data.tags}
        self.count = len(runs)

    @property
    def parent(self):
        (parent,) = self.parents
        return parent

    def artifacts(self, run, folder=None):
        return {file.path for file in self.client.list_artifacts(run.info.run_id, folder)}


@pytest.fixture(scope="module")
def stored(searched):
    """The store of the shared run; read-only."""
    return Store(searched.tracker.uri)


class TestTheRecord:
    def test_the_parent(self, stored, searched):
        assert stored.parent.info.run_name == searched.run.name
        assert stored.parent.info.status == "FINISHED"
        assert stored.parent.info.run_id == searched.run.read("tracking.json")["run_id"]
        expected = flatten(searched.experiment.model_dump(mode="json"))
        assert stored.parent.data.params == {key: str(value) for key, value in expected.items()}
        assert stored.parent.data.tags["automm.best"] == searched.run.read("result.json")["best"]
        assert stored.parent.data.metrics["test/macro_f1"] == pytest.approx(best_test(searched)["macro_f1"])
        assert stored.artifacts(stored.parent) >= {
            "config.yaml", "environment.json", "manifest.json", "trials.jsonl", "result.json",
        }  # fmt: skip

    def test_a_child_for_each_candidate(self, stored, searched):
        assert set(stored.children) == {candidate.name for candidate in searched.candidates}
        assert stored.count == len(searched.candidates) + 1
        for candidate in searched.candidates:
            child = stored.children[candidate.name]
            assert child.data.tags[PARENT] == stored.parent.info.run_id
            assert child.info.run_name == candidate.name
            assert child.info.status == "FINISHED"
            assert child.data.tags["automm.kind"] == candidate.kind
            assert child.data.tags["automm.tier"] == "1"
            assert child.data.tags["automm.proposed_by"] == candidate.proposed_by

    def test_params_have_stable_names(self, stored, searched):
        for trial in searched.trials:
            params = dict(stored.children[trial.name].data.params)
            assert params.pop("seed") == str(trial.seed)
            assert params == {name: str(value) for name, value in trial.hyperparameters.items()}
            assert params.keys() >= {"image/pooling", "fusion/operator", "training/learning_rate", "label/layers"}

    def test_metrics_of_each_epoch(self, stored, searched):
        trial = searched.trials[0]
        run_id = stored.children[trial.name].info.run_id
        history = stored.client.get_metric_history(run_id, "epoch/val_macro_f1")
        steps = [(metric.step, pytest.approx(metric.value)) for metric in history]
        assert steps == [(place, entry["val_macro_f1"]) for place, entry in enumerate(trial.history, 1)]
        assert len(stored.client.get_metric_history(run_id, "epoch/loss")) == 2

    def test_final_metrics(self, stored, searched):
        for candidate in searched.candidates:
            metrics = stored.children[candidate.name].data.metrics
            for name, value in candidate.validation.items():
                assert metrics[f"validation/{name}"] == pytest.approx(value)
            assert metrics["parameters"] == candidate.parameters
            assert {"seconds", "peak_memory_mib", "best_epoch", "trainable_parameters"} <= metrics.keys()
        tests = searched.run.read("result.json")["test"]
        for name, child in stored.children.items():
            found = {key: value for key, value in child.data.metrics.items() if key.startswith("test/")}
            assert found == pytest.approx({f"test/{key}": value for key, value in tests.get(name, {}).items()})

    def test_scores_while_modalities_are_missing(self, stored, searched):
        missing = searched.run.read("result.json")["missing"]
        assert missing["scores"].keys() == searched.run.read("result.json")["test"].keys()
        for name, modalities in missing["scores"].items():
            for modality, metrics in modalities.items():
                for metric, values in metrics.items():
                    run_id = stored.children[name].info.run_id
                    history = stored.client.get_metric_history(run_id, f"missing_{modality}/{metric}")
                    steps = [(point.step, pytest.approx(point.value)) for point in history]
                    assert steps == list(zip(missing["percent"], values, strict=True))
        assert "missing.png" in stored.artifacts(stored.parent, "")

    def test_the_dataset_has_the_fingerprint_of_the_data(self, stored, searched):
        (given,) = stored.parent.inputs.dataset_inputs
        manifest = searched.run.read("manifest.json")
        assert given.dataset.name == "tiny"
        assert manifest["fingerprint"].startswith(given.dataset.digest)
        profile = json.loads(given.dataset.profile)
        assert profile == {"reviews": manifest["reviews"], "fingerprint": manifest["fingerprint"]}

    def test_plots(self, stored):
        child = stored.children["concatenation"]
        assert stored.artifacts(child, "plots") == {"plots/confusion.png", "plots/learning_curves.png"}
        assert stored.artifacts(stored.children["majority"], "plots") == {"plots/confusion.png"}, "nothing was learned"

    def test_finalists_are_models_with_a_signature(self, stored, searched):
        models = stored.client.search_logged_models([stored.experiment.experiment_id])
        finalists = searched.run.read("result.json")["finalists"]
        assert {model.source_run_id for model in models} == {stored.children[name].info.run_id for name in finalists}
        assert len(models) == len(finalists)

    def test_a_logged_model_predicts_a_row_without_a_picture(self, stored, searched):
        import mlflow
        import pandas as pd

        best = searched.run.read("result.json")["best"]
        run_id = stored.children[best].info.run_id
        (found,) = [m for m in stored.client.search_logged_models([stored.experiment.experiment_id])
                    if m.source_run_id == run_id]  # fmt: skip
        mlflow.set_tracking_uri(searched.tracker.uri)
        model = mlflow.pyfunc.load_model(found.artifact_location)
        assert [column.name for column in model.metadata.signature.inputs.inputs] == ["text", "images"]
        row = pd.DataFrame({"text": ["a lovely thing"], "images": [[]]})
        answer = model.predict(row)
        labels = searched.run.read("manifest.json")["labels"]
        probabilities = json.loads(answer["probabilities"][0])
        assert answer["label"][0] in labels
        assert list(probabilities) == labels
        assert sum(probabilities.values()) == pytest.approx(1.0, abs=1e-5)


def best_test(searched):
    result = searched.run.read("result.json")
    return result["test"][result["best"]]


@pytest.mark.usefixtures("eager", "trials_only")
class TestFailures:
    def test_a_failed_trial(self, search, store, monkeypatch):
        from automm.search.candidates.head import Head

        fit = Head.fit

        def failing(self, bench):
            if self.name == "trial-001":
                raise ValueError("as the test wants it")
            return fit(self, bench)

        monkeypatch.setattr(Head, "fit", failing)
        tracker = store()
        run = search(*QUICK, tracker=tracker)
        assert tracker.pending == 0
        assert tracker.rejected == 0
        stored = Store(tracker.uri)
        child = stored.children["trial-001"]
        assert child.info.status == "FAILED"
        assert child.data.tags["automm.error"] == "ValueError: as the test wants it"
        assert stored.artifacts(child) == {"error.txt"}
        local = stored.client.download_artifacts(child.info.run_id, "error.txt")
        with open(local) as file:  # noqa: PTH123
            assert file.read().strip() == run.candidates()[2].error.strip()
        assert stored.parent.info.status == "FINISHED"

    def test_an_interrupted_trial_and_its_repetition(self, search, store, monkeypatch, tmp_path):
        from automm.search.candidates import head

        train, calls = head.train, []

        def interrupted(*args, **kwargs):
            calls.append(1)
            if len(calls) == 2:
                raise KeyboardInterrupt
            return train(*args, **kwargs)

        monkeypatch.setattr(head, "train", interrupted)
        with pytest.raises(KeyboardInterrupt):
            search(*QUICK, tracker=store())
        (run,) = all_runs(tmp_path / "runs")
        stored = Store(store().uri)
        assert stored.parent.info.status == "KILLED"
        assert [child.info.status for child in stored.children.values()].count("KILLED") == 1

        search(*QUICK, tracker=store(), resume=run)
        assert [c.status for c in run.candidates()] == [COMPLETED, COMPLETED, KILLED, COMPLETED]
        stored = Store(store().uri)
        assert stored.parent.info.status == "FINISHED"
        assert stored.count == 1 + 4
        assert stored.children["trial-001"].info.status == "FINISHED"
        assert "validation/macro_f1" in stored.children["trial-001"].data.metrics

    def test_a_second_search_is_a_second_parent_in_the_same_experiment(self, search, store):
        for _ in range(2):
            search("baselines=[majority]", "budget.trials=0", tracker=store())
        assert len(Store(store().uri).parents) == 2

    def test_a_search_killed_before_it_wrote_its_parent_finds_the_parent(self, search, store):
        run = search(*QUICK, tracker=store())
        parent = Store(store().uri).parent.info.run_id
        (run.folder / "tracking.json").unlink()
        sync_run(store(), run)
        stored = Store(store().uri)
        assert stored.parent.info.run_id == parent
        assert stored.count == 1 + 3
        assert run.read("tracking.json")["run_id"] == parent

    def test_a_run_in_use_is_not_synced(self, store, tmp_path):
        folder = tmp_path / "runs" / "tiny" / "20260101-000000-abcdef"
        folder.mkdir(parents=True)
        with Run(folder).locked(), pytest.raises(ConfigError, match="in use by another process"):
            sync_run(store(), Run(folder))

    def test_a_run_without_records_is_not_synced(self, store, tmp_path):
        folder = tmp_path / "runs" / "tiny" / "20260101-000000-abcdef"
        folder.mkdir(parents=True)
        (folder / "config.yaml").write_text("{}")
        with pytest.raises(NotFoundError, match="ended before its first candidate"):
            sync_run(store(), Run(folder))


@pytest.mark.usefixtures("eager")
class TestOutages:
    def test_a_store_that_never_answers(self, search, store, monkeypatch, tmp_path):
        monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
        away = MlflowTracker("http://127.0.0.1:9", tmp_path)
        run = search(*QUICK, tracker=away)
        assert [candidate.status for candidate in run.candidates()] == [COMPLETED] * 3
        assert away.pending > 0
        assert "MLflow does not answer" in (run.folder / "log.txt").read_text()
        with pytest.raises(TrackingError, match="does not answer"):
            sync_run(MlflowTracker("http://127.0.0.1:9", tmp_path), run)

        for _ in range(2):  # a second sync adds nothing
            assert "3 candidates" in sync_run(store(), run)
            stored = Store(store().uri)
            assert stored.count == 1 + 3
            assert set(stored.children) == {"majority", "concatenation", "trial-001"}
            assert stored.parent.info.status == "FINISHED"
            assert stored.children["trial-001"].data.metrics["test/macro_f1"] == pytest.approx(
                run.read("result.json")["test"]["trial-001"]["macro_f1"]
            )
            best = run.read("result.json")["best"]
            score = stored.children[best].data.metrics["test/macro_f1"]
            assert stored.parent.data.metrics["test/macro_f1"] == pytest.approx(score)
            assert "selection/corrected" in stored.parent.data.metrics
            history = stored.client.get_metric_history(stored.children["trial-001"].info.run_id, "validation/loss")
            assert len(history) == 1

    def test_a_store_that_fails_during_a_search(self, search, store, monkeypatch):
        """It fails within the second candidate's record, and answers again at the end."""
        from mlflow.tracking import MlflowClient

        log_batch, search_experiments = MlflowClient.log_batch, MlflowClient.search_experiments
        calls, down = [], [False]

        def dying(self, *args, **kwargs):
            calls.append(1)
            down[0] = len(calls) == 3  # the parent's, the first candidate's, and this one
            if down[0]:
                raise ConnectionError("the store is gone")
            return log_batch(self, *args, **kwargs)

        def answers(self, *args, **kwargs):
            if down[0]:
                raise ConnectionError("the store is gone")
            return search_experiments(self, *args, **kwargs)

        monkeypatch.setattr(MlflowClient, "log_batch", dying)
        monkeypatch.setattr(MlflowClient, "search_experiments", answers)
        tracker = store()
        run = search(*QUICK, tracker=tracker)
        assert "the store is gone" in (run.folder / "log.txt").read_text()
        assert tracker.pending == 0, "the end of a search tries once more"
        for _ in range(2):
            stored = Store(tracker.uri)
            assert stored.count == 1 + 3, "a candidate was recorded twice"
            assert {child.info.status for child in stored.children.values()} == {"FINISHED"}
            assert all("validation/loss" in child.data.metrics for child in stored.children.values())
            sync_run(store(), run)

    def test_a_failed_search_is_recorded_and_stays_failed(self, search, store, monkeypatch, tmp_path):
        from automm.errors import NoTrialError
        from automm.search.session import Search

        def no_model(self):
            raise ValueError("as the test wants it")

        monkeypatch.setattr(Search, "finished_points", no_model)
        with pytest.raises((NoTrialError, ValueError)):
            search("baselines=none", "budget.trials=1", tracker=store())
        stored = Store(store().uri)
        assert stored.parent.info.status == "FAILED"
        assert "as the test wants it" in stored.parent.data.tags["automm.cause"]
        assert FAILED not in stored.children

        (run,) = all_runs(tmp_path / "runs")
        sync_run(store(), run)
        stored = Store(store().uri)
        assert stored.parent.info.status == "FAILED", "a later sync has forgotten how the search ended"
        assert "as the test wants it" in stored.parent.data.tags["automm.cause"]
