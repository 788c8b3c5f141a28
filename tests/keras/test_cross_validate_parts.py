"""The candidates that replace a finalist on other folds."""

from types import SimpleNamespace

import numpy as np
import pytest
from small import SHAPES, SMALL

from automm.search.finalists.folds import base_candidates, suffix_of
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


def test_an_ensemble_is_replaced_by_the_mean_of_its_members():
    shares = {"ensemble/trial-001": 0.25, "ensemble/trial-001-tuned": 0.25, "ensemble/late_average": 0.5}
    parts, frozen = base_candidates(search(TRIAL, TUNED, ("ensemble-001", "ensemble", shares)), "ensemble-001")
    assert parts == pytest.approx({"trial-001": 0.5, "text_only": 0.25, "image_only": 0.25})
    assert frozen


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
