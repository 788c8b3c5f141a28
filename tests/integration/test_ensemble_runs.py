"""An ensemble of all kinds of candidates with a decision: from the search to a fresh process and to ONNX."""

import json
import subprocess
import sys
from dataclasses import dataclass

import numpy as np
import pytest
import yaml
from kept_answers import FLOAT16, kept_answers
from samples import SMALL, write_column_reviews

from automm.config.experiment import load_experiment
from automm.deliver.bundle import load_bundle, whole_model
from automm.deliver.export import export_candidate
from automm.evaluate.combinations import Biased, LogMean
from automm.evaluate.decision import decisions, measured
from automm.evaluate.ensembles import BestForm
from automm.search.candidates import boosted_trees, ensemble
from automm.search.finalists import selection
from automm.search.finalists.parity import AGREEING
from automm.search.run import run_search
from automm.tasks.registry import TASKS
from automm.tracking.run_folder import COMPLETED

PREDICT = """
import sys
from pathlib import Path
from automm.deliver.bundle import load_bundle
from automm.deliver.predict import predict_file
for folder in map(Path, sys.argv[2:]):
    predict_file(load_bundle(folder), Path(sys.argv[1]), folder.with_suffix(".jsonl"), explain=True)
"""
SETTINGS = {
    **SMALL,
    "inputs": {**SMALL["inputs"], "history_steps": 4},
    "training": {"epochs": 2},
    "budget": {"trials": 1, "latency": 1e9},
    "baselines": {"include": ["bag_of_words", "concatenation", "packed_concatenation"], "trees": True},
    "space": {"words.width": [4], "fusion.operator": "concatenation"},
    "ensemble": True,
}
MEMBERS = {"bag_of_words", "concatenation", "trees", "trial-001"}
BIASES = [0.0, 0.4, -0.4]


@dataclass(frozen=True)
class Everything:
    """A form with all candidates as members, and a decision that changes labels."""

    def fit(self, crossing, left_out):
        count = len(crossing.judged.answers)
        return Biased(LogMean(np.full(count, 1.5 / count), np.array([0.0, 0.1, 0.0])), np.array(BIASES))


@pytest.fixture(scope="module")
def stacked(tmp_path_factory, shared_cache):
    """The records, and a run whose ensemble has a member of each kind."""
    import tensorflow as tf
    from conftest import RecordingTracker, SilentReporter

    folder = tmp_path_factory.mktemp("ensembles")
    manifest = write_column_reviews(folder / "data")
    (folder / "e.yaml").write_text(yaml.safe_dump({**SETTINGS, "manifest": str(manifest)}))
    tf.config.run_functions_eagerly(True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AUTOMM_CACHE_DIR", str(shared_cache))
        patch.setattr(boosted_trees, "SETTINGS", {**boosted_trees.SETTINGS, "min_samples_leaf": 2})
        for module in (ensemble, selection):
            patch.setattr(module, "forms", lambda *of_the_search: BestForm((Everything(),)))
        run = run_search(load_experiment(folder / "e.yaml"), folder / "runs", RecordingTracker(), SilentReporter())
    tf.config.run_functions_eagerly(False)
    return manifest.parent / "reviews.jsonl", run


def answers_of_test(run, name):
    saved = kept_answers(run)
    return saved["ids"].tolist(), saved["targets"], saved[name]


def test_members_and_decision_are_recorded_and_measured(stacked):
    _, run = stacked
    candidates = {candidate.name: candidate for candidate in run.candidates()}
    assert {one.status for one in candidates.values()} == {COMPLETED}, [one.error for one in candidates.values()]
    found = candidates["ensemble-001"]
    assert set(found.members) == MEMBERS
    assert found.decision[1] > found.decision[0] == 0.0 > found.decision[2]
    result, task = run.read("result.json"), TASKS["classification"]
    _, labels, answers = answers_of_test(run, "ensemble-001")
    decided = decisions(answers, found.decision)
    assert result["test"]["ensemble-001"] == pytest.approx(measured(task, labels, answers, decided), abs=1e-3)
    assert result["missing"]["scores"]["ensemble-001"].keys() == {"text", "image", "metadata", "history"}
    assert all(one["exported"] for one in result["parity"].values()), result["parity"]


def test_a_fresh_process_predicts_what_was_measured(stacked, tmp_path):
    records, run = stacked
    tested = {"ensemble-001", "packed_concatenation", *MEMBERS} - {"trial-001"}  # the trial is no finalist
    bundles = {name: tmp_path / name for name in sorted(tested)}
    for name, folder in bundles.items():
        export_candidate(run, name, folder)
    subprocess.run([sys.executable, "-c", PREDICT, str(records), *map(str, bundles.values())], check=True)
    for name, folder in bundles.items():
        lines = {line["id"]: line for line in map(json.loads, folder.with_suffix(".jsonl").read_text().splitlines())}
        ids, _, expected = answers_of_test(run, name)
        found = np.array([list(lines[review]["probabilities"].values()) for review in ids])
        agree = np.isclose(found, expected, **FLOAT16).all(axis=1)
        assert agree.mean() >= (AGREEING if name in ("trees", "ensemble-001") else 1.0), name
        about = json.loads((folder / "bundle.json").read_text())
        biases = list(about["decision"].values()) if name == "ensemble-001" else []
        labels = [about["labels"][place] for place in decisions(found, biases).argmax(axis=1)]
        assert [lines[review]["label"] for review in ids] == labels
        assert any(line["modalities"]["text"] for line in lines.values())
        if name == "bag_of_words":
            assert not any(line["modalities"]["image"] for line in lines.values())


def test_onnx_has_the_answers_and_the_label_of_the_ensemble(stacked, tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed: pip install '.[dev]'")
    _, run = stacked
    export_candidate(run, "ensemble-001", tmp_path / "onnx", "onnx")
    session, model = onnxruntime.InferenceSession(tmp_path / "onnx" / "model.onnx"), whole_model(run, "ensemble-001")
    rng = np.random.default_rng(0)
    arrays = {t.name: rng.integers(0, 2, (40, *t.shape[1:])).astype(t.dtype) for t in model.inputs}
    exported = {
        one.ndim: one for one in session.run(None, {one.name: arrays[one.name] for one in session.get_inputs()})
    }
    expected = np.asarray(model(arrays, training=False))
    assert np.isclose(exported[2], expected, atol=1e-4).all(axis=1).mean() >= AGREEING
    export_candidate(run, "ensemble-001", tmp_path / "keras")
    decision = load_bundle(tmp_path / "keras").decision
    np.testing.assert_array_equal(exported[1], decisions(exported[2], decision).argmax(axis=1))
