"""The candidates that replace a finalist on other folds."""

from types import SimpleNamespace

import keras
import numpy as np
import pytest
from small import SHAPES, SMALL

from automm.evaluate.decision import measured
from automm.models.average import LogMean, average, combine
from automm.search.finalists import folds
from automm.search.finalists.folds import base_candidates, suffix_of
from automm.tasks.registry import TASKS
from automm.tracking.run_folder import COMPLETED, Candidate


def search(*candidates):
    return SimpleNamespace(
        candidates=[Candidate(name, kind, COMPLETED, hyperparameters=h) for name, kind, h in candidates]
    )


TRIAL, TUNED = ("trial-001", "trial", {}), ("trial-001-tuned", "fine-tuned", {})


@pytest.mark.parametrize(
    ("name", "parts", "frozen"),
    [
        ("trial-001", {"trial-001": 1.0}, False),
        ("trial-001-tuned", {"trial-001": 1.0}, True),
        ("end_to_end", {"concatenation": 1.0}, True),
        ("late_average", {"text_only": 0.5, "image_only": 0.5}, False),
    ],
)
def test_a_candidate_of_tier_2_is_replaced_by_its_tier_1_candidate(name, parts, frozen):
    assert base_candidates(search(TRIAL, TUNED, ("late_average", "baseline", {})), name) == (parts, frozen)


def test_the_members_of_an_ensemble_are_replaced():
    shares = {"ensemble/trial-001": 0.25, "ensemble/trial-001-tuned": 0.25, "ensemble/late_average": 0.5}
    parts, frozen = base_candidates(search(TRIAL, TUNED, ("ensemble-001", "ensemble", shares)), "ensemble-001")
    assert parts == pytest.approx({"trial-001": 0.5, "text_only": 0.25, "image_only": 0.25})
    assert frozen


def model():
    x = keras.Input((2,), name="x")
    return keras.Model(x, keras.layers.Dense(2, activation="softmax")(x))


@pytest.mark.parametrize("members", [1, 2])
def test_an_ensemble_combines_and_decides_on_other_folds_as_on_the_searched_one(monkeypatch, members):
    """Two members are stacked; a single one is itself the mean of its fold models."""
    answers = {"trial-001": [[0.6, 0.4], [0.8, 0.2], [0.3, 0.7]], "trial-002": [[0.9, 0.1], [0.4, 0.6], [0.2, 0.8]]}
    answers = {name: np.array(rows, np.float32) for name, rows in list(answers.items())[:members]}
    saved = average([model(), model()])
    if members == 2:
        saved = combine([model(), model()], [LogMean([0.5, 1.5], [0.0, 0.1])], name="member")
    ensemble = ("ensemble-002", "ensemble", dict.fromkeys([f"ensemble/{name}" for name in answers], 1.0))
    found = search(TRIAL, ("trial-002", "trial", {}), ensemble)
    found.candidates[-1].decision = [0.0, -1.5]
    found.bench = SimpleNamespace(saved={"ensemble-002": saved}.__getitem__)
    found.setup = SimpleNamespace(experiment=SimpleNamespace(objective="val_macro_f1"))
    targets, task, written = np.array([1, 0, 1]), TASKS["classification"], {}
    run = SimpleNamespace(read=lambda name: {}, write=lambda name, content: written.update(content["test"]))
    inner = SimpleNamespace(run=run, setup=SimpleNamespace(task=task, targets=lambda split: targets))
    monkeypatch.setattr(folds, "_answers", lambda search, inner, name: answers[name])
    folds._measure(found, inner, 2, "ensemble-002")
    scores = sum(weight * np.log(answers[name]) for name, weight in zip(answers, [0.5, 1.5], strict=False))
    expected = answers["trial-001"]
    if members == 2:
        expected = np.exp(scores + np.array([0.0, 0.1]))
        expected /= expected.sum(axis=1, keepdims=True)
    decided = np.log(expected) + np.array([0.0, -1.5])
    assert (decided.argmax(axis=1) != expected.argmax(axis=1)).any()
    assert written["ensemble-002"] == pytest.approx(measured(task, targets, expected, decided), abs=1e-6)


@pytest.mark.parametrize(
    ("choices", "inputs"),
    [
        ({}, {"text", "image"}),
        ({"image/readout": "gem"}, {"text", "image_gem_last"}),
        ({"fusion/operator": "cross_attention"}, {"text_states_last", "token_mask", "image_cells_last"}),
        ({"image/source": "residual", "image/size": 8, "image/depth": 1, "image/filters": 2}, {"text", "images"}),
    ],
)
def test_a_suffix_is_built_for_the_read_outs_of_its_point(choices, inputs):
    sizes = {"text": (5, 4), "text_states_last": (9, 4), "image": (5, 3), "image_gem_last": (5, 3)}
    encoded = {name: np.zeros(shape) for name, shape in (sizes | {"image_cells_last": (5, 4, 3)}).items()}
    task = SimpleNamespace(shapes=SHAPES, features=SimpleNamespace(readout=encoded.__getitem__))
    suffix = suffix_of(task, {**SMALL, "image/augmentation": "none", **choices})
    assert {tensor.name for tensor in suffix.inputs} == inputs | {"text_mask", "image_mask"}
