"""Export of a candidate in other formats."""

import json
import sys
from dataclasses import replace

import keras
import mlflow
import numpy as np
import pandas as pd
import pytest
import yaml

from automm.cli import main
from automm.deliver.bundle import load_bundle, whole_model
from automm.deliver.export import export_candidate
from automm.errors import ConfigError
from automm.tracking.run_folder import Run


def test_onnx_gives_the_probabilities_of_the_search(searched, tmp_path):
    import onnxruntime

    export_candidate(searched.run, "concatenation", tmp_path / "onnx", "onnx")
    session = onnxruntime.InferenceSession(tmp_path / "onnx" / "model.onnx")
    rng = np.random.default_rng(0)
    model = whole_model(searched.run, "concatenation")
    arrays = {tensor.name: rng.integers(0, 2, (5, *tensor.shape[1:])).astype(tensor.dtype) for tensor in model.inputs}
    (exported,) = session.run(None, arrays)
    np.testing.assert_allclose(exported, np.asarray(model(arrays, training=False)), atol=1e-5)


def test_a_decision_is_a_second_output_in_every_format(searched, tmp_path, monkeypatch):
    """An ensemble decides labels with biases; here a baseline does, so that the decision differs from the answers."""
    onnxruntime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed: pip install '.[dev]'")
    labels = searched.run.read("manifest.json")["labels"]
    biases = np.linspace(-1.0, 1.0, len(labels)).tolist()
    decided = [
        replace(one, decision=biases) if one.name == "concatenation" else one for one in searched.run.candidates()
    ]
    monkeypatch.setattr(Run, "candidates", lambda self: decided)
    model = whole_model(searched.run, "concatenation")
    rng = np.random.default_rng(0)
    arrays = {tensor.name: rng.integers(0, 2, (5, *tensor.shape[1:])).astype(tensor.dtype) for tensor in model.inputs}
    answers = np.asarray(model(arrays, training=False))
    expected = (np.log(answers) + biases).argmax(axis=1)
    for name in ("keras", "onnx"):
        export_candidate(searched.run, "concatenation", tmp_path / name, name)
    bundle = load_bundle(tmp_path / "keras")
    assert bundle.decision == pytest.approx(biases)
    np.testing.assert_allclose(np.asarray(bundle.model(arrays, training=False)), answers, atol=1e-6)
    loaded = keras.saving.load_model(tmp_path / "keras" / "model.keras", compile=False)
    np.testing.assert_array_equal(np.asarray(loaded(arrays, training=False)["label"]), expected)
    session = onnxruntime.InferenceSession(tmp_path / "onnx" / "model.onnx")
    exported = {one.ndim: one for one in session.run(None, arrays)}
    np.testing.assert_array_equal(exported[1], expected)
    np.testing.assert_allclose(exported[2], answers, atol=1e-5)
    assert "decided with a bias for each class" in (tmp_path / "keras" / "MODEL_CARD.md").read_text()


def test_a_packed_model_is_rejected_with_the_name_of_the_unpacked_one(searched, tmp_path):
    with pytest.raises(ConfigError, match="concatenation"):
        export_candidate(searched.run, "packed_concatenation", tmp_path / "onnx", "onnx")
    assert not list(tmp_path.iterdir())


def test_an_mlflow_folder_predicts(searched, tmp_path):
    export_candidate(searched.run, "concatenation", tmp_path / "served", "mlflow")
    model = mlflow.pyfunc.load_model(str(tmp_path / "served"))
    answer = model.predict(pd.DataFrame({"text": ["good phone", ""], "images": [[], []]}))
    labels = searched.run.read("manifest.json")["labels"]
    assert [set(json.loads(text)) for text in answer["probabilities"]] == [set(labels)] * 2
    assert set(answer["label"]) <= set(labels)


def test_an_mlflow_model_counts_the_pictures_that_it_read(searched, reviews, tmp_path):
    export_candidate(searched.run, "concatenation", tmp_path / "served", "mlflow")
    model = mlflow.pyfunc.load_model(str(tmp_path / "served"))
    there = str(reviews.parent / "images" / "003-0.png")
    images = [[there], [there, there, there], ["nan", ""], [str(tmp_path / "gone.png")]]
    answer = model.predict(pd.DataFrame({"text": ["a", "b", "c", "d"], "images": images}))
    counts = [json.loads(text) for text in answer["picture_counts"]]
    assert counts == [{"given": g, "read": r} for g, r in ((1, 1), (3, 2), (0, 0), (1, 0))]
    assert list(answer["error"].notna()) == [False, False, False, True]


def predict(monkeypatch, capsys, *words):
    monkeypatch.setattr(sys, "argv", ["automm", "predict", *map(str, words)])
    try:
        main()
        code = 0
    except SystemExit as ended:
        code = ended.code or 0
    return code, capsys.readouterr().err


def test_predict_says_what_lost_pictures_cost(searched, reviews, tmp_path, monkeypatch, capsys):
    bundle, to = tmp_path / "bundle", tmp_path / "out.jsonl"
    export_candidate(searched.run, "concatenation", bundle)
    missing = json.loads((bundle / "bundle.json").read_text())["missing"]
    assert missing["percent"] == [0, 25, 50, 75, 100]
    assert missing["scores"].keys() == {"text", "image"}
    code, printed = predict(monkeypatch, capsys, bundle, reviews, "--to", to)
    assert (code, "warning" in printed) == (0, False)
    assert "pictures: 57 given, 57 read" in printed

    content = yaml.safe_load(reviews.read_text()) | {"records": str(reviews.parent / "reviews.jsonl")}
    (tmp_path / "none").mkdir()
    lenient = tmp_path / "lenient.yaml"
    lenient.write_text(yaml.safe_dump({**content, "images": {"on_bad": "drop-image"}}))
    code, printed = predict(monkeypatch, capsys, bundle, lenient, "--image-root", tmp_path / "none", "--to", to)
    assert code == 0
    assert "pictures: 57 given, 0 read" in printed
    assert "not read: missing: 57, the first at reviews.jsonl:" in printed
    left = missing["scores"]["image"]["macro_f1"]
    assert f"macro-F1 went from {left[0]:.3f} to {left[-1]:.3f}" in printed

    words = bundle, reviews.parent / "reviews.jsonl", "--image-root", tmp_path / "none", "--to", to
    code, printed = predict(monkeypatch, capsys, *words)
    assert code == 0, "reviews without pictures were predicted"
    assert "missing_picture: 39, the first: reviews.jsonl:4" in printed
    assert "Name the folder of the pictures: --image-root DIR" in printed
    code, printed = predict(monkeypatch, capsys, *words, "--max-failed", "50%")
    assert code == 3
    assert "39 of 60 reviews could not be predicted, more than --max-failed 50% allows" in printed

    only_pictures = tmp_path / "only.jsonl"
    lines = (reviews.parent / "reviews.jsonl").read_text().splitlines()
    only_pictures.write_text("\n".join(line for line in lines if json.loads(line)["photos"]))
    code, printed = predict(monkeypatch, capsys, bundle, only_pictures, "--image-root", tmp_path / "none", "--to", to)
    assert code == 3
    assert "no review of" in printed
