"""A new task is one file: it is searched, evaluated, exported, predicted and checked without other changes."""

import json

import pytest
import yaml
from kept_answers import kept_answers
from samples import SMALL, write_column_reviews
from toy_task import Price

from automm.cli.tables import verdict
from automm.config.experiment import load_experiment
from automm.data.quality.run import check
from automm.deliver.bundle import load_bundle
from automm.deliver.export import export_candidate
from automm.deliver.predict import predict_file
from automm.errors import ConfigError
from automm.evaluate.leaderboard import leaderboard
from automm.search.run import run_search
from automm.tasks.registry import TASKS
from automm.tracking.run_folder import COMPLETED

BASELINES = ["median", "ridge_both", "concatenation"]


@pytest.fixture
def manifest(tmp_path, monkeypatch):
    monkeypatch.setitem(TASKS, "price", Price())
    path = write_column_reviews(tmp_path / "data", "regression")
    path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | {"task": "price"}))
    return path


def test_a_task_in_one_file_from_the_search_to_a_prediction(manifest, tmp_path, reporter, recorder, eager):
    settings = {**SMALL, "budget": {"trials": 2}, "baselines": BASELINES, "ensemble": True}
    (tmp_path / "e.yaml").write_text(yaml.safe_dump({**settings, "manifest": str(manifest)}))
    experiment = load_experiment(tmp_path / "e.yaml")
    assert experiment.objective == "val_close"
    run = run_search(experiment, tmp_path / "runs", recorder, reporter)
    candidates = {one.name: one for one in run.candidates()}
    assert {one.status for one in candidates.values()} == {COMPLETED}, [one.error for one in candidates.values()]
    assert candidates.keys() >= {*BASELINES, "trial-001", "trial-002"}
    result = run.read("result.json")
    best = candidates[result["best"]]
    assert best.ranked_by == max(one.ranked_by for one in candidates.values())
    assert set(result["test"][best.name]) == {"close", "off"}
    assert set(result["selection"]) >= {"score", "optimism"}
    assert leaderboard(tmp_path / "runs")[0]["name"] == best.name
    assert " test close " in verdict(result)[0]
    assert "plots/predicted.png" in recorder.named("test")[0][3]
    export_candidate(run, best.name, tmp_path / "bundle")
    assert "A price model for reviews" in (tmp_path / "bundle" / "MODEL_CARD.md").read_text()
    predict_file(load_bundle(tmp_path / "bundle"), manifest.parent / "reviews.jsonl", tmp_path / "out.jsonl")
    lines = {line["id"]: line for line in map(json.loads, (tmp_path / "out.jsonl").read_text().splitlines())}
    expected = kept_answers(run)
    for review, wanted in zip(expected["ids"], expected[best.name], strict=True):
        assert lines[review]["price"] == pytest.approx(wanted[0], rel=1e-3, abs=1)
        assert set(lines[review]) == {"id", "price", "cheap", "picture_counts", "error"}


def test_only_the_checks_of_a_task_run(manifest):
    records = [json.loads(line) for line in (manifest.parent / "reviews.jsonl").read_text().splitlines()]
    for record in records[3:]:
        record["label"] = 5.0
    (manifest.parent / "reviews.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))

    def found(task):
        manifest.write_text(yaml.safe_dump(yaml.safe_load(manifest.read_text()) | {"task": task}))
        return {finding.key for finding in check(manifest).findings}

    assert "one_number" in found("regression")
    assert "one_number" not in found("price")


def test_other_tasks_keep_their_options_and_objectives(manifest, tmp_path):
    (tmp_path / "e.yaml").write_text(f"manifest: {manifest}\nobjective: val_mae\n")
    with pytest.raises(ConfigError, match=r"'val_mae' does not fit task: price\. Legal: val_close, val_off"):
        load_experiment(tmp_path / "e.yaml")
