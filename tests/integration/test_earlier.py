"""What version 0.1.0 wrote before its data was read anew still loads, resumes and predicts.

tests/fixtures/earlier.zip holds the reviews of `samples.write_reviews`, the run folder of a search of one trial over
them, a bundle of that trial, and what the bundle predicted for the reviews (predictions.jsonl), all written by commit
c74d49d. `@ROOT@` stands for the folder that they were in.
"""

import json
import zipfile
from pathlib import Path

import keras
import pytest

from automm.config.experiment import load_experiment
from automm.deliver.bundle import load_bundle, whole_model
from automm.deliver.export import export_candidate
from automm.deliver.predict import predict_file
from automm.search.run import run_search
from automm.tracking.runs import COMPLETED, Run

ARCHIVE = Path(__file__).parents[1] / "fixtures" / "earlier.zip"


@pytest.fixture
def earlier(tmp_path) -> Path:
    with zipfile.ZipFile(ARCHIVE) as archive:
        archive.extractall(tmp_path)
    for name in ("config.yaml", "manifest.json"):
        file = tmp_path / "runs" / "tiny" / "run" / name
        file.write_text(file.read_text().replace("@ROOT@", str(tmp_path)))
    return tmp_path


def probabilities(file: Path) -> dict[str, list[float]]:
    lines = map(json.loads, file.read_text().splitlines())
    return {line["id"]: list(line["probabilities"].values()) for line in lines}


def assert_same(found: dict[str, list[float]], expected: dict[str, list[float]]) -> None:
    assert found.keys() == expected.keys()
    for identity, values in expected.items():
        assert found[identity] == pytest.approx(values, abs=1e-5), identity


def test_its_bundle_predicts_the_same(earlier):
    predict_file(load_bundle(earlier / "bundle"), earlier / "data" / "reviews.jsonl", earlier / "now.jsonl")
    assert_same(probabilities(earlier / "now.jsonl"), probabilities(earlier / "predictions.jsonl"))


def test_its_run_is_read_and_exported_again(earlier):
    run = Run(earlier / "runs" / "tiny" / "run")
    assert [candidate.status for candidate in run.candidates()] == [COMPLETED] * 4
    assert whole_model(run, "concatenation").count_params() > 0
    export_candidate(run, "trial-001", earlier / "again", "keras")
    predict_file(load_bundle(earlier / "again"), earlier / "data" / "manifest.yaml", earlier / "now.jsonl")
    assert_same(probabilities(earlier / "now.jsonl"), probabilities(earlier / "predictions.jsonl"))


@pytest.mark.usefixtures("eager")
def test_its_run_is_resumed(earlier, recorder, reporter):
    experiment = load_experiment(earlier / "data" / "tiny.yaml", ["budget.trials=2"])
    before = Run(earlier / "runs" / "tiny" / "run").candidates()
    run = run_search(experiment, earlier / "runs", recorder, reporter, resume=Run(earlier / "runs" / "tiny" / "run"))
    assert run.candidates()[: len(before)] == before
    assert [(c.name, c.status) for c in run.candidates()[len(before) :]] == [("trial-002", COMPLETED)]


@pytest.mark.usefixtures("eager")
def test_its_suffixes_are_fine_tuned_and_join_new_ones_in_an_ensemble(earlier, recorder, reporter):
    """Their inputs have short names without an encoder, as if the run had been interrupted before its second tier."""
    run = Run(earlier / "runs" / "tiny" / "run")
    more = ["ensemble=true", "tier2.finalists=2", "tier2.epochs=1", "baselines.end_to_end=true"]
    experiment = load_experiment(earlier / "data" / "tiny.yaml", more)
    (run.folder / "config.yaml").write_text(experiment.to_yaml())
    assert inputs_of(run, "trial-001") == {"text", "text_mask", "image", "image_mask"}
    run_search(experiment, earlier / "runs", recorder, reporter, resume=run)
    new = {candidate.name: candidate for candidate in run.candidates()[4:]}
    assert set(new) == {"end_to_end", "concatenation-tuned", "trial-001-tuned", "ensemble-001"}
    assert all(candidate.status == COMPLETED for candidate in new.values()), [c.error for c in new.values()]
    states = {"text@tiny-bert:lower", "text@tiny-bert:token_mask", "image@tiny-cnn:lower"}
    assert inputs_of(run, "trial-001-tuned") == states | {"text_mask", "image_mask"}
    assert "differs from the suffix" not in (run.folder / "log.txt").read_text()
    for name in new:
        assert whole_model(run, name).count_params() == new[name].parameters


def inputs_of(run: Run, name: str) -> set[str]:
    model = keras.saving.load_model(run.model_path(name), compile=False)
    return {tensor.name for tensor in model.inputs}
