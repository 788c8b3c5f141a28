"""Reviews with metadata and a history: all four towers, from the search to a prediction."""

import json

import numpy as np
import pytest
import yaml
from samples import SMALL, write_column_reviews

from automm.config import load_experiment
from automm.data.columns import Columns
from automm.deliver.bundle import load_bundle
from automm.deliver.export import export_candidate
from automm.deliver.predict import predict_file
from automm.search.run import run_search
from automm.tracking.runs import COMPLETED

INPUTS = {**SMALL["inputs"], "history_steps": 4}
SETTINGS = {**SMALL, "inputs": INPUTS, "training": {"epochs": 1}, "budget": {"trials": 1}}


@pytest.fixture
def columns_run(tmp_path, reporter, recorder, eager):
    """The manifest, and a run of one trial and three baselines on it."""
    manifest = write_column_reviews(tmp_path / "data")
    experiment = {"manifest": str(manifest), "baselines": ["logistic_columns", "logistic_all", "packed_concatenation"]}
    (tmp_path / "e.yaml").write_text(yaml.safe_dump({**SETTINGS, **experiment}))
    return manifest, run_search(load_experiment(tmp_path / "e.yaml"), tmp_path / "runs", recorder, reporter)


def predicted(run, name, manifest, folder):
    """{id: line} of an exported candidate."""
    export_candidate(run, name, folder / name)
    written = predict_file(load_bundle(folder / name), manifest.parent / "reviews.jsonl", folder / "out.jsonl")
    assert written == (60, 0, 0)
    return {line["id"]: line for line in map(json.loads, (folder / "out.jsonl").read_text().splitlines())}


def test_all_four_towers_from_the_search_to_a_prediction(columns_run, tmp_path):
    manifest, run = columns_run
    candidates = {candidate.name: candidate for candidate in run.candidates()}
    assert {candidate.status for candidate in candidates.values()} == {COMPLETED}, candidates
    assert candidates["trial-001"].hyperparameters.keys() >= {"metadata/width", "history/encoder", "history/width"}
    data = run.read("manifest.json")
    columns = Columns.from_dict(data["columns"])
    assert columns.steps == 4
    assert columns.values == {"brand": ("acme", "zenith")} or columns.values == {"brand": ("zenith", "acme")}
    assert data["treated"] == {"step of a history dropped: more than 4 in a review": 10}
    with np.load(run.folder / "test_predictions.npz") as expected:
        for name in ("trial-001", "packed_concatenation"):
            lines = predicted(run, name, manifest, tmp_path)
            for review, probabilities in zip(expected["ids"], expected[name], strict=True):
                np.testing.assert_allclose(list(lines[review]["probabilities"].values()), probabilities, atol=1e-5)
