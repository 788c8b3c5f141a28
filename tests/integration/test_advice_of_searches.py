"""What searches and commands about their runs say to do, done, leads on."""

import hashlib
import json
import shlex
import shutil

import pytest
import yaml
from advice import advises, hear
from commands import run
from toy_task import Price

from automm.config.experiment import load_experiment
from automm.deliver.checks import read_bundle_json
from automm.deliver.export import export_candidate
from automm.errors import AutommError
from automm.tasks.registry import TASKS
from automm.tracking.mlflow_tracker import MlflowTracker
from automm.tracking.run_folder import Run, all_runs

pytestmark = pytest.mark.usefixtures("eager")

QUICK = ("--trials", 0, "--set", "baselines=[concatenation]", "--set", "training.epochs=1")


@pytest.fixture
def here(tmp_path, monkeypatch, experiment_file, reviews, store_template):
    """The working directory of the commands, with the experiment, its data, and an empty store of `elsewhere`."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(reviews.parent, tmp_path / "data")
    (tmp_path / "elsewhere").mkdir()
    shutil.copyfile(store_template, tmp_path / "elsewhere" / "mlflow.db")
    return tmp_path


@pytest.fixture
def bundle(searched, here):
    export_candidate(searched.run, "concatenation", here / "model")
    return here / "model"


def command(text, begin, **words):
    """Return the words of the command in a message that begins with some words, with values in place of others."""
    line = text[text.index(begin) :].split("\n")[0].split("   or   ")[0]
    for word, value in words.items():
        line = line.replace(word, str(value))
    return shlex.split(line)[1:]


def done(*words):
    code, said = run(*words)
    assert code == 0, said
    return said


@advises(
    "Start one: automm search MANIFEST{}",
    "automm export {} --to model/{} or automm ui{}",
    "automm predict {} REVIEWS --to predictions.jsonl",
)
def test_from_no_run_to_predictions(here, monkeypatch):
    monkeypatch.setattr("automm.tracking.mlflow_server.serve", lambda *store: 0)
    commands = [("leaderboard",), ("export", "latest", "--to", "model"), ("ui",)]
    for words in commands[:2]:
        said = run(*words, "--runs-dir", "elsewhere")[1]
        hear(said, "Start one: automm search MANIFEST{}")
    (here / "elsewhere" / "mlflow.db").rename(here / "kept.db")
    hear(run("ui", "--runs-dir", "elsewhere")[1], "Start one: automm search MANIFEST{}")
    (here / "kept.db").rename(here / "elsewhere" / "mlflow.db")
    said = done(*command(said, "automm search", MANIFEST="data/tiny.yaml"), *QUICK)
    for words in commands:
        assert run(*words, "--runs-dir", "elsewhere")[0] == 0
    hear(" ".join(said.split()), "automm export {} --to model/{} or automm ui{}")
    shutil.rmtree(here / "model")
    done("ui", *said.split("automm ui")[1].split())
    said = done(*command(said, "automm export"))
    hear(said, "automm predict {} REVIEWS --to predictions.jsonl")
    done(*command(said, "automm predict", REVIEWS="data/manifest.yaml"))
    assert len((here / "predictions.jsonl").read_text().splitlines()) == 60


@advises("Write one: automm export RUN --to DIR", "Export the bundle again")
def test_a_bundle_is_exported(searched, here):
    words = ("predict", "model", "data/manifest.yaml", "--to", "out.jsonl")
    said = run(*words)[1]
    hear(said, "Write one: automm export RUN --to DIR")
    done(*command(said, "automm export", RUN=searched.run.folder, DIR="model"))
    done(*words)
    for change in (spoil, partial_format):
        change(here / "model")
        hear(run(*words)[1], "Export the bundle again")
        shutil.rmtree(here / "model")
        done("export", searched.run.folder, "--to", "model")
        done(*words)


def spoil(bundle):
    with (bundle / "model.keras").open("ab") as file:
        file.write(b"x")


def partial_format(bundle):
    rewrite(bundle, format=0)


def rewrite(bundle, **changes):
    """Write another bundle.json, with its digest, as another version of automm would."""
    file, sums = bundle / "bundle.json", bundle / "SHA256SUMS"
    before = hashlib.sha256(file.read_bytes()).hexdigest()
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))
    sums.write_text(sums.read_text().replace(before, hashlib.sha256(file.read_bytes()).hexdigest()))


@advises("Install the automm that exported the bundle")
def test_a_bundle_of_another_version(bundle, monkeypatch):
    reading = read_bundle_json(bundle)["reading"]
    rewrite(bundle, reading=reading | {"task": "price"})
    with pytest.raises(AutommError) as caught:
        read_bundle_json(bundle)
    hear(str(caught.value), "Install the automm that exported the bundle")
    monkeypatch.setitem(TASKS, "price", Price())  # its version has this task
    assert read_bundle_json(bundle)["reading"]["task"] == "price"


@advises("Correct the errors above and run it again", "automm predict BUNDLE {}", "Use the effects instead")
def test_predictions(bundle, here):
    new = here / "new.jsonl"
    lines = [
        {"id": f"n{n}", "text": ["a lovely thing", "an awful one"][n % 2] + f" {n}", "photos": []} for n in range(20)
    ]
    new.write_text("".join(json.dumps({**line, "text": {"no": "text"}}) + "\n" for line in lines))
    hear(run("predict", bundle, new, "--to", "out.jsonl")[1], "Correct the errors above and run it again")
    new.write_text("".join(json.dumps(line) + "\n" for line in lines))
    said = done("init", new, "--label", "none")
    hear(said, "automm predict BUNDLE {}")
    said = done(*command(said, "automm predict", BUNDLE=bundle), "--to", "out.jsonl", "--explain")
    hear(said, "Use the effects instead")
    predictions = [json.loads(line) for line in (here / "out.jsonl").read_text().splitlines()]
    assert all(isinstance(one["modalities"]["text"], float) for one in predictions)


@advises("Export the same model with named inputs: --trial concatenation")
def test_a_packed_model_is_exported_with_named_inputs(searched, here):
    pytest.importorskip("tf2onnx")
    words = ("export", searched.run.folder, "--format", "onnx", "--to", "onnx")
    said = run(*words, "--trial", "packed_concatenation")[1]
    hear(said, "Export the same model with named inputs: --trial concatenation")
    done(*words, *said.split("named inputs: ")[1].split())
    assert (here / "onnx" / "model.onnx").is_file()


@advises("Install the weights of the search")
def test_the_weights_of_the_search_are_installed(searched, here):
    copy = Run(shutil.copytree(searched.run.folder, here / "runs" / "tiny" / searched.run.name))
    content = (copy.folder / "manifest.json").read_text()
    (fingerprint, *_) = {one["fingerprint"] for one in entries(json.loads(content)["encoders"])}
    (copy.folder / "manifest.json").write_text(content.replace(fingerprint, "of other weights"))
    words = ("export", searched.run.name, "--trial", "concatenation", "--to", "model")
    hear(run(*words)[1], "Install the weights of the search")
    (copy.folder / "manifest.json").write_text(content)
    done(*words)


def entries(node):
    """Yield the parts of a JSON value that have a fingerprint."""
    children = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    if isinstance(node, dict) and "fingerprint" in node:
        yield node
    for child in children:
        yield from entries(child)


@advises("Start a new run")
def test_a_new_run_of_changed_data(here):
    (here / "runs").mkdir()
    shutil.copyfile(here / "elsewhere" / "mlflow.db", here / "runs" / "mlflow.db")
    done("search", "data/tiny.yaml", *QUICK)
    records = here / "data" / "reviews.jsonl"
    records.write_text(records.read_text().replace("lovely", "splendid", 1))
    hear(run("search", "--resume", "latest")[1], "Start a new run")
    done("search", "data/tiny.yaml", *QUICK)
    assert len(list(all_runs(here / "runs"))) == 2


@advises("When MLflow can be reached again, run automm sync {}{}")
def test_mlflow_gets_what_it_missed(here, monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with monkeypatch.context() as patch:
        patch.setattr("automm.tracking.mlflow_server.tracking_uri", lambda *chosen: "http://127.0.0.1:9")
        said = done("search", "data/tiny.yaml", "--runs-dir", "elsewhere", *QUICK)
    hear(said, "When MLflow can be reached again, run automm sync {}{}")
    monkeypatch.delenv("MLFLOW_TRACKING_URI")  # MLflow has set it in this process
    said = done(*command(said, "automm sync"))
    assert "has all 1 candidates" in said


@advises("Export it: automm export %s --trial %s --to DIR")
def test_a_model_that_mlflow_missed_is_exported(here, store, reporter, monkeypatch):
    """The store ends its outage after the temporary folder of the bundle was removed."""
    from mlflow.tracking import MlflowClient

    from automm.search.run import run_search

    is_down, search_experiments, end = [], MlflowClient.search_experiments, MlflowTracker.end

    def dies(**model):
        is_down.append(True)
        raise ConnectionError("the store is gone")

    def answers(*given, **named):
        if is_down:
            raise ConnectionError("the store is gone")
        return search_experiments(*given, **named)

    def ends(tracker, *given):
        is_down.clear()
        end(tracker, *given)

    monkeypatch.setattr("mlflow.pyfunc.log_model", dies)
    monkeypatch.setattr(MlflowClient, "search_experiments", answers)
    monkeypatch.setattr(MlflowTracker, "end", ends)
    experiment = load_experiment(here / "data/tiny.yaml", ["budget.trials=0", "baselines=[concatenation]"])
    found = run_search(experiment, here / "runs", store(), reporter)
    said = (found.folder / "log.txt").read_text()
    hear(said, "Export it: automm export %s --trial %s --to DIR")
    done(*command(said, "automm export", DIR="model"))
    assert yaml.safe_load((here / "model" / "bundle.json").read_text())
