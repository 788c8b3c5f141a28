"""Tier 2 on tiny encoders: its trained layers, its evaluation, and its candidates."""

import shutil
import time

import keras
import numpy as np
import pytest
from kept_answers import FLOAT16, kept_answers
from samples import always_win

from automm.deliver.bundle import load_bundle, whole_model
from automm.deliver.export import export_candidate
from automm.deliver.predict import predict_file
from automm.models.average import average, members_of
from automm.models.packing import unwrap
from automm.tracking.run_folder import COMPLETED, MEMBER, Run

# A trial reads its text by [CLS] at both places, with a schedule that tier 2 does not have, and its pictures before the
# upper half of their encoder, which then has none.
READ = (
    "space.text.readout=cls",
    "space.text.layer=last_and_two_thirds",
    "space.image.readout=gem",
    "space.image.stage=two_thirds",
    "space.training.schedule=cosine",
    "space.training.weight_decay=3.0",
)
FOLDS = (*READ, "evaluation={folds: 2}", "baselines=[concatenation, logistic_both]", "budget.trials=1", "ensemble=true")
TUNED = (*FOLDS, "tier2.finalists=2", "tier2.epochs=1")
STILL = ("tier2.learning_rate=1.0e-12", "tier2.encoder_rate=1.0e-12")


@pytest.fixture(autouse=True)
def quick(request):
    request.getfixturevalue("eager")


@pytest.fixture(scope="module")
def tuned(tmp_path_factory, experiment_file, shared_cache):
    """A run with two finalists fine-tuned and an ensemble of both tiers."""
    import tensorflow as tf
    from conftest import SilentReporter

    from automm.config.experiment import load_experiment
    from automm.search.run import run_search
    from automm.tracking.protocol import NoTracker

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AUTOMM_CACHE_DIR", str(shared_cache))
        always_win(patch)
        tf.config.run_functions_eagerly(True)
        experiment = load_experiment(experiment_file, TUNED)
        run = run_search(experiment, tmp_path_factory.mktemp("tuned"), NoTracker(), SilentReporter())
    return run


def named(run):
    return {candidate.name: candidate for candidate in run.candidates()}


def test_each_fine_tuned_finalist_has_its_own_record(tuned):
    candidates = named(tuned)
    for name in ("concatenation", "trial-001"):
        before, after = candidates[name], candidates[f"{name}-tuned"]
        assert (after.status, after.kind, after.tier) == (COMPLETED, "fine-tuned", 2)
        assert after.evaluation == before.evaluation == "2 folds"
        assert after.trainable_parameters > before.trainable_parameters
        assert after.parameters > before.parameters  # an upper half for each fold
        assert len(tuned.predictions(after.name)) == len(tuned.predictions(name))


def test_the_encoders_upper_halves_have_moved_and_the_heads_were_copied(tuned):
    first, second = members_of(keras.saving.load_model(tuned.model_path("concatenation-tuned"), compile=False))
    for part in ("text_upper", "image_upper"):
        pairs = zip(first.get_layer(part).get_weights(), second.get_layer(part).get_weights(), strict=True)
        assert any(np.abs(one - other).max() > 0 for one, other in pairs), part
    before = members_of(keras.saving.load_model(tuned.model_path("concatenation"), compile=False))[0]
    after = first.get_layer(before.name)
    for one, other in zip(before.weights, after.weights, strict=True):
        assert np.abs(np.asarray(one) - np.asarray(other)).max() < 0.1


def test_the_ensemble_may_combine_both_tiers(tuned):
    values = named(tuned)["ensemble-001"].hyperparameters
    members = {name.removeprefix(MEMBER) for name in values if name.startswith(MEMBER)}
    assert members <= {"concatenation", "logistic_both", "trial-001", "concatenation-tuned", "trial-001-tuned"}


def test_a_whole_model_of_both_tiers_is_the_mean_of_both(tuned, tmp_path):
    """Both share a lower half: frozen heads read the pre-trained upper half's outputs for its states."""
    run = Run(shutil.copytree(tuned.folder, tmp_path / "runs" / "tiny" / tuned.name))
    names = ("concatenation", "concatenation-tuned")
    parts = [keras.saving.load_model(run.model_path(name), compile=False) for name in names]
    average(parts, name="member").save(run.model_path("both"))
    both, *alone = (whole_model(run, name) for name in ("both", *names))
    rng = np.random.default_rng(0)
    ids = np.array([[2, 5, 6, 3] + [0] * 12, [2, 7, 8, 9] + [10] * 11 + [3]], np.int32)
    raw = {
        "token_ids": ids,
        "padding_mask": (ids > 0).astype(np.int32),
        "text_mask": np.ones(2, np.float32),
        "images": rng.integers(0, 256, (2, 2, 16, 16, 3), dtype=np.uint8),
        "image_mask": np.array([[1, 1], [1, 0]], np.float32),
    }
    expected = np.mean([np.asarray(model(raw, training=False)) for model in alone], axis=0)
    np.testing.assert_allclose(np.asarray(both(raw, training=False)), expected, atol=1e-5)
    assert both.count_params() < sum(model.count_params() for model in alone), "the encoders are there twice"


