import json
import os

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from automm.cli import app
from automm.data.images.embedded import Embedded, EmbeddedFiles
from automm.data.images.pixels.pixel_store import prepare_pictures
from automm.data.images.resampling import PictureForm
from automm.data.inputs.items import item_digests
from automm.errors import ConfigError
from automm.search.features.onnx_models import OnnxModels
from automm.search.features.store import FeatureStore
from automm.search.features.store_format import About, Items

NONE_OF_THEM = "features: 0 bytes of 20.0 GB"
A, B = "a" * 32, "b" * 32  # families
TEXTS, PICTURES = 128 + 1200 * (3 * 4 + 16), 128 + 5 * (3 * 4 + 16)  # bytes


def numbered(count):
    return Items(item_digests(str(number).encode() for number in range(count)), np.ones(count, np.int32))


class Zeros:
    def __init__(self, key, rows):
        self.key, self.rows, self.features = key, rows, {key: 3}

    def batches(self):
        yield {self.key: (np.arange(self.rows), np.zeros((self.rows, 3), np.float32))}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("AUTOMM_CACHE_DIR", str(tmp_path))
    return tmp_path


@pytest.fixture
def filled(folder):
    """Two entries, one in use as long as the test runs, and one decoded picture."""
    store = FeatureStore(folder / "features", 10**9)
    texts = About("texts", "minilm-l6", "keras-1", 1200, items=1200)
    pictures = About("pictures", "efficientnet-lite0", "onnx-1", 5, items=5)
    held = store.get({A: texts}, numbered(1200), lambda missing, unseen: Zeros(A, 1200))[A]
    (file,) = (folder / "features").glob("*.json")
    store.get({B: pictures}, numbered(5), lambda missing, unseen: Zeros(B, 5))
    os.utime(file, (1_700_000_000, 1_700_000_000))
    Image.new("RGB", (8, 8)).save(folder / "a.png")
    prepare_pictures([folder / "a.png"], [PictureForm(4)], folder)
    return held


def run(*arguments):
    done = CliRunner().invoke(app, ["cache", *arguments], catch_exceptions=False)
    assert done.exit_code == 0
    return done.stdout


def test_the_table(folder, filled):
    lines = [line.split() for line in run().splitlines()]
    assert lines[0] == ["key", "what", "encoder", "rows", "size", "last", "used"]
    assert lines[1][1:6] == ["pictures", "efficientnet-lite0", "5", str(PICTURES), "bytes"]
    assert lines[2][1:] == ["texts", "minilm-l6", "1,200", "33.7", "kB", "2023-11-14T22:13:20+00:00"]
    assert lines[1][0] != lines[2][0]
    assert lines[3][1:-1] == ["decoded", "pictures", "-", "1", "48", "bytes"]
    assert " ".join(lines[4]) == f"features: 34.0 kB of 20.0 GB, in {folder / 'features'}"
    assert " ".join(lines[5]) == f"decoded pictures: 48 bytes of 20.0 GB, in {folder / 'pictures'}"


def test_json(folder, filled, monkeypatch):
    monkeypatch.setenv("AUTOMM_CACHE_LIMIT", "5GB")
    content = json.loads(run("--format", "json"))
    assert (content["folder"], content["bytes"], content["limit"]) == (str(folder), TEXTS + PICTURES, 5 * 10**9)
    assert content["features"][1].pop("key").endswith(f"-{A}")
    assert content["features"][1] == {
        "what": "texts",
        "encoder": "minilm-l6",
        "engine": "keras-1",
        "rows": 1200,
        "features": 3,
        "dtype": "<f4",
        "items": 1200,
        "ragged": False,
        "bytes": TEXTS,
        "last_used": "2023-11-14T22:13:20+00:00",
    }
    assert [(entry["rows"], entry["bytes"]) for entry in content["decoded_pictures"]] == [(1, 48)]


def test_clear_keeps_and_counts_entries_in_use(folder, filled):
    said = run("--clear").splitlines()
    assert said[0] == f"1 entries removed, {PICTURES} bytes; 1 in use and kept"
    assert said[1] == "1 sets of decoded pictures removed, 48 bytes"
    nothing = {"entries": 0, "bytes": 0, "in_use": 1, "pictures": 0, "picture_bytes": 0}
    nothing |= {"embedded": 0, "embedded_bytes": 0, "converted": 0, "converted_bytes": 0}
    assert json.loads(run("--clear", "--format", "json")) == nothing
    assert [entry["what"] for entry in json.loads(run("--format", "json"))["features"]] == ["texts"]
    assert not list((folder / "pictures").glob("*.u8"))


def test_an_empty_cache(folder):
    assert NONE_OF_THEM in run()
    assert run("--clear").startswith("0 entries removed, 0 bytes; 0 in use and kept\n")


def test_a_limit_that_is_not_a_size(folder, monkeypatch):
    monkeypatch.setenv("AUTOMM_CACHE_LIMIT", "much")
    with pytest.raises(ConfigError, match="AUTOMM_CACHE_LIMIT: 'much' is not a size"):
        run()


def test_pictures_from_cells_are_listed_and_cleared(folder):
    EmbeddedFiles(folder, 10**9).path_of(Embedded("photo", b"x" * 1000, ".png"))
    listed = run().splitlines()
    assert listed[-1] == f"pictures from cells of records: 1.0 kB of 20.0 GB, in {folder / 'embedded'}"
    assert json.loads(run("--format", "json"))["embedded_bytes"] == 1000
    assert run("--clear").splitlines()[-1] == "1 pictures from cells of records removed, 1.0 kB"
    assert json.loads(run("--format", "json"))["embedded_bytes"] == 0


def test_converted_encoders_are_listed_and_cleared_with_what_was_measured(folder):
    models = OnnxModels(folder / "onnx")
    models.keep_difference("family", 2e-5)
    (folder / "onnx" / "key-digest.onnx").write_bytes(b"x" * 1000)
    listed = run().splitlines()
    assert listed[-1] == f"encoders converted for ONNX Runtime: 1.0 kB, in {folder / 'onnx'}"
    assert json.loads(run("--format", "json"))["converted_bytes"] == 1000
    assert run("--clear").splitlines()[-1] == "1 converted encoders removed, 1.0 kB"
    assert json.loads(run("--format", "json"))["converted_bytes"] == 0
    assert models.difference("family") is None
