"""What stands for a finalist on the other folds."""

from types import SimpleNamespace

import pytest

from automm.search.cross_validate import parts_of
from automm.tracking.runs import COMPLETED, Candidate


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
def test_a_candidate_of_tier_2_is_the_one_that_it_was_made_from(name, parts, frozen):
    assert parts_of(search(TRIAL, TUNED, ("late_average", "baseline", {})), name) == (parts, frozen)


def test_an_ensemble_is_the_mean_of_its_members():
    shares = {"ensemble/trial-001": 0.25, "ensemble/trial-001-tuned": 0.25, "ensemble/late_average": 0.5}
    parts, frozen = parts_of(search(TRIAL, TUNED, ("ensemble-001", "ensemble", shares)), "ensemble-001")
    assert parts == pytest.approx({"trial-001": 0.5, "text_only": 0.25, "image_only": 0.25})
    assert frozen
