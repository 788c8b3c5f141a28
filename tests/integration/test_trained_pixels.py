"""CNNs trained from pixels and frozen encoders in one search: fine-tuned, combined and exported like all candidates."""

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

SOURCES = ("frozen", "convolution", "residual")
SETTINGS = (
    "baselines=none",
    "training.epochs=1",
    "evaluation={folds: 2}",  # so that models are cloned and averaged
    "space.image.size=8",
    "space.image.depth=2",
    "space.image.filters=2",
    "space.image.kernel=3",
    "space.image.augmentation=flip",
    "space.image.pooling=gated_attention",
    "space.fusion.operator=concatenation",
    "space.fusion.width=8",
    "space.label.layers=0",
    "space.label.dropout=0.0",
    "space.training.learning_rate=0.01",
)


@pytest.fixture(scope="module")
def searched_with(tmp_path_factory, experiment_file, shared_cache):
    """searched_with("budget.trials=3", ...) is a finished run of the tiny experiment with these settings."""
    import tensorflow as tf
    from conftest import SilentReporter

    from automm.config.experiment import load_experiment
    from automm.search.run import run_search
    from automm.tracking.protocol import NoTracker

    def search(*more):
        experiment = load_experiment(experiment_file, (*SETTINGS, *more))
        return run_search(experiment, tmp_path_factory.mktemp("pixels"), NoTracker(), SilentReporter())

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AUTOMM_CACHE_DIR", str(shared_cache))
        tf.config.run_functions_eagerly(True)
        yield search
        tf.config.run_functions_eagerly(False)


@pytest.fixture(scope="module")
def run(searched_with):
    """The three points of a space: all of them are finalists."""
    return searched_with("budget.trials=3", "space.image.source=[frozen, convolution, residual]")


def inputs_of(run, name):
    return {
        tensor.name for tensor in members_of(keras.saving.load_model(run.model_path(name), compile=False))[0].inputs
    }


def predicts_what_the_search_has(run, name, reviews, folder):
    labels = run.read("manifest.json")["labels"]
    export_candidate(run, name, folder, "keras")
    predict_file(load_bundle(folder), reviews, folder / "predictions.jsonl", explain=True)
    saved = kept_answers(run)
    expected = dict(zip(saved["ids"], saved[name], strict=True))
    lines = [*map(json.loads, (folder / "predictions.jsonl").read_text().splitlines())]
    assert any(line["pictures"] for line in lines)
    given = {line["id"]: [line["probabilities"][label] for label in labels] for line in lines}
    np.testing.assert_allclose([given[key] for key in expected], list(expected.values()), **FLOAT16)


def test_each_source_was_trained_and_its_suffix_has_its_inputs(run):
    candidates = run.candidates()
    assert all(candidate.status == COMPLETED for candidate in candidates), [c.error for c in candidates]
    assert {candidate.point["image/source"] for candidate in candidates} == set(SOURCES)
    for candidate in candidates:
        pictures = "image@tiny-cnn:average" if candidate.point["image/source"] == "frozen" else "images"
        assert inputs_of(run, candidate.name) == {"text@tiny-bert:mean", "text_mask", pictures, "image_mask"}
    scores = run.read("result.json")["missing"]["scores"]
    assert scores.keys() == {candidate.name for candidate in candidates}


def test_a_raw_review_gives_the_probabilities_of_the_search(run, reviews, tmp_path):
    (name,) = [candidate.name for candidate in run.candidates() if candidate.point["image/source"] == "convolution"]
    predicts_what_the_search_has(run, name, reviews, tmp_path / "bundle")
    card = (tmp_path / "bundle" / "MODEL_CARD.md").read_text()
    assert "picture encoder: a CNN trained on these reviews from random weights (`convolution`), 8 pixels" in card


def test_a_whole_model_agrees_with_its_suffix(run):
    assert all(compared["exported"] for compared in run.read("result.json")["parity"].values())


@pytest.mark.slow
def test_tier_2_trains_the_upper_half_of_the_text_encoder_and_the_cnn(searched_with, reviews, tmp_path):
    run = searched_with(
        "budget.trials=1",
        "space.image.source=residual",
        "tier2.finalists=1",
        "tier2.epochs=1",
        "ensemble=true",
    )
    candidates = run.candidates()
    assert [candidate.name for candidate in candidates] == ["trial-001", "trial-001-tuned", "ensemble-001"]
    assert all(candidate.status == COMPLETED for candidate in candidates), [c.error for c in candidates]
    tuned = {"text@tiny-bert:lower", "text@tiny-bert:token_mask", "text_mask", "images", "image_mask"}
    assert inputs_of(run, "trial-001-tuned") == tuned, "the model reads states of pictures"
    for name in ("trial-001-tuned", "ensemble-001"):
        predicts_what_the_search_has(run, name, reviews, tmp_path / name)
