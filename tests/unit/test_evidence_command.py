"""`automm evidence` in the process of the test; no training."""

import sys
from types import SimpleNamespace

import pytest
from commands import run
from samples import write_reviews

from automm.config.experiment import load_experiment
from automm.tracking.run_folder import Run, create_run

RESULT = {
    "best": "concatenation",
    "test": {"concatenation": {"macro_f1": 0.5, "accuracy": 0.6, "loss": 1.0}},
    "verdict": ["fold 2 differs"],
}


@pytest.fixture
def finished(tmp_path, monkeypatch) -> Run:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("automm.cli.evidence.import_tensorflow", lambda: None)
    found = create_run(tmp_path / "runs", "tiny", "0" * 64)
    manifest = write_reviews(tmp_path / "data", 24)
    (found.folder / "config.yaml").write_text(load_experiment(manifest).to_yaml())
    found.write("result.json", RESULT)
    return found


def computes(monkeypatch, complete):
    monkeypatch.setitem(sys.modules, "automm.search.evidence.later", SimpleNamespace(complete_evidence=complete))


def test_the_verdict_is_printed(finished, monkeypatch):
    def complete(found, experiment, reporter):
        assert (found.name, experiment.manifest.name) == (finished.name, "manifest.yaml")
        sections = {"learning_curve": {"sentence": "more reviews would help"}}
        found.write("result.json", {**RESULT, "evidence": sections})

    computes(monkeypatch, complete)
    code, said = run("evidence", "latest")
    assert code == 0
    lines = said.splitlines()[-5:]
    assert [line.partition(":")[0] for line in lines] == ["choice", "lead", "modalities", "more data", "caution"]
    assert lines[2] == f"modalities: not computed. Compute it: automm evidence {finished.name}"
    assert lines[3] == "more data: More reviews would help"


def test_an_interruption_names_the_command_that_continues(finished, monkeypatch):
    def complete(found, experiment, reporter):
        raise KeyboardInterrupt

    computes(monkeypatch, complete)
    code, said = run("evidence", finished.name)
    assert code == 130
    assert f"next: automm evidence {finished.name}" in said
