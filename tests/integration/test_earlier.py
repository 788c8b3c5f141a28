"""Run folders and bundles of an earlier commit still load, resume and predict.

tests/fixtures/earlier.zip holds the reviews of `samples.write_reviews`, the run folder of a search of one trial over
them, a bundle of that trial, and what the bundle predicted for the reviews (predictions.jsonl), all written by commit
c74d49d. `@ROOT@` replaces the path of their folder.
"""

import json
import shutil
import zipfile
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import keras
import pytest
from kept_answers import FLOAT16, kept_answers

from automm.config.experiment import Experiment, load_experiment
from automm.deliver.bundle import load_bundle, whole_model
from automm.deliver.export import export_candidate
from automm.deliver.predict import predict_file
from automm.evaluate.leaderboard import leaderboard
from automm.models.baselines import LOW_RANK_BILINEAR
from automm.search.baselines import baseline
from automm.search.run import run_search
from automm.tasks.registry import TASKS
from automm.tracking.run_folder import COMPLETED, Run

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


def assert_same(found: dict[str, list[float]], expected: dict[str, list[float]], rtol: float = 1e-6) -> None:
    assert found.keys() == expected.keys()
    for identity, values in expected.items():
        assert found[identity] == pytest.approx(values, rel=rtol, abs=1e-5), identity


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
    experiment = load_experiment(earlier / "data" / "tiny.yaml", ["budget.trials=2", "evidence=0"])
    before = Run(earlier / "runs" / "tiny" / "run").candidates()
    assert "treated" in Run(earlier / "runs" / "tiny" / "run").read("manifest.json")  # the key is `changes` now
    run = run_search(experiment, earlier / "runs", recorder, reporter, resume=Run(earlier / "runs" / "tiny" / "run"))
    assert run.candidates()[: len(before)] == before
    new = run.candidates()[len(before) :]
    assert {c.status for c in new} == {COMPLETED}
    # Its experiment file is from before `training.seeds`, which has a default.
    heads = {c.name for c in run.candidates() if c.history and c.kind in ("baseline", "trial")}
    assert [c.name for c in new if c.kind != "seed"] == ["trial-002"]
    assert {c.name for c in new if c.kind == "seed"} <= {f"{name}-seed-2" for name in heads}
    assert len(new) == 1 + min(3, len(heads))
    assert {c.proposed_by for c in before} == {""}


@pytest.mark.usefixtures("eager")
def test_its_suffixes_are_fine_tuned_and_join_new_ones_in_an_ensemble(earlier, recorder, reporter):
    """Their inputs have short names without an encoder, as if the run had been interrupted before its second tier."""
    run = Run(earlier / "runs" / "tiny" / "run")
    more = [
        "ensemble=true",
        "tier2.finalists=2",
        "tier2.epochs=1",
        "baselines.end_to_end=true",
        "training.seeds=1",
        "evidence=0",
    ]
    experiment = load_experiment(earlier / "data" / "tiny.yaml", more)
    (run.folder / "config.yaml").write_text(experiment.to_yaml())
    assert inputs_of(run, "trial-001") == {"text", "text_mask", "image", "image_mask"}
    run_search(experiment, earlier / "runs", recorder, reporter, resume=run)
    new = {candidate.name: candidate for candidate in run.candidates()[4:]}
    assert set(new) == {"end_to_end", "concatenation-tuned", "trial-001-tuned", "ensemble-001"}
    assert all(candidate.status == COMPLETED for candidate in new.values()), [c.error for c in new.values()]
    states = {"text@tiny-bert:lower", "text@tiny-bert:token_mask", "image@tiny-cnn:lower"}
    assert inputs_of(run, "trial-001-tuned") == states | {"text_mask", "image_mask"}
    assert all(compared["exported"] for compared in run.read("result.json")["parity"].values())
    for name in new:
        assert whole_model(run, name).count_params() == new[name].parameters


