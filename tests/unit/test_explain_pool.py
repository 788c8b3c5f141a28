"""The arithmetic of experiments/explain_pool.py: which hyperparameters explain the scores of points."""

from pathlib import Path

import numpy as np
import pytest

EXPERIMENTS = Path(__file__).resolve().parents[2] / "experiments"


@pytest.fixture
def explain_pool(monkeypatch):
    monkeypatch.syspath_prepend(EXPERIMENTS)
    monkeypatch.setattr("sys.dont_write_bytecode", True)
    import explain_pool

    return explain_pool


def test_eta_squared_is_the_share_of_variance_between_choices(explain_pool):
    scores = np.array([[1.0, 3.0, 5.0, 7.0, 99.0], [2.0, 2.0, 2.0, 2.0, 0.0]])
    # Between: 2 * (2 - 4)^2 + 2 * (6 - 4)^2 = 16, in all 20. The last point has no such hyperparameter.
    np.testing.assert_allclose(explain_pool.explained(["a", "a", "b", "b", None], scores), [0.8, 0.0])


def test_residuals_are_without_the_effects_of_other_hyperparameters(explain_pool):
    first, second = [0, 0, 1, 1, None, None], ["a", "b"] * 3
    effects = np.array([0.0, 0.0, 5.0, 5.0, -2.0, -2.0])
    left = explain_pool.residuals([first], np.array([effects + [0.0, 1.0] * 3]))
    np.testing.assert_allclose(left, [[-0.5, 0.5] * 3], atol=1e-12)
    np.testing.assert_allclose(explain_pool.explained(second, left), [1.0])


def result_of(points, scores, pictures=(1, 0)):
    rng = np.random.default_rng(0)
    data = {
        f"set-{place}": {"pictures": count, "validation": [{"macro_f1": float(s + rng.normal(0, 0.1))} for s in scores]}
        for place, count in enumerate(pictures)
    }
    return {"points": points, "data": data}


def test_what_decides_is_first_and_what_is_noise_is_within_its_null(explain_pool, monkeypatch):
    monkeypatch.setattr(explain_pool, "SHUFFLES", 200)
    rng = np.random.default_rng(1)
    points = [
        {"rate": int(rng.integers(3)), "noise": int(rng.integers(3)), "fixed": 1, "image/stage": int(rng.integers(2))}
        for _ in range(60)
    ]
    result = result_of(points, [point["rate"] for point in points])
    rows = explain_pool.explain(result, "macro_f1")
    assert next(row["name"] for row in rows) == "rate"
    by_name = {row["name"]: row for row in rows}
    assert set(by_name) == {"rate", "noise", "image/stage"}
    assert (by_name["rate"]["share"] > 0.9, by_name["rate"]["p"] < 0.01) == (True, True)
    assert by_name["noise"]["p"] > 0.01
    assert by_name["image/stage"]["sets"] == 1  # the other set has no pictures
    assert by_name["rate"]["effects"]["2"] > by_name["rate"]["effects"]["1"] > by_name["rate"]["effects"]["0"]


def test_failed_points_and_data_sets_that_are_not_measured_are_left_out(explain_pool, monkeypatch):
    monkeypatch.setattr(explain_pool, "SHUFFLES", 20)
    points = [{"a": place % 2} for place in range(10)]
    result = result_of(points, [0.0] * 10)
    monkeypatch.setattr(explain_pool, "ENOUGH", 8)
    result["data"]["set-1"]["validation"] = result["data"]["set-1"]["validation"][:8]
    result["data"]["set-0"]["validation"][0]["error"] = "became NaN"
    (row,) = explain_pool.explain(result, "macro_f1")
    assert (row["points"], row["sets"]) == (7, 2)
    monkeypatch.setattr(explain_pool, "ENOUGH", 9)
    (row,) = explain_pool.explain(result, "macro_f1")
    assert (row["points"], row["sets"]) == (9, 1)