@pytest.mark.parametrize("name", ["concatenation-tuned", "ensemble-001"])
def test_a_raw_review_gives_the_probabilities_of_the_search(tuned, reviews, tmp_path, name):
    import json

    export_candidate(tuned, name, tmp_path / "bundle", "keras")
    predict_file(load_bundle(tmp_path / "bundle"), reviews, tmp_path / "p.jsonl")
    lines = [json.loads(line) for line in (tmp_path / "p.jsonl").read_text().splitlines()]
    saved = kept_answers(tuned)
    expected = dict(zip(saved["ids"], saved[name], strict=True))
    labels = tuned.read("manifest.json")["labels"]
    for line in lines:
        if line["id"] in expected:
            given = [line["probabilities"][label] for label in labels]
            np.testing.assert_allclose(given, expected[line["id"]], **FLOAT16)


@pytest.mark.usefixtures("trials_only")
@pytest.mark.slow
def test_onnx_of_a_fine_tuned_encoder_gives_the_same_probabilities(tuned, tmp_path):
    import onnxruntime
    import tensorflow as tf

    tf.config.run_functions_eagerly(False)  # a conversion traces the model
    name = "concatenation-tuned"
    export_candidate(tuned, name, tmp_path / "onnx", "onnx")
    session = onnxruntime.InferenceSession(tmp_path / "onnx" / "model.onnx")
    rng = np.random.default_rng(0)
    model = whole_model(tuned, name)
    arrays = {
        tensor.name: rng.integers(0, 2, (5, *[size or 16 for size in tensor.shape[1:]])) for tensor in model.inputs
    }
    arrays = {tensor.name: arrays[tensor.name].astype(tensor.dtype) for tensor in model.inputs}
    (exported,) = session.run(None, arrays)
    np.testing.assert_allclose(exported, np.asarray(model(arrays, training=False)), atol=1e-5)


def test_without_a_step_nothing_changes_and_the_tier_has_its_share_of_time(search, monkeypatch):
    """With rates of zero, the fine-tunable model on states equals the suffix on features."""
    from automm.search.candidates import fine_tuned

    deadlines = []
    always_win(monkeypatch)
    inner = fine_tuned.train
    monkeypatch.setattr(fine_tuned, "train", lambda *a, **k: (deadlines.append(k["deadline"]), inner(*a, **k))[1])
    began = time.monotonic()
    run = search(*FOLDS, *STILL, "tier2.finalists=1", "tier2.epochs=1", "tier2.share=0.25", "budget.time=1h")
    deadline, same = deadlines
    assert deadline == same
    assert began < deadline <= time.monotonic() + 0.25 * 3600
    (name,) = [candidate.name for candidate in run.candidates() if candidate.kind == "fine-tuned"]
    np.testing.assert_allclose(run.predictions(name), run.predictions(name.removesuffix("-tuned")), atol=1e-5)
    model = unwrap(keras.saving.load_model(run.model_path(name), compile=False))
    states = {"text@tiny-bert:lower", "text@tiny-bert:token_mask", "image@tiny-cnn:lower"}
    assert {tensor.name for tensor in model.inputs} == states | {"text_mask", "image_mask"}


@pytest.mark.slow
def test_a_resumed_run_tunes_no_candidate_twice(tuned, search, tmp_path):
    run = Run(shutil.copytree(tuned.folder, tmp_path / "runs" / "tiny" / tuned.name))
    before = [candidate.name for candidate in run.candidates()]
    search(*TUNED, resume=run)
    assert [candidate.name for candidate in run.candidates()] == before


@pytest.mark.usefixtures("trials_only")
def test_nothing_is_tuned_without_trials(search):
    run = search(*FOLDS, "budget.trials=0", "tier2.finalists=1", "baselines=[concatenation]", "training.epochs=1")
    assert [candidate.name for candidate in run.candidates()] == ["concatenation"]


def test_a_candidate_without_upper_layers_is_left_out_and_logged(caplog, monkeypatch):
    """None of its layers would be trained; those of 'x' cannot be cut off."""
    from types import SimpleNamespace

    from automm.errors import ConfigError
    from automm.search.finalists import fine_tune
    from automm.tracking.run_folder import Candidate

    def candidate(name, layer, stage):
        return Candidate(name, "trial", COMPLETED, 1, {"text/layer": layer, "image/stage": stage})

    ranked = [
        candidate("a", "two_thirds", "two_thirds"),
        candidate("x", "last", "last"),
        candidate("b", "two_thirds", "last"),
        candidate("c", "two_thirds", "two_thirds"),
        candidate("d", "last_and_two_thirds", "two_thirds"),
        candidate("e", "two_thirds", "two_thirds"),
    ]
    caplog.set_level("INFO", "automm")

    def lower_halves(name):
        if name == "x":
            raise ConfigError("encoder 'albert' runs the same weights")

    monkeypatch.setattr(fine_tune, "members_of", lambda model: [model])
    bench = SimpleNamespace(saved=lambda name: name, encoders_of=lambda model: model, lower_halves=lower_halves)
    search = SimpleNamespace(ranking=SimpleNamespace(trained=lambda: ranked), candidates=ranked, bench=bench)
    assert [found.name for found in fine_tune.candidates_to_tune(search, 2)] == ["b", "d"]
    assert [record.args[0] for record in caplog.records] == ["a", "x", "c"]
    assert "x is not fine-tuned: encoder 'albert' runs the same weights" in caplog.text
