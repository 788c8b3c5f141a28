from types import SimpleNamespace

import keras
import numpy as np
import pytest
from small import SHAPES, SMALL

from automm.evaluate.decision import biased, logs, softmax, tempered
from automm.models import baselines
from automm.models.average import (
    LogMean,
    WeightedMean,
    average,
    combine,
    combined,
    members_of,
    shares_of,
    with_decision,
    without_decision,
)
from automm.models.packing import pack, packed_layout
from automm.search.finalists import run_ensemble as ensemble
from automm.tracking.run_folder import COMPLETED, FAILED, KILLED, Candidate


def batch():
    rng = np.random.default_rng(0)
    return {
        "text": rng.normal(size=(5, 4)).astype(np.float32),
        "text_mask": np.ones(5, np.float32),
        "image": rng.normal(size=(5, 2, 3)).astype(np.float32),
        "image_mask": np.ones((5, 2), np.float32),
    }


def members(build, count=3):
    keras.utils.set_random_seed(1)
    return [build(SHAPES, SMALL) for _ in range(count)]


@pytest.mark.parametrize("weights", [None, [3.0, 1.0, 0.0]])
def test_the_average_is_the_mean_also_after_loading(tmp_path, weights):
    models = members(baselines.fused)
    expected = np.average([model(batch()).numpy() for model in models], axis=0, weights=weights)
    averaged = average(models, weights)
    averaged.save(tmp_path / "a.keras")
    loaded = keras.saving.load_model(tmp_path / "a.keras", compile=False)
    np.testing.assert_allclose(loaded(batch()).numpy(), expected, atol=1e-6)
    for one, other in zip(members_of(loaded), models, strict=True):
        np.testing.assert_allclose(one(batch()).numpy(), other(batch()).numpy(), atol=1e-6)


def test_the_average_of_packed_members_is_packed():
    plain, packed = (average(members(build)) for build in (baselines.fused, baselines.packed_concatenation))
    layout = packed_layout(packed)
    assert layout is not None
    np.testing.assert_allclose(packed(pack(batch(), layout)).numpy(), plain(batch()).numpy(), atol=1e-6)
    assert len(members_of(packed)) == 3


def test_a_single_member_is_returned_unchanged():
    (model,) = members(baselines.fused, 1)
    assert average([model]) is model
    assert members_of(model) == [model]


@pytest.mark.parametrize("build", [baselines.fused, baselines.packed_concatenation])
def test_a_stack_with_a_temperature_and_a_decision_after_loading(tmp_path, build):
    models, biases, decision = members(build), [0.3, -0.2, 0.1], [0.0, 0.4, -0.3]
    layout = packed_layout(models[0])
    given = batch() if layout is None else pack(batch(), layout)
    answers = [model(given).numpy() for model in models]
    scores = sum(share * logs(one) for share, one in zip([0.5, 1.0, 0.2], answers, strict=True))
    expected = tempered(softmax(scores + biases), 2.0)
    layers = [LogMean([0.5, 1.0, 0.2], biases, name="combination"), LogMean([0.5], [], name="label")]
    stacked = with_decision(combine(models, layers, name="member"), decision)
    stacked.save(tmp_path / "a.keras")
    loaded = keras.saving.load_model(tmp_path / "a.keras", compile=False)
    np.testing.assert_allclose(loaded(given)["probabilities"], expected, atol=1e-6)
    np.testing.assert_array_equal(loaded(given)["label"], biased(expected, decision).argmax(axis=1))
    plain = without_decision(loaded)
    np.testing.assert_allclose(plain(given), expected, atol=1e-6)
    assert (packed_layout(plain) is None) == (layout is None)
    assert len(members_of(plain)) == 3
    np.testing.assert_allclose(combined(plain, answers), expected, atol=1e-6)
    assert shares_of(plain) == pytest.approx([0.5 / 1.7, 1 / 1.7, 0.2 / 1.7])


def test_a_single_member_with_a_temperature():
    """Its fold models are no members of the ensemble."""
    folds = average(members(baselines.fused))
    expected = tempered(folds(batch()).numpy(), 4.0)
    model = combine([folds], [LogMean([0.25], [], name="label")], name="member")
    assert [len(members_of(one)) for one in (model, members_of(model)[0])] == [1, 3]
    np.testing.assert_allclose(model(batch()).numpy(), expected, atol=1e-6)
    np.testing.assert_allclose(combined(model, [folds(batch()).numpy()]), expected, atol=1e-6)


def test_members_that_read_the_same_features_share_the_input():
    models = members(baselines.fused)
    model = combine(models, [WeightedMean([1.0] * 3, name="label")], name="member")
    assert sorted(tensor.name for tensor in model.inputs) == sorted(batch())


@pytest.fixture
def search(monkeypatch):
    """Return a function that makes a search; what it runs is in its `recorded`."""

    def make(*candidates, groups=3, folds=5):
        recorded = []

        def run(estimator):
            recorded.append(estimator.name)
            return Candidate(estimator.name, "ensemble", COMPLETED, hyperparameters={"combiner/form": "stacked"})

        rows = SimpleNamespace(units=np.arange(60) % groups)
        monkeypatch.setattr(ensemble, "members_of_ensemble", lambda search: ["one", "another"])
        return SimpleNamespace(
            setup=SimpleNamespace(
                experiment=SimpleNamespace(ensemble=True, budget=SimpleNamespace(latency=None)),
                judged_rows=rows,
                folds=[None] * folds,
            ),
            candidates=candidates,
            budget=SimpleNamespace(trials_done=lambda: 3),
            runner=SimpleNamespace(run=run),
            recorded=recorded,
        )

    return make


@pytest.mark.parametrize(("status", "again"), [(KILLED, True), (COMPLETED, False), (FAILED, False)])
def test_an_interrupted_ensemble_is_made_when_the_search_is_resumed(search, status, again):
    made = search(Candidate("ensemble-003", "ensemble", status))
    ensemble.run_ensemble(made)
    assert made.recorded == ["ensemble-003"] * again


def test_of_too_few_groups_no_ensemble_is_made(search, caplog):
    made = search(groups=2)
    ensemble.run_ensemble(made)
    assert made.recorded == []
    assert "no ensemble is made: it needs 3 independent groups of reviews, and there are 2" in caplog.text


@pytest.mark.parametrize("folds", [1, 5])
def test_the_log_says_how_and_on_which_rows_the_ensemble_was_combined(search, caplog, folds):
    caplog.set_level("INFO")
    ensemble.run_ensemble(search(folds=folds))
    assert "ensemble-003: stacked" in caplog.text
    assert ("combined on the validation rows" in caplog.text) == (folds == 1)
