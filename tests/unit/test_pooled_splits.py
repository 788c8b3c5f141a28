"""Experiments that pool the test reviews of several splits of one data set."""

import importlib
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def mvsa(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "experiments")
    return importlib.import_module("mvsa")


def result(mvsa, rows, labels, answers):
    """The result of one seed with these rows in its test split; every two rows are linked."""
    names = ("choice", mvsa.RECIPE, mvsa.TUNED, mvsa.BEFORE)
    scores = {"macro_f1": 0.5, "accuracy": 0.5}
    predictions = {name: answer[rows] for name, answer in zip(names, answers, strict=True)}
    return {
        "chosen": {"name": "choice", "validation": scores},
        "test": dict.fromkeys(names, scores),
        "selection": {"corrected": 0.5},
        "predictions": {**predictions, "ids": rows.astype(str), "labels": labels[rows], "units": rows // 2},
    }


def test_a_review_in_several_splits_is_one_unit(mvsa):
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, 120)
    answers = rng.dirichlet(np.ones(3), (4, 120))
    everything = np.arange(120)
    once = mvsa.summarise([result(mvsa, everything, labels, answers)])
    twice = mvsa.summarise([result(mvsa, everything, labels, answers)] * 2)
    for pair in ("choice_against_recipe", "tuned_against_before"):
        for metric in ("macro_f1", "accuracy"):
            assert twice[pair][metric]["units"] == 60
            for end in ("low", "high"):
                assert twice[pair][metric][end] == pytest.approx(once[pair][metric][end])
    halves = mvsa.summarise([result(mvsa, part, labels, answers) for part in (everything[:80], everything[40:])])
    assert halves["choice_against_recipe"]["accuracy"]["units"] == 60


def test_seeds_with_other_links_are_refused(mvsa):
    results = [result(mvsa, np.arange(20), np.zeros(20, int), np.full((4, 20, 3), 1 / 3)) for _ in range(2)]
    results[1]["predictions"]["units"] = np.arange(20)
    with pytest.raises(SystemExit, match="linked the reviews differently"):
        mvsa.pooled_units(results)
