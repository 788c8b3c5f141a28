"""Which candidate of a run is exported, and that no other than a measured model is exported without a word."""

import sys
from types import SimpleNamespace

import pytest
from typer.testing import CliRunner

from automm.cli import runs as commands
from automm.cli.app import app
from automm.deliver.checks import choose_candidate
from automm.errors import NotFoundError
from automm.tracking.run_folder import COMPLETED, PARITY, Candidate, Run

SAME = {"difference": 1e-7, "tolerance": 1e-5, "exported": True}
OTHER = {"difference": 0.01, "tolerance": 1e-5, "exported": False}
SCORES = {"trial-001": 0.9, "trial-002": 0.8, "trial-003": 0.7, "concatenation": 0.6}


@pytest.fixture
def run(tmp_path):
    """A run of four candidates; the weights of the third were deleted."""
    made = Run(tmp_path / "runs" / "demo" / "20250101-120000-abcdef")
    made.candidates_folder.mkdir(parents=True)
    (made.folder / "config.yaml").write_text("manifest: m.yaml\n")
    for name, score in SCORES.items():
        made.append(Candidate(name, name.partition("-")[0], COMPLETED, score=score, objective="val_macro_f1"))
        if name != "trial-003":
            made.model_path(name).write_bytes(b"")
    return made


def test_refusals_of_a_search_without_a_result_are_known(run):
    run.write(PARITY, {"trial-001": OTHER})
    run.reopen()
    assert choose_candidate(run, None).name == "trial-002"
    with pytest.raises(NotFoundError, match=r"'trial-001'.* differ by 1.0e-02.*exported: concatenation, trial-002"):
        choose_candidate(run, "trial-001")


def test_older_runs_have_refusals_in_their_result(run):
    run.write("result.json", {"parity": {"trial-001": OTHER}})
    assert choose_candidate(run, None).name == "trial-002"


def test_the_best_of_those_that_can_be_exported(run):
    run.write(PARITY, {"trial-001": OTHER, "trial-002": OTHER})
    assert choose_candidate(run, None).name == "concatenation", "the weights of trial-003 were deleted"
    with pytest.raises(NotFoundError, match=r"of 'trial-003' were deleted.*exported: concatenation$"):
        choose_candidate(run, "trial-003")


def test_nothing_can_be_exported(run):
    run.write(PARITY, dict.fromkeys(("trial-001", "trial-002", "concatenation"), OTHER))
    with pytest.raises(NotFoundError, match=r"'trial-001'.* differ by .* No other can be exported"):
        choose_candidate(run, None)


@pytest.mark.parametrize(("name", "said"), [("trial-001", False), ("concatenation", True)])
def test_the_export_of_a_model_that_was_not_compared_says_so(run, monkeypatch, tmp_path, name, said):
    export = SimpleNamespace(export_candidate=lambda run, name, *more: choose_candidate(run, name))
    monkeypatch.setitem(sys.modules, "automm.deliver.export", export)
    monkeypatch.setattr(commands, "import_tensorflow", lambda: None)
    run.write(PARITY, {"trial-001": SAME})
    words = ["export", str(run.folder), "--trial", name, "--to", str(tmp_path / "bundle")]
    done = CliRunner().invoke(app, words, catch_exceptions=False)
    assert done.exit_code == 0
    assert ("its whole model was not compared with" in done.stderr) == said
