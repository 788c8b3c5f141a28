import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from automm.data.demo import generate as demo
from automm.data.demo.drawing import SIZE
from automm.data.manifest import load_manifest
from automm.errors import ConfigError

EXAMPLE = Path(__file__).parents[2] / "data_manifests" / "demo.yaml"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return demo.write_demo(tmp_path_factory.mktemp("demo") / "new" / "demo", reviews=60).parent


@pytest.fixture(scope="module")
def records(folder):
    return [json.loads(line) for line in (folder / "reviews.jsonl").read_text("utf-8").splitlines()]


def content(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_the_same_seed_writes_the_same_bytes(folder, tmp_path):
    again = demo.write_demo(tmp_path / "again", reviews=60).parent
    other = demo.write_demo(tmp_path / "other", reviews=60, seed=2).parent
    assert content(again) == content(folder)
    assert content(other)["reviews.jsonl"] != content(folder)["reviews.jsonl"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["again", "other"]


def test_records_and_pictures_agree(folder, records):
    named = [name for record in records for name in record["photos"]]
    assert sorted(named) == sorted(path.name for path in (folder / "images").iterdir())
    assert {len(record["photos"]) for record in records} == {0, 1, 2, 3, 4}
    assert {record["label"] for record in records} == set(demo.LABELS)
    assert len({record["review_id"] for record in records}) == 60
    for record in records:
        relevant = record["relevant_image"]
        assert (relevant is None) == (not record["photos"])
        assert relevant is None or relevant < len(record["photos"])
    for name in named[:10]:
        with Image.open(folder / "images" / name) as picture:
            assert (picture.size, picture.mode) == ((SIZE, SIZE), "RGB")


def test_the_text_names_the_product_of_the_relevant_picture(records):
    drawn = demo.draw_reviews(60, np.random.Generator(np.random.PCG64(1)))
    for record, review in zip(records, drawn, strict=True):
        assert f" {review.kind}" in record["body"]
        if review.relevant is not None:
            assert review.pictures[review.relevant].kind == review.kind
        assert sum(picture.kind == review.kind for picture in review.pictures) <= 1


def test_products_have_one_kind_and_labels_are_balanced():
    drawn = demo.draw_reviews(600, np.random.Generator(np.random.PCG64(1)))
    assert len({(review.product, review.kind, review.colour) for review in drawn}) == len(
        {review.product for review in drawn}
    )
    assert min(Counter(review.label for review in drawn).values()) > 150


def test_the_documented_ceilings_are_the_measured_ones():
    measured = demo.best_accuracy(demo.CEILING_SEED)
    assert measured == demo.best_accuracy(demo.CEILING_SEED, 2000)
    sentence = "text alone {text:.3f}, pictures alone {image:.3f}, both {both:.3f}".format(**measured)
    assert sentence in " ".join((demo.__doc__ or "").split())
    assert sentence in demo.manifest_text("a", "b")
    assert 0.6 < measured["text"] < 0.7
    assert 0.5 < measured["image"] < 0.7
    assert 0.94 < measured["both"] < 1 - demo.NOISE / 2


def test_both_manifests_load_and_differ_in_paths_only(folder):
    written, example = folder / "manifest.yaml", EXAMPLE.read_text("utf-8")
    assert load_manifest(written).name == load_manifest(EXAMPLE).name == "demo"
    assert example.endswith(demo.manifest_text("../demo/reviews.jsonl", "../demo/images"))
    content = yaml.safe_load(written.read_text("utf-8"))
    there = yaml.safe_load(example) | {"records": "reviews.jsonl", "image_root": "images"}
    assert content == there


def test_writes_into_an_empty_folder_only(tmp_path):
    (tmp_path / "empty").mkdir()
    assert demo.write_demo(tmp_path / "empty", reviews=1).is_file()
    (tmp_path / "file").touch()
    for taken in ("empty", "file"):
        before = content(tmp_path)
        with pytest.raises(ConfigError, match="is not an empty folder"):
            demo.write_demo(tmp_path / taken, reviews=1)
        assert content(tmp_path) == before
    with pytest.raises(ConfigError, match="at least one review"):
        demo.write_demo(tmp_path / "none", reviews=0)
    with pytest.raises(ConfigError, match="cannot write"):
        demo.write_demo(tmp_path / "file" / "below", reviews=1)


def test_an_interrupted_demo_leaves_nothing(tmp_path, monkeypatch):
    def interrupt(*_args):
        raise KeyboardInterrupt

    monkeypatch.setattr(demo, "render", interrupt)
    with pytest.raises(KeyboardInterrupt):
        demo.write_demo(tmp_path / "demo")
    assert list(tmp_path.iterdir()) == []
