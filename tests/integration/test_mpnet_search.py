"""A search with a tiny MPNet, whose layers are automm's own, and predictions of its candidates in a fresh process."""

import json
import subprocess
import sys

import numpy as np
from fake_weights import index_of, pin_parts
from kept_answers import FLOAT16, kept_answers
from tiny_mpnet import write_mpnet

from automm.deliver.export import export_candidate
from automm.models.weights import fetch as weights

SETTINGS = (
    "encoders.text=mpnet-base",
    "baselines=none",
    "budget.trials=1",
    "training.epochs=1",
    "space.text.layer=[two_thirds]",
    "space.fusion.operator=[concatenation]",
    "tier2.finalists=1",
    "tier2.epochs=1",
)
PREDICT = """
import sys
from pathlib import Path
from automm.deliver.bundle import load_bundle
from automm.deliver.predict import predict_file
for folder in map(Path, sys.argv[2:]):
    predict_file(load_bundle(folder), Path(sys.argv[1]), folder.with_suffix(".jsonl"))
"""


def test_a_fresh_process_predicts_what_the_search_predicted(search, reviews, tmp_path, monkeypatch, eager):
    monkeypatch.setenv("AUTOMM_CACHE_DIR", str(tmp_path / "cache"))
    write_mpnet(tmp_path / "files")
    contents = {f"all/{path.name}": path.read_bytes() for path in (tmp_path / "files").iterdir()}
    pin_parts(monkeypatch, tmp_path / "index", "mpnet-base", contents)
    index_of(monkeypatch, tmp_path / "index")
    weights.fetch("mpnet-base")
    run = search(*SETTINGS)
    names = ["trial-001", "trial-001-tuned"]
    assert {name for name, one in run.read("parity.json").items() if one["exported"]} == {*names}
    bundles = {name: tmp_path / name for name in names}
    for name, folder in bundles.items():
        export_candidate(run, name, folder)
        assert "`mpnet-base`, at most 16 word pieces, weights under MIT" in (folder / "MODEL_CARD.md").read_text()
    subprocess.run([sys.executable, "-c", PREDICT, str(reviews), *map(str, bundles.values())], check=True)
    saved = kept_answers(run)
    for name, folder in bundles.items():
        lines = map(json.loads, folder.with_suffix(".jsonl").read_text().splitlines())
        found = {line["id"]: list(line["probabilities"].values()) for line in lines}
        answers = np.array([found[review] for review in saved["ids"]])
        np.testing.assert_allclose(answers, saved[name], **FLOAT16, err_msg=name)
