"""Reviews with metadata and a history, in both tasks: all four towers, from the search to a prediction."""

import json

import numpy as np
import pytest
import yaml
from kept_answers import FLOAT16, kept_answers
from samples import SMALL, write_column_reviews

from automm.cli.tables import verdict
from automm.config.experiment import load_experiment
from automm.data.inputs.columns import Columns
from automm.deliver.bundle import load_bundle
from automm.deliver.export import export_candidate
from automm.deliver.predict import predict_file
from automm.errors import ConfigError
from automm.evaluate.leaderboard import leaderboard
from automm.search.candidates import boosted_trees
from automm.search.finalists.parity import AGREEING
from automm.search.run import run_search
from automm.tracking.run_folder import COMPLETED

INPUTS = {**SMALL["inputs"], "history_steps": 4}
SETTINGS = {**SMALL, "inputs": INPUTS, "training": {"epochs": 2}, "budget": {"trials": 1}}
BASELINES = {
    "classification": ["logistic_columns", "logistic_all", "packed_concatenation"],
    "regression": ["median", "ridge_columns", "ridge_all", "packed_concatenation"],
}


@pytest.fixture(params=BASELINES)
def columns_run(request, tmp_path, reporter, recorder, eager, monkeypatch):
    """The manifest, and a run of one trial and some baselines on it."""
    monkeypatch.setattr(boosted_trees, "SETTINGS", {**boosted_trees.SETTINGS, "min_samples_leaf": 2})
    manifest = write_column_reviews(tmp_path / "data", request.param)
    wanted = {"include": BASELINES[request.param], "trees": True}
    experiment = {"manifest": str(manifest), "baselines": wanted, "ensemble": True}
    (tmp_path / "e.yaml").write_text(yaml.safe_dump({**SETTINGS, **experiment}))
    return manifest, run_search(load_experiment(tmp_path / "e.yaml"), tmp_path / "runs", recorder, reporter)


def answer(line):
    """What a line of predictions says, as numbers."""
    return [line["value"]] if "value" in line else list(line["probabilities"].values())


def test_all_four_towers_from_the_search_to_a_prediction(columns_run, tmp_path):
    manifest, run = columns_run
    candidates = {candidate.name: candidate for candidate in run.candidates()}
    assert {candidate.status for candidate in candidates.values()} == {COMPLETED}, candidates
    assert candidates["trial-001"].hyperparameters.keys() >= {"metadata/width", "history/encoder", "history/width"}
    data, result = run.read("manifest.json"), run.read("result.json")
    columns = Columns.from_dict(data["columns"])
    assert columns.steps == 4
    assert sorted(columns.values["brand"]) == ["acme", "zenith"]
    assert data["changes"] == {"more_steps": 10}
    assert set(result["missing"]["reviews"]) == {"text", "image", "metadata", "history"}
    assert leaderboard(tmp_path / "runs")[0]["name"] == result["best"]
    assert verdict(result)[0].startswith(f"best by validation: {result['best']}")
    if data["labels"]:
        assert candidates["trial-001"].objective == "val_macro_f1"
    else:  # the price and the ratings make the number
        assert candidates["trial-001"].objective == "val_mae"
        assert candidates["ridge_columns"].validation["mae"] < 0.7 * candidates["median"].validation["mae"]
    swapped = yaml.safe_load(manifest.read_text())
    swapped["fields"]["metadata"] = {"numeric": ["price"], "categorical": ["text"]}
    del swapped["fields"]["history"]
    (manifest.parent / "swapped.yaml").write_text(yaml.safe_dump(swapped))
    expected = kept_answers(run)
    for name in dict.fromkeys((result["best"], "packed_concatenation", "trees")):
        export_candidate(run, name, tmp_path / name)
        bundle = load_bundle(tmp_path / name)
        with pytest.raises(ConfigError) as refused:
            predict_file(bundle, manifest.parent / "swapped.yaml", tmp_path / "out.jsonl")
        assert len(refused.value.lines) == 2
        assert "is ['text'], but the model was trained on ['brand']" in str(refused.value)
        assert "has no fields.history" in str(refused.value)
        written = predict_file(bundle, manifest.parent / "reviews.jsonl", tmp_path / "out.jsonl", explain=True)
        assert written[:2] == (60, 0)
        lines = {line["id"]: line for line in map(json.loads, (tmp_path / "out.jsonl").read_text().splitlines())}
        found = np.array([answer(lines[review]) for review in expected["ids"]])
        agree = np.isclose(found, expected[name], **FLOAT16).all(axis=1).mean()
        trees = name == "trees" or "ensemble/trees" in candidates[name].hyperparameters
        assert agree >= (AGREEING if trees else 1.0)
        records = map(json.loads, (manifest.parent / "reviews.jsonl").read_text().splitlines())
        for record in records:
            effects, pictures = lines[record["id"]]["modalities"], lines[record["id"]]["pictures"]
            there = {"text": True, "image": record["photos"], "history": record["past"]}
            there["metadata"] = record["price"] is not None or record["brand"]
            assert {part: effect is not None for part, effect in effects.items()} == {
                part: bool(has) for part, has in there.items()
            }
            assert [picture["picture"] for picture in pictures] == record["photos"]