@pytest.mark.usefixtures("eager")
def test_its_run_is_resumed_with_candidates_that_read_words(earlier, recorder, reporter):
    run = Run(earlier / "runs" / "tiny" / "run")
    assert "words" not in run.read("manifest.json")
    names = "baselines.include=[majority, logistic_both, concatenation, bag_of_words]"
    experiment = load_experiment(earlier / "data" / "tiny.yaml", [names, "training.seeds=1", "evidence=0"])
    (run.folder / "config.yaml").write_text(experiment.to_yaml())
    run_search(experiment, earlier / "runs", recorder, reporter, resume=run)
    export_candidate(run, "bag_of_words", earlier / "words", "keras")
    predict_file(load_bundle(earlier / "words"), earlier / "data" / "reviews.jsonl", earlier / "now.jsonl")
    found = probabilities(earlier / "now.jsonl")
    tested = kept_answers(run)
    expected = dict(zip(tested["ids"].tolist(), tested["bag_of_words"].tolist(), strict=True))
    assert_same({identity: found[identity] for identity in expected}, expected, FLOAT16["rtol"])


def inputs_of(run: Run, name: str) -> set[str]:
    model = keras.saving.load_model(run.model_path(name), compile=False)
    return {tensor.name for tensor in model.inputs}


@pytest.fixture
def with_bilinear(earlier) -> Path:
    """The run with a candidate called `bilinear`, as the baseline `low_rank_bilinear` was called then."""
    run = Run(earlier / "runs" / "tiny" / "run")
    concatenation = next(candidate for candidate in run.candidates() if candidate.name == "concatenation")
    hyperparameters = {**concatenation.hyperparameters, "fusion/operator": "low_rank_bilinear"}
    run.append(replace(concatenation, name="bilinear", hyperparameters=hyperparameters))
    for path in (run.model_path, run.predictions_path):
        shutil.copy(path("concatenation"), path("bilinear"))
    config = run.folder / "config.yaml"
    config.write_text(config.read_text().replace("  - concatenation\n", "  - concatenation\n  - bilinear\n"))
    return earlier


def test_a_former_name_is_ranked_and_exported(with_bilinear):
    run = Run(with_bilinear / "runs" / "tiny" / "run")
    assert "bilinear" in {row["name"] for row in leaderboard(with_bilinear / "runs")}
    assert export_candidate(run, "bilinear", with_bilinear / "again", "keras").name == "bilinear"


@pytest.mark.usefixtures("eager")
@pytest.mark.parametrize("asked_for", ["bilinear", "low_rank_bilinear"])
def test_a_former_name_is_not_trained_again(with_bilinear, recorder, reporter, asked_for):
    run = Run(with_bilinear / "runs" / "tiny" / "run")
    names = f"baselines.include=[majority, logistic_both, concatenation, {asked_for}]"
    experiment = load_experiment(with_bilinear / "data" / "tiny.yaml", ["budget.trials=2", "evidence=0", names])
    before = run.candidates()
    run_search(experiment, with_bilinear / "runs", recorder, reporter, resume=run)
    new = run.candidates()[len(before) :]
    assert [candidate.name for candidate in new if candidate.kind != "seed"] == ["trial-002"]


@pytest.mark.parametrize("name", ["bilinear", "low_rank_bilinear"])
def test_a_finalist_with_a_former_name_is_trained_on_other_folds(name):
    """`finalists.folds` trains a baseline again under the name that its run has for it."""
    manifest = SimpleNamespace(towers=lambda inputs: ())
    experiment = Experiment(manifest=Path("manifest.yaml"))
    setup = SimpleNamespace(
        dataset=SimpleNamespace(manifest=manifest), task=TASKS["classification"], experiment=experiment
    )
    found = baseline(SimpleNamespace(setup=setup), name)
    assert (found.name, found.point, found.seed_name) == (name, LOW_RANK_BILINEAR, "bilinear")
