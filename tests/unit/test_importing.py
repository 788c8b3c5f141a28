"""A native layout, imported, is the data set that it was in place."""

import json

import pytest
from layouts import WRITERS, manifest_of, put

from automm.data.importing import import_data
from automm.data.manifest import load_manifest
from automm.data.reviews import load_dataset
from automm.errors import ConfigError, DataError, NotFoundError

READER = "def read(path, options):\n  yield {'n': 1, 'text': 'a', 'stars': options['s']}\n"


def facts(dataset, root):
    """All of the reviews but where they stood; pictures relative to their folder."""
    reviews = [
        (one.id, one.text, tuple(path.relative_to(root) for path in one.images), one.all_labels, one.group)
        for one in dataset.reviews
    ]
    return reviews, dataset.labels


@pytest.mark.parametrize("copy_images", [False, True])
@pytest.mark.parametrize("name", WRITERS)
def test_what_was_imported_is_what_is_read_in_place(tmp_path, name, copy_images):
    manifest = manifest_of(tmp_path, name)
    data = tmp_path / "data"
    in_place = load_dataset(manifest.model_copy(update={"splits": manifest.splits.model_copy(update={"column": None})}))
    done = import_data(name, data, tmp_path / "out", options=manifest.options, copy_images=copy_images)
    assert done.manifest == tmp_path / "out" / "manifest.yaml"
    again = load_dataset(load_manifest(done.manifest))
    root = tmp_path / "out" / "images" if copy_images else data
    assert facts(again, root) == facts(in_place, data)
    assert {path.name for path in tmp_path.iterdir()} == {"data", "out"}
    if copy_images:
        assert done.pictures == len({path for review in again.reviews for path in review.images})


def test_auto_takes_the_format_that_is_there(tmp_path):
    manifest_of(tmp_path, "hateful-memes")
    done = import_data("auto", tmp_path / "data", tmp_path / "out", fields={"group": "img"})
    assert "format hateful-memes" in done.manifest.read_text()
    assert load_manifest(done.manifest).fields.group == "img"
    assert done.records == 13
    assert done.treated == {"ignored: the same record again": 2}


def test_splits_of_the_layout_can_be_used_afterwards(tmp_path):
    manifest_of(tmp_path, "multi-zol")
    done = import_data("multi-zol", tmp_path / "data", tmp_path / "out")
    done.manifest.write_text(done.manifest.read_text().replace("# splits:", "splits:"))
    assert {review.split for review in load_dataset(load_manifest(done.manifest)).reviews} == {
        "train",
        "validation",
        "test",
    }


def test_nothing_is_written_where_records_are_broken(tmp_path):
    manifest_of(tmp_path, "mvsa")
    (tmp_path / "data" / "data" / "3.txt").write_bytes(b"\xff\xff")
    with pytest.raises(DataError, match="is not gb18030"):
        import_data("mvsa", tmp_path / "data", tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


@pytest.mark.parametrize(
    ("name", "source", "to", "error", "expected"),
    [
        ("mvvsa", "data", "out", ConfigError, "Did you mean 'mvsa'"),
        ("records", "data", "out", ConfigError, "automm init FILE"),
        ("mvsa", "nothing", "out", NotFoundError, "nothing: no such file or folder"),
        ("auto", "data/data", "out", NotFoundError, "no known format. Known ones, and what each looks for"),
        ("mvsa", "data", "data", ConfigError, "is not an empty folder"),
        ("own:read", "data", "out", ConfigError, "add --allow-code"),
    ],
)
def test_what_cannot_be_imported(tmp_path, name, source, to, error, expected):
    manifest_of(tmp_path, "mvsa")
    with pytest.raises(error, match=expected):
        import_data(name, tmp_path / source, tmp_path / to)
    assert not (tmp_path / "out").exists()


def test_no_picture_is_copied_out_of_the_folder(tmp_path):
    put(tmp_path / "data" / "train", {"metadata.jsonl": '{"file_name": "../../data/train/a.png", "text": "x"}'})
    put(tmp_path / "data" / "train", {"a.png": b"x"})
    with pytest.raises(DataError, match=r"leads out of .* on its way"):
        import_data("imagefolder", tmp_path / "data", tmp_path / "new" / "out", copy_images=True)
    assert [path.name for path in (tmp_path / "new").iterdir()] == []


def test_a_folder_behind_a_link_knows_where_the_pictures_are(tmp_path):
    manifest_of(tmp_path / "here", "mvsa")
    (tmp_path / "far" / "away").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "far" / "away")
    done = import_data("mvsa", tmp_path / "here" / "data", tmp_path / "link" / "out")
    assert load_dataset(load_manifest(done.manifest)).reviews[0].images[0].is_file()


def test_a_reader_of_somebodys_own_is_imported(tmp_path, monkeypatch):
    (tmp_path / "shop.py").write_text(READER)
    monkeypatch.chdir(tmp_path)
    fields = {"id": "n", "text": "text", "label": "stars"}
    done = import_data("shop:read", tmp_path, tmp_path / "out", options={"s": 3}, fields=fields, allow_code=True)
    assert json.loads((tmp_path / "out" / "reviews.jsonl").read_text()) == {"n": 1, "text": "a", "stars": 3}
    assert done.records == 1


def test_what_json_cannot_hold_is_named(tmp_path, monkeypatch):
    (tmp_path / "shop.py").write_text("def read(path, options):\n  yield {'n': 1, 'text': {1}}\n")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match="read:1: cannot be written as JSON"):
        import_data("shop:read", tmp_path, tmp_path / "out", fields={"text": "text"}, allow_code=True)
