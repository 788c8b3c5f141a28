"""Export of a candidate in other formats."""

import json

import mlflow
import numpy as np
import pandas as pd
import pytest

from automm.deliver.bundle import whole_model
from automm.deliver.export import export_candidate
from automm.errors import ConfigError


def test_onnx_gives_the_probabilities_of_the_search(searched, tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed: pip install '.[dev]'")
    export_candidate(searched.run, "concatenation", tmp_path / "onnx", "onnx")
    session = onnxruntime.InferenceSession(tmp_path / "onnx" / "model.onnx")
    rng = np.random.default_rng(0)
    model = whole_model(searched.run, "concatenation")
    arrays = {tensor.name: rng.integers(0, 2, (5, *tensor.shape[1:])).astype(tensor.dtype) for tensor in model.inputs}
    (exported,) = session.run(None, arrays)
    np.testing.assert_allclose(exported, np.asarray(model(arrays, training=False)), atol=1e-5)


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
