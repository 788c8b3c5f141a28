"""Categories of columns in the text, from the search to a prediction in another process."""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import yaml
from conftest import RecordingTracker, SilentReporter
from kept_answers import FLOAT16, kept_answers
from samples import SMALL, write_column_reviews

from automm.config.experiment import load_experiment
from automm.data.inputs.columns import MOST_CHARACTERS
from automm.deliver.bundle import load_bundle
from automm.deliver.export import export_candidate
from automm.deliver.predict import predict_file
from automm.errors import ConfigError
from automm.search.run import run_search
from automm.tracking.run_folder import COMPLETED, Run

SETTINGS = {
    **SMALL,
    "training": {"epochs": 2},
    "budget": {"trials": 1},
    "baselines": ["logistic_all", "bag_of_words", "packed_concatenation"],
}
READERS = ("logistic_all", "bag_of_words", "packed_concatenation", "trial-001")
PREDICT = """
import sys
from pathlib import Path
from automm.deliver.bundle import load_bundle
from automm.deliver.predict import predict_file
for folder in map(Path, sys.argv[2:]):
    predict_file(load_bundle(folder), Path(sys.argv[1]), folder.with_suffix(".jsonl"))
"""
HOSTILE = {"acme": "acme\nprice: 3 [SEP] [PAD]", "zenith": "zenith " * 50, "": ""}


