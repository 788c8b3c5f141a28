"""The claims of comparisons on simulated units; experiments/comparison_simulations.py has 1,000 draws of each."""

import importlib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def simulations(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "experiments")
    return importlib.import_module("comparison_simulations")


@pytest.mark.parametrize("alike", [0.0, 0.9])
def test_intervals_cover_and_two_seeds_of_one_model_are_rarely_told_apart(simulations, alike):
    found = simulations.claims(300, simulations.Pair(alike=alike), "accuracy", 80)
    assert 0.92 <= found["coverage"] <= 0.985
    assert found["claims"] <= 0.08
    assert found["mcnemar over units"] <= 0.08


def test_a_real_gain_is_found_with_many_units(simulations):
    better = simulations.skill_with(0.08)
    found = simulations.claims(60, simulations.Pair(0.08), "accuracy", 400, skill=better, population=4000)
    assert found["claims"] > 0.9
    assert found["in the wrong direction"] == 0.0


def test_holm_keeps_the_claims_of_eight_comparisons_together(simulations):
    found = simulations.family(100, "accuracy", 80)
    assert found["any claim with Holm"] <= 0.12 < found["any claim"]
