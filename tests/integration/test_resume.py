"""A resumed search continues where it ended: nothing is lost or repeated."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from advice import advises, hear
from samples import SMALL, write_reviews
from typer.testing import CliRunner

from automm.cli.app import app
from automm.deliver.checks import read_bundle_json
from automm.errors import ConfigError, DataError
from automm.tracking.run_folder import COMPLETED, KILLED, Run, all_runs

pytestmark = pytest.mark.usefixtures("eager")

BARE = ("baselines=[concatenation]", "training.epochs=1")


def interrupt(monkeypatch, name):
    """Ctrl-C in the middle of the training of `name`, once."""
    from automm.search.candidates import head

    train, calls = head.train, []

    def interrupted(model, *args, **kwargs):
        calls.append(1)
        if len(calls) == int(name.rpartition("-")[2]) + 1:  # the concatenation is the first
            raise KeyboardInterrupt
        return train(model, *args, **kwargs)

    monkeypatch.setattr(head, "train", interrupted)


def statuses(run):
    return [(candidate.name, candidate.status) for candidate in run.candidates()]


def points(run):
    done = [c for c in run.candidates() if c.status == COMPLETED]
    return [json.dumps(candidate.hyperparameters, sort_keys=True) for candidate in done]


@pytest.fixture(scope="module")
def interrupted_once(tmp_path_factory, experiment_file, shared_cache):
    """The folder of a run of three trials, Ctrl-C in the second; and the last calls of the tracker."""
    import tensorflow as tf
    from conftest import RecordingTracker, SilentReporter

    from automm.config.experiment import load_experiment
    from automm.search.run import run_search

    runs, recorder = tmp_path_factory.mktemp("interrupted"), RecordingTracker()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AUTOMM_CACHE_DIR", str(shared_cache))
        tf.config.run_functions_eagerly(True)
        interrupt(patch, "trial-2")
        with pytest.raises(KeyboardInterrupt):
            run_search(load_experiment(experiment_file, BARE), runs, recorder, SilentReporter())
    (run,) = all_runs(runs)
    return run.folder, recorder.named("end")[-1][1]


@pytest.fixture
def interrupted(interrupted_once, tmp_path):
    """A copy of the interrupted run."""
    folder, _ = interrupted_once
    return Run(shutil.copytree(folder, tmp_path / "runs" / folder.parent.name / folder.name))


def test_an_interrupted_run_is_resumed(search, interrupted, interrupted_once, recorder, tmp_path, request):
    first = [("concatenation", COMPLETED), ("trial-001", COMPLETED), ("trial-002", KILLED)]
    assert statuses(interrupted) == first
    assert interrupted_once[1] == "KILLED"
    assert interrupted.read("result.json") == {}

    run = search(*BARE, resume=interrupted)
    assert run.folder == interrupted.folder
    assert statuses(run) == [*first, ("trial-002", COMPLETED), ("trial-003", COMPLETED)]
    assert len(set(points(run))) == 4, "a trial was repeated"
    assert recorder.named("end")[0][1] == "FINISHED"
    assert run.read("result.json")["best"]

    request.getfixturevalue("trials_only")
    whole = search(*BARE, runs_dir=tmp_path / "whole")
    assert points(whole) == points(run), "a resumed search goes another way"

    bigger = search(*BARE, "budget.trials=4", resume=run)
    assert statuses(bigger)[-1] == ("trial-004", COMPLETED)
    assert len(set(points(bigger))) == 5
    assert len(statuses(bigger)) == 6


@pytest.mark.usefixtures("trials_only")
def test_an_incomplete_last_line_is_removed(search, interrupted):
    path = interrupted.folder / "trials.jsonl"
    whole = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(whole[:2]) + whole[2][: len(whole[2]) // 2])
    assert statuses(interrupted) == [("concatenation", COMPLETED), ("trial-001", COMPLETED)]
    run = search(*BARE, "budget.trials=2", resume=interrupted)
    assert statuses(run) == [("concatenation", COMPLETED), ("trial-001", COMPLETED), ("trial-002", COMPLETED)]
    assert all(json.loads(line) for line in path.read_text().splitlines())


def test_another_experiment_is_refused_with_the_changed_keys(search, interrupted):
    before = interrupted.candidates()
    with pytest.raises(ConfigError) as raised:
        search(*BARE, "seed=2", "inputs.sequence_length=32", resume=interrupted)
    assert "seed was 1 and is 2" in str(raised.value)
    assert "inputs.sequence_length was 16 and is 32" in str(raised.value)
    assert raised.value.exit_code == 2
    assert interrupted.candidates() == before


def test_changed_data_is_refused(interrupted, tmp_path, reviews, reporter, recorder):
    from automm.config.experiment import load_experiment
    from automm.search.run import run_search

    shutil.copytree(reviews.parent, tmp_path / "changed")
    records = tmp_path / "changed" / "reviews.jsonl"
    records.write_text(records.read_text().replace("lovely", "splendid", 1))
    config = yaml.safe_load((interrupted.folder / "config.yaml").read_text())
    config["manifest"] = str(tmp_path / "changed" / "manifest.yaml")
    (tmp_path / "moved.yaml").write_text(yaml.safe_dump(config))
    with pytest.raises(DataError, match="the data has changed since the run began") as raised:
        run_search(load_experiment(tmp_path / "moved.yaml"), tmp_path / "runs", recorder, reporter, resume=interrupted)
    assert raised.value.exit_code == 3


def test_other_judged_rows_are_refused(search, interrupted):
    from automm.tracking.judged_rows import FILE

    rows = interrupted.judged_rows()
    assert len(rows) == len(interrupted.predictions("concatenation"))
    (interrupted.folder / FILE).write_bytes(replace(rows, ids=rows.ids[::-1]).to_bytes())
    with pytest.raises(DataError, match="the reviews of the folds on which candidates are judged have changed"):
        search(*BARE, resume=interrupted)
    interrupted.write("manifest.json", {**interrupted.read("manifest.json"), "evaluation": "5 folds"})
    with pytest.raises(DataError, match="candidates were judged by 5 folds, and now would be by holdout"):
        search(*BARE, resume=interrupted)


@pytest.mark.usefixtures("trials_only")
@pytest.mark.parametrize(
    ("splits", "mixed"), [({"time": "day"}, True), ({"column": "part"}, False)], ids=["time", "column"]
)
def test_a_run_of_an_earlier_rule_keeps_its_folds(tmp_path, recorder, reporter, splits, mixed):
    """`evaluation: auto` once made folds whatever the split; the run is one with that rule."""
    from automm.config.experiment import load_experiment
    from automm.search.run import run_search

    path = write_reviews(tmp_path)
    records = [json.loads(line) for line in (tmp_path / "reviews.jsonl").read_text().splitlines()]
    for number, record in enumerate(records):
        part = ["train", "train", "train", "validation", "test"][number // 3 % 5]
        record |= {"day": f"2024-01-{1 + number // 3:02}", "part": part}
    (tmp_path / "reviews.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | {"splits": splits}))
    (tmp_path / "tiny.yaml").write_text(yaml.safe_dump({"manifest": path.name, "name": "tiny", **SMALL}))

    def search(evaluation, trials, resume=None):
        settings = (*BARE, f"evaluation={evaluation}", f"budget.trials={trials}")
        experiment = load_experiment(tmp_path / "tiny.yaml", settings)
        return run_search(experiment, tmp_path / "runs", recorder, reporter, resume=resume)

    run = search("{folds: 2}", 0)
    config = yaml.safe_load((run.folder / "config.yaml").read_text())
    (run.folder / "config.yaml").write_text(yaml.safe_dump(config | {"evaluation": "auto"}))
    before = (run.folder / "log.txt").stat().st_size
    for trials in (1, 1):  # the second checks that config.yaml still says auto
        search("auto", trials, run)
    assert [candidate.evaluation for candidate in run.candidates()] == ["2 folds"] * 2
    assert yaml.safe_load((run.folder / "config.yaml").read_text())["evaluation"] == "auto"
    said = (run.folder / "log.txt").read_text()[before:]
    assert f"--resume {run.name}: the run began with 2 folds and keeps this evaluation" in said
    assert "in a new run, candidates are judged on the validation split, which" in said
    assert ("mixes past and future" in said) == mixed


def test_used_time_counts_after_a_resume(search, interrupted, monkeypatch):
    run = interrupted
    lines = [json.loads(line) for line in (run.folder / "trials.jsonl").read_text().splitlines()]
    lines[0]["seconds"] = 3600.0
    (run.folder / "trials.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    before = statuses(run)
    search(*BARE, resume=run)
    assert statuses(run) == before, "ten minutes were used up an hour ago"
    assert run.read("result.json")["best"]


@advises("Export them: automm export %s --trial NAME --to DIR")
def test_the_time_of_an_encoding_and_of_a_killed_tail_counts_too(search, interrupted, recorder, tmp_path):
    interrupted.write("spent.json", {"seconds": 3600.0})
    before = statuses(interrupted)
    search(*BARE, resume=interrupted)
    assert statuses(interrupted) == before, "an hour was used up, although no candidate took it"
    assert interrupted.read("spent.json")["seconds"] > 3600.0
    result = interrupted.read("result.json")
    assert len(result["finalists"]) == 2
    assert recorder.named("model") == [("model", result["best"])], "no time is left for the other one"
    said = (interrupted.folder / "log.txt").read_text()
    hear(said, "Export them: automm export %s --trial NAME --to DIR")
    (other,) = set(result["finalists"]) - {result["best"]}
    assert f"does not get the models of {other}. Export them: automm export {interrupted.name} " in said
    words = (
        said[said.index("automm export") :].split("\n")[0].replace("NAME", other).replace("DIR", str(tmp_path / "b"))
    )
    done = CliRunner().invoke(app, words.split()[1:])
    assert done.exit_code == 0, done.output
    assert read_bundle_json(tmp_path / "b")


def test_a_search_that_was_killed_after_it_read_the_test_split_has_read_it(search, interrupted, monkeypatch):
    from automm.search.finalists import test as finalists

    with monkeypatch.context() as patch:
        patch.setattr(finalists, "packed_evidence", interrupts)
        with pytest.raises(KeyboardInterrupt):
            search(*BARE, resume=interrupted)
    assert interrupted.read("result.json") == {}
    assert interrupted.test_reads() == 1
    search(*BARE, resume=interrupted)
    assert interrupted.read("result.json")["test_reads"] == interrupted.test_reads() == 2
    interrupted.reopen()
    assert (interrupted.read("result.json"), interrupted.test_reads()) == ({}, 2)


def interrupts(*arguments):
    raise KeyboardInterrupt


def automm(*arguments, cwd, **options):
    script = Path(sys.executable).with_name("automm")
    return subprocess.Popen(
        [str(script), *arguments], cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options
    )


def test_a_process_killed_by_the_kernel(tmp_path, store_template, shared_cache):
    """`kill -9` at an arbitrary moment, then --resume, in separate processes."""
    write_reviews(tmp_path / "data")
    settings = {**SMALL, "budget": {"trials": 2}, "baselines": ["majority"], "name": "killed"}
    (tmp_path / "e.yaml").write_text(yaml.safe_dump({"manifest": "data/manifest.yaml", **settings}))
    (tmp_path / "runs").mkdir()
    shutil.copyfile(store_template, tmp_path / "runs" / "mlflow.db")

    process = automm("search", "e.yaml", cwd=tmp_path)
    deadline = time.monotonic() + 120
    while not list(tmp_path.glob("runs/killed/*/trials.jsonl")) and process.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    time.sleep(int.from_bytes(os.urandom(2), "big") / 65535 * 4)  # somewhere in the first trials
    process.send_signal(signal.SIGKILL)
    process.communicate()
    (run,) = all_runs(tmp_path / "runs")
    before = (run.folder / "trials.jsonl").read_bytes()
    finished = before[: before.rfind(b"\n") + 1]

    resumed = automm("search", "--resume", "latest", cwd=tmp_path)
    output = resumed.communicate(timeout=240)
    assert resumed.returncode == 0, output
    assert (run.folder / "trials.jsonl").read_bytes().startswith(finished), "a finished line was lost"
    candidates = run.candidates()
    names = [candidate.name for candidate in candidates]
    assert names == ["majority", "trial-001", "trial-002"]
    assert len(set(points(run))) == 3

    from mlflow.tracking import MlflowClient

    client = MlflowClient(f"sqlite:///{tmp_path}/runs/mlflow.db")
    experiment = client.get_experiment_by_name("killed").experiment_id
    everything = client.search_runs([experiment])
    children = [other for other in everything if other.data.tags["automm.kind"] != "search"]
    told = [child.data.tags["automm.name"] for child in children if child.data.tags["automm.name"]]
    assert sorted(told) == names, "MLflow has a candidate twice, or not at all"
    assert not [other for other in everything if other.info.status == "RUNNING"]
    assert len([other for other in everything if other.data.tags["automm.kind"] == "search"]) == 1


def test_a_run_goes_on_where_the_folder_of_its_encoder_is_now(search, trials_only, tmp_path):
    from tiny_presets import text_preset

    from automm.deliver.bundle import whole_model

    before, now = tmp_path / "before", tmp_path / "now"
    text_preset("bert", before)
    settings = (f"encoders.text={before}", *BARE)
    run = search(*settings, "budget.trials=1")
    before.rename(now)
    resumed = search(*settings, f"encoders.moved={{{before}: {now}}}", "budget.trials=2", resume=run)
    assert statuses(resumed)[-1] == ("trial-002", COMPLETED)
    assert yaml.safe_load((run.folder / "config.yaml").read_text())["encoders"]["moved"] == {str(before): str(now)}
    kept = [candidate.name for candidate in run.candidates() if run.model_path(candidate.name).is_file()]
    assert kept
    for name in kept:
        whole_model(run, name)  # reads the encoder's weights