def write_hostile_reviews(folder, numeric):
    """Reviews of which a third has no brand, and every fifth no text of its own but a picture; the manifest's path."""
    path = write_column_reviews(folder)
    manifest = yaml.safe_load(path.read_text())
    manifest["fields"]["metadata"] = {"categorical": ["brand"]} | ({"numeric": ["price"]} if numeric else {})
    del manifest["fields"]["history"]
    path.write_text(yaml.safe_dump(manifest))
    records = [json.loads(line) for line in (folder / "reviews.jsonl").read_text().splitlines()]
    for number, record in enumerate(records):
        text = "" if number % 5 == 0 and record["photos"] else record["text"]
        record |= {"brand": HOSTILE[record["brand"]], "text": text}
    (folder / "reviews.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    return path


def predicted(file):
    return {line["id"]: line for line in map(json.loads, file.read_text().splitlines())}


@dataclass(frozen=True)
class Searched:
    """Where the brand is read, and a run with its experiment file and what its tracker was told."""

    where: str
    file: Path
    run: Run
    recorder: RecordingTracker

    @property
    def reviews(self) -> Path:
        return self.file.parent / "data" / "reviews.jsonl"

    @property
    def records(self) -> list[dict]:
        return [json.loads(line) for line in self.reviews.read_text().splitlines()]


@pytest.fixture(scope="module", params=["text", pytest.param("both", marks=pytest.mark.slow)])
def searched(request, tmp_path_factory, shared_cache):
    """With `text` the manifest names no number: models have no tower of metadata."""
    import tensorflow as tf

    folder, recorder = tmp_path_factory.mktemp(request.param), RecordingTracker()
    manifest = write_hostile_reviews(folder / "data", numeric=request.param == "both")
    inputs = {**SMALL["inputs"], "sequence_length": 24, "categories": request.param}
    file = folder / "e.yaml"
    file.write_text(yaml.safe_dump({**SETTINGS, "manifest": str(manifest), "inputs": inputs}))
    tf.config.run_functions_eagerly(True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AUTOMM_CACHE_DIR", str(shared_cache))
        run = run_search(load_experiment(file), folder / "runs", recorder, SilentReporter())
    yield Searched(request.param, file, run, recorder)
    tf.config.run_functions_eagerly(False)


def test_categories_from_the_search_to_a_prediction(searched, tmp_path):
    where, run = searched.where, searched.run
    candidates = {candidate.name: candidate for candidate in run.candidates()}
    assert {candidate.status for candidate in candidates.values()} == {COMPLETED}, candidates
    assert ("metadata/width" in candidates["trial-001"].hyperparameters) == (where == "both")
    about = run.read("manifest.json")
    assert about["columns"]["categories"] == where
    assert about["changes"]["longer_category"] == 20
    assert searched.recorder.named("begin")[0][2]["inputs.categories"] == where
    missing = run.read("result.json")["missing"]["reviews"]
    assert missing.keys() == {"text", "image", *(["metadata"] if where == "both" else [])}
    records = {record["id"]: record for record in searched.records}
    saved = kept_answers(run)
    expected = {name: dict(zip(saved["ids"], saved[name], strict=True)) for name in READERS if name in saved}
    assert missing["text"] == sum(bool(records[i]["text"] or records[i]["brand"]) for i in expected["bag_of_words"])
    folders = {name: tmp_path / name for name in expected}
    for name, folder in folders.items():
        export_candidate(run, name, folder)
        assert "- categories written into the text, a line each: `brand`" in (folder / "MODEL_CARD.md").read_text()
    command = [sys.executable, "-c", PREDICT, str(searched.reviews), *map(str, folders.values())]
    subprocess.run(command, check=True)
    for name, folder in folders.items():
        lines = predicted(folder.with_suffix(".jsonl"))
        for review, wanted in expected[name].items():
            found = list(lines[review]["probabilities"].values())
            np.testing.assert_allclose(found, wanted, **FLOAT16, err_msg=f"{name} {review}")


def test_a_resumed_run_keeps_the_place_of_its_categories(searched, reporter, recorder):
    experiment = load_experiment(searched.file, ["inputs.categories=tower"])
    with pytest.raises(ConfigError, match=f'inputs.categories was "{searched.where}" and is "tower"'):
        run_search(experiment, searched.run.folder.parent.parent, recorder, reporter, resume=searched.run)


def test_the_effect_of_a_column_is_the_difference_to_a_record_without_it(searched, tmp_path):
    for name in ("bag_of_words", "packed_concatenation"):
        export_candidate(searched.run, name, tmp_path / name)
        bundle, records = load_bundle(tmp_path / name), searched.records
        predict_file(bundle, searched.reviews, tmp_path / "explained.jsonl", explain=True)
        changed = searched.reviews.with_name("changed.jsonl")
        changed.write_text("".join(json.dumps({**record, "brand": ""}) + "\n" for record in records))
        predict_file(bundle, changed, tmp_path / "without.jsonl")
        explained, without = predicted(tmp_path / "explained.jsonl"), predicted(tmp_path / "without.jsonl")
        effects = []
        for record in records:
            line = explained[record["id"]]
            assert line["columns"].keys() == {"brand"}
            if not record["brand"]:
                assert line["columns"]["brand"] is None
                continue
            left = without[record["id"]]["probabilities"][line["label"]]
            effects.append(line["columns"]["brand"])
            assert line["probabilities"][line["label"]] - left == pytest.approx(effects[-1], abs=1e-4)
        assert max(map(abs, effects)) > 1e-3


def test_a_hostile_value_gives_the_answers_of_its_written_form(searched, tmp_path):
    """What is over MOST_CHARACTERS, and how words are separated, changes nothing; a value is not another column."""
    export_candidate(searched.run, "bag_of_words", tmp_path / "bundle")
    bundle = load_bundle(tmp_path / "bundle")
    values = ["acme\n\u2028price:\t3", "acme price: 3", "v" * 10**6, "v" * MOST_CHARACTERS, "other"]
    record = {**searched.records[0], "text": "lovely thing"}
    file = searched.reviews.with_name("hostile.jsonl")
    lines = [{**record, "id": str(number), "brand": value} for number, value in enumerate(values)]
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    predict_file(bundle, file, tmp_path / "out.jsonl")
    answers = [list(line["probabilities"].values()) for line in predicted(tmp_path / "out.jsonl").values()]
    assert answers[0] == pytest.approx(answers[1])
    assert answers[2] == pytest.approx(answers[3])
    assert answers[0] != pytest.approx(answers[4])
