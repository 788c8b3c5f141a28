import json
import resource
import subprocess
import sys

import pytest

from automm.models.encoders.catalogue import catalogue, keep_measurements
from automm.models.encoders.hub.families import FAMILIES
from automm.models.weights.packages import PACKAGES


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("AUTOMM_CACHE_DIR", str(tmp_path))
    return tmp_path


def run(*arguments):
    return subprocess.run([sys.executable, "-m", "automm", *arguments], capture_output=True, text=True, check=False)


def test_every_encoder_and_every_family_has_a_row():
    rows = {row.name: row for row in catalogue()}
    assert set(rows) == {*PACKAGES, *(family.name for family in FAMILIES.values())}
    small = rows["me5-small"]
    assert (small.reads, small.languages, small.width, small.licence) == ("text", "100 languages", 384, "MIT")
    assert not small.present
    assert small.get == "automm weights me5-small, or hf://intfloat/multilingual-e5-small"
    assert (rows["CLIP"].reads, rows["CLIP"].get) == ("text and image", "clip_vit_base_patch32, a folder")
    assert rows["RoBERTa"].get == "roberta_base_en, a folder or hf://..."


def test_measurements_are_kept(cache):
    keep_measurements({"minilm-l6": 25.9})
    keep_measurements({"me5-small": 34.2})
    rows = {row.name: row.milliseconds for row in catalogue()}
    assert (rows["minilm-l6"], rows["me5-small"], rows["efficientnet-lite0"]) == (25.9, 34.2, None)
    (cache / "encoders.json").write_text("[")
    assert {row.milliseconds for row in catalogue()} == {None}


def test_the_command():
    done = run("encoders", "--format", "json")
    assert done.returncode == 0, done.stderr
    assert [row["name"] for row in json.loads(done.stdout)] == [row.name for row in catalogue()]
    assert "DINOv2" in run("encoders").stdout


def test_a_search_refuses_an_encoder_before_it_reads_anything(tmp_path):
    experiment = tmp_path / "experiment.yaml"
    (tmp_path / "manifest.yaml").write_text("version: 1\n")
    experiment.write_text("manifest: manifest.yaml\nencoders: {text: gpt2_base_en}\n")
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = run("search", str(experiment))
    assert done.returncode == 2
    assert "'gpt2_base_en' is of the family gpt2, which automm does not read" in done.stderr
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 3  # processor seconds: none of Keras
