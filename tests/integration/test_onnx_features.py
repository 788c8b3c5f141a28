"""A search whose pictures are encoded by ONNX Runtime, and its bundle."""

import json
import logging

import pytest
from samples import always_win

from automm.deliver.bundle import load_bundle
from automm.deliver.export import export_candidate
from automm.deliver.predict import predict_file
from automm.search.features import engines, onnx_models
from automm.search.finalists.parity import OTHER_ENGINE

BOTH_TIERS = (
    "evaluation={folds: 2}",
    "baselines=[concatenation]",
    "budget.trials=1",
    "tier2.finalists=1",
    "ensemble=false",
)


@pytest.fixture(autouse=True)
def on_onnx(monkeypatch, tmp_path, eager):
    monkeypatch.setattr(engines, "ON_ONNX", frozenset({"tiny-cnn"}))
    always_win(monkeypatch)
    monkeypatch.setenv("AUTOMM_CACHE_DIR", str(tmp_path / "cache"))


def test_finalists_of_both_tiers_are_exported_and_the_engine_is_recorded(search, reviews, tmp_path):
    run = search(*BOTH_TIERS)
    (image,) = run.read("manifest.json")["encoders"]["image"]
    assert image["engine"].startswith("onnxruntime-")
    assert 0 <= image["difference"] <= 1e-4
    assert image["fallback"] == ""
    parity = run.read("parity.json")
    assert any(name.endswith("-tuned") for name in parity)
    assert all(each["exported"] and each["tolerance"] == OTHER_ENGINE for each in parity.values())
    for name in parity:
        export_candidate(run, name, tmp_path / name)
        bundle = load_bundle(tmp_path / name)
        assert bundle.about["encoders"]["image"] == [image]
        predict_file(bundle, reviews, tmp_path / "p.jsonl")
        assert not any(json.loads(line)["error"] for line in (tmp_path / "p.jsonl").read_text().splitlines())


def test_a_failure_is_recorded_in_the_run_and_its_log(search, monkeypatch, trials_only, caplog):
    def fails(encoder, inputs):
        raise onnx_models.EngineError("it cannot be converted (ValueError: no such operation)")

    monkeypatch.setattr(onnx_models, "to_onnx", fails)
    run = search("baselines=[concatenation]", "budget.trials=1")
    (image,) = run.read("manifest.json")["encoders"]["image"]
    assert image["engine"].startswith("keras-")
    assert image["difference"] is None
    assert image["fallback"].endswith("it cannot be converted (ValueError: no such operation)")
    said = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert [text for text in said if "no such operation" in text] == [text for text in said if "tiny-cnn" in text]
    assert "encoded by Keras instead of onnxruntime-" in (run.folder / "log.txt").read_text()
