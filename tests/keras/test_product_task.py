"""A label that depends on the product of the modalities: a small version of experiments/product_task.py."""

import runpy
from pathlib import Path

import pytest

TASK = runpy.run_path(str(Path(__file__).parents[2] / "experiments" / "product_task.py"))


@pytest.mark.parametrize(("operator", "low", "high"), [("concatenation", 0.4, 0.6), ("bilinear", 0.85, 1.0)])
def test_a_linear_head_needs_a_multiplicative_fusion(operator, low, high):
    assert low < TASK["accuracy"](operator, 0, 1, learn=1000, epochs=15) < high
