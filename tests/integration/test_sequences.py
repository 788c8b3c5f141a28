"""Candidates that read whole sequences: trained, fine-tuned, combined and exported like all candidates."""

import json

import keras
import numpy as np
import pytest
from kept_answers import FLOAT16, kept_answers

from automm.deliver.bundle import load_bundle
from automm.deliver.export import export_candidate
from automm.deliver.predict import predict_file
from automm.models.average import members_of
from automm.tracking.run_folder import COMPLETED

pytestmark = pytest.mark.slow

OPERATORS = ("cross_attention", "bottleneck", "concatenation")


@pytest.fixture(scope="module")
def run(tmp_path_factory, experiment_file, shared_cache):
    """The three points of a space: two fusions of sequences, and one of vectors with an attention over tokens."""
    import tensorflow as tf
    from conftest import SilentReporter

    from automm.config.experiment import load_experiment
    from automm.search.run import run_search
    from automm.tracking.protocol import NoTracker

    settings = (
        "baselines=none",
        "budget.trials=3",
        "training.epochs=1",
        "ensemble=true",
        "tier2.finalists=3",
        "tier2.epochs=1",
        "space.fusion.operator=[cross_attention, bottleneck, concatenation]",
        "space.text.readout=attention",
        "space.text.layer=last",
        "space.image.readout=gem",
        "space.image.stage=two_thirds",
        "space.image.pooling=mean",
        "space.fusion.width=8",
        "space.label.layers=0",
        "space.label.dropout=0.0",
        "space.training.learning_rate=0.01",
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AUTOMM_CACHE_DIR", str(shared_cache))
        tf.config.run_functions_eagerly(True)
        found = run_search(
            load_experiment(experiment_file, settings), tmp_path_factory.mktemp("whole"), NoTracker(), SilentReporter()
        )
    yield found
    tf.config.run_functions_eagerly(False)


def inputs_of(run, name):
    return {
        tensor.name for tensor in members_of(keras.saving.load_model(run.model_path(name), compile=False))[0].inputs
    }


def test_each_kind_was_trained_and_its_suffix_has_its_inputs(run):
    candidates = {candidate.name: candidate for candidate in run.candidates()}
    assert all(candidate.status == COMPLETED for candidate in candidates.values()), [
        candidate.error for candidate in candidates.values()
    ]
    trials = [candidate for candidate in candidates.values() if candidate.kind == "trial"]
    assert {candidate.point["fusion/operator"] for candidate in trials} == set(OPERATORS)
    for candidate in trials:
        whole = candidate.point["fusion/operator"] != "concatenation"
        names = {"text@tiny-bert:states", "text@tiny-bert:token_mask", "text_mask", "image_mask"}
        pictures = f"image@tiny-cnn:{'cells' if whole else 'gem'}@two_thirds"
        assert inputs_of(run, candidate.name) == names | {pictures}
        assert ("text/readout" in candidate.point) == (not whole)
    assert {f"{candidate.name}-tuned" for candidate in trials} < set(candidates)


def test_a_raw_review_gives_the_probabilities_of_the_search(run, reviews, tmp_path):
    labels = run.read("manifest.json")["labels"]
    finalists = run.read("result.json")["finalists"]
    saved = kept_answers(run)
    for name in finalists:
        export_candidate(run, name, tmp_path / name, "keras")
        predict_file(load_bundle(tmp_path / name), reviews, tmp_path / f"{name}.jsonl")
        expected = dict(zip(saved["ids"], saved[name], strict=True))
        for line in map(json.loads, (tmp_path / f"{name}.jsonl").read_text().splitlines()):
            if line["id"] in expected:
                given = [line["probabilities"][label] for label in labels]
                np.testing.assert_allclose(given, expected[line["id"]], **FLOAT16)


def test_a_whole_model_agrees_with_its_suffix(run):
    assert all(compared["exported"] for compared in run.read("result.json")["parity"].values())
