from types import SimpleNamespace

import keras
import numpy as np
import pytest
from small import SHAPES, SMALL

from automm.models import baselines
from automm.models.average import average, members_of
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


@pytest.fixture
def search(monkeypatch):
    """Return a function that makes a search; what it runs is in its `recorded`."""

    def make(*candidates, groups=3):
        recorded = []
        rows = SimpleNamespace(units=np.arange(60) % groups)
        monkeypatch.setattr(ensemble, "members_of_ensemble", lambda search: ["one", "another"])
        return SimpleNamespace(
            setup=SimpleNamespace(experiment=SimpleNamespace(ensemble=True), judged_rows=rows),
            candidates=candidates,
            budget=SimpleNamespace(trials_done=lambda: 3),
            runner=SimpleNamespace(run=lambda estimator: recorded.append(estimator.name)),
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
