"""Candidates that read the words of the text, from the search to a prediction."""

import json

import numpy as np
import pytest
import yaml
from kept_answers import FLOAT16, kept_answers
from samples import SMALL, write_column_reviews

from automm.config.experiment import load_experiment
from automm.data.inputs.words import SETTINGS, WORDS_FILE
from automm.deliver.bundle import load_bundle, whole_model
from automm.deliver.checks import files_of
from automm.deliver.export import export_candidate
from automm.deliver.predict import predict_file
from automm.errors import DataError
from automm.search.run import run_search
from automm.tracking.run_folder import COMPLETED

SETTINGS_OF_RUN = {
    **SMALL,
    "training": {"epochs": 2},
    "budget": {"trials": 1},
    "baselines": ["bag_of_words", "concatenation"],
    "space": {"words.width": [4], "fusion.operator": "concatenation"},
    "ensemble": False,
}


@pytest.fixture(params=["classification", pytest.param("regression", marks=pytest.mark.slow)])
def words_run(request, tmp_path, reporter, recorder, eager):
    """The records, and a run with candidates that read words and one that does not."""
    manifest = write_column_reviews(tmp_path / "data", request.param)
    (tmp_path / "e.yaml").write_text(yaml.safe_dump({**SETTINGS_OF_RUN, "manifest": str(manifest)}))
    run = run_search(load_experiment(tmp_path / "e.yaml"), tmp_path / "runs", recorder, reporter)
    return manifest.parent / "reviews.jsonl", run


def answer(line):
    return [line["value"]] if "value" in line else list(line["probabilities"].values())


def test_words_from_the_search_to_a_prediction(words_run, tmp_path):
    records, run = words_run
    candidates = {candidate.name: candidate for candidate in run.candidates()}
    assert {candidate.status for candidate in candidates.values()} == {COMPLETED}, candidates
    assert run.read("manifest.json")["words"] == SETTINGS
    assert candidates["trial-001"].hyperparameters["words/width"] == 4
    missing = run.read("result.json")["missing"]["scores"]["bag_of_words"]
    assert all(len(set(scores)) == 1 for scores in missing["image"].values())
    bundles = {}
    expected = kept_answers(run)
    assert "trial-001" in expected  # all three candidates are finalists
    for name in ("bag_of_words", "concatenation", "trial-001"):
        export_candidate(run, name, tmp_path / name)
        bundles[name] = load_bundle(tmp_path / name)
        predict_file(bundles[name], records, tmp_path / "out.jsonl", explain=True)
        lines = {line["id"]: line for line in map(json.loads, (tmp_path / "out.jsonl").read_text().splitlines())}
        for review, wanted in zip(expected["ids"], expected[name], strict=True):
            np.testing.assert_allclose(answer(lines[review]), wanted, **FLOAT16)
        if name == "bag_of_words":
            assert any(line["modalities"]["text"] for line in lines.values())
            assert not any(line["modalities"]["image"] for line in lines.values())
    assert WORDS_FILE in files_of(bundles["bag_of_words"].about)
    assert not (tmp_path / "concatenation" / WORDS_FILE).exists()
    assert "token_ids" not in {tensor.name for tensor in bundles["bag_of_words"].model.inputs}
    other = json.loads((tmp_path / "bag_of_words" / "bundle.json").read_text())
    assert other["words"]["buckets"] == SETTINGS["buckets"]
    (tmp_path / "bag_of_words" / WORDS_FILE).write_bytes(b"")
    with pytest.raises(DataError, match="changed since the export"):
        load_bundle(tmp_path / "bag_of_words")


def test_onnx_of_words_gives_the_answers_of_the_search(words_run, tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed: pip install '.[dev]'")
    _, run = words_run
    rng = np.random.default_rng(0)
    export_candidate(run, "bag_of_words", tmp_path / "onnx", "onnx")
    assert (tmp_path / "onnx" / WORDS_FILE).exists()
    session, model = onnxruntime.InferenceSession(tmp_path / "onnx" / "model.onnx"), whole_model(run, "bag_of_words")
    arrays = {tensor.name: rng.integers(0, 2, (5, *tensor.shape[1:])).astype(tensor.dtype) for tensor in model.inputs}
    arrays["text_word_ids"] = rng.integers(0, SETTINGS["buckets"], (5, SETTINGS["most_terms"]), dtype=np.int32)
    given = {tensor.name: arrays[tensor.name] for tensor in session.get_inputs()}
    (exported,) = session.run(None, given)
    np.testing.assert_allclose(exported, np.asarray(model(arrays, training=False)), atol=1e-5)
