"""A native layout, imported, is the data set that it was in place."""

import json
from dataclasses import replace

import pytest
from layouts import WRITERS, manifest_of, put

from automm.data import layouts as formats
from automm.data.manifest import load_manifest
from automm.data.onboarding.import_layout import import_data
from automm.data.records.reviews import load_dataset
from automm.data.splitting.links import links_of
from automm.data.splitting.split import split_dataset
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


def test_auto_takes_the_format_of_the_source(tmp_path):
    manifest_of(tmp_path, "hateful-memes")
    done = import_data("auto", tmp_path / "data", tmp_path / "out", fields={"group": "img"})
    assert "format hateful-memes" in done.manifest.read_text()
    assert load_manifest(done.manifest).fields.group == "img"
    assert done.records == 13
    assert done.changes == {"same_record": 2}


def tree(*names):
    return {name: "# a document" if name.endswith(".md") else b"x" for name in names}


def test_auto_recognises_a_tree_of_documents(tmp_path):
    put(tmp_path / "data", tree("soup/pea.md", "soup/img/pea.jpg", "cake/pie.md", "cake/img/pie.jpg", "index.md"))
    done = import_data("auto", tmp_path / "data", tmp_path / "out")
    assert "format markdown-tree" in done.manifest.read_text()
    assert done.records == 3


def let_imagefolder_fit_everything(monkeypatch):
    layout = replace(formats.find_layout("imagefolder"), fits=lambda path: True)
    monkeypatch.setattr("automm.data.layouts.imagefolder.IMAGEFOLDER", layout)


def test_auto_tries_the_next_format_if_the_first_finds_nothing(tmp_path, monkeypatch):
    let_imagefolder_fit_everything(monkeypatch)
    put(tmp_path / "data", tree("soup/pea.md", "cake/pie.md"))
    done = import_data("auto", tmp_path / "data", tmp_path / "out")
    assert "format markdown-tree" in done.manifest.read_text()
    assert {path.name for path in tmp_path.iterdir()} == {"data", "out"}


@pytest.mark.parametrize("name", ["auto", "imagefolder"])
def test_an_empty_data_set_names_its_format(tmp_path, monkeypatch, name):
    let_imagefolder_fit_everything(monkeypatch)
    put(tmp_path / "data", tree("1.jpg"))
    with pytest.raises(DataError) as caught:
        import_data(name, tmp_path / "data", tmp_path / "out")
    [empty] = caught.value.lines  # no other format fits
    assert empty.startswith(f"{tmp_path / 'data'}: no reviews found in format imagefolder. It looks for metadata")


def test_an_empty_data_set_reports_what_was_dropped(tmp_path):
    row = {"user_id": "1", "gmap_id": "g", "rating": 5, "text": None, "pics": None, "time": 1}
    put(tmp_path / "data", {"review-Ohio.json": json.dumps(row)})
    with pytest.raises(DataError, match=r"google-local-2021\. .*\. ignored: a rating without text or picture: 1"):
        import_data("auto", tmp_path / "data", tmp_path / "out")


def test_a_records_file_needs_init_and_no_import(tmp_path):
    put(tmp_path / "data", tree("images/1.jpg", "README.md") | {"styles.csv": "id,text\n1,a\n"})
    with pytest.raises(NotFoundError, match=r"no known format(?s:.*)write a manifest: automm init .*data/styles\.csv"):
        import_data("auto", tmp_path / "data" / "styles.csv", tmp_path / "out")


CAPTIONED = [
    {"file_name": f"{n}.png", "caption": f"a caption of a few words {n}", "sentiment": "ab"[n % 2]} for n in range(8)
]


def captioned(folder, **more):
    rows = [row | more for row in CAPTIONED]
    put(folder / "data", {"metadata.jsonl": "".join(json.dumps(row) + "\n" for row in rows)})
    put(folder / "data", tree(*(f"{n}.png" for n in range(8))))


def test_columns_that_no_record_has_are_guessed(tmp_path):
    captioned(tmp_path)
    done = import_data("imagefolder", tmp_path / "data", tmp_path / "out")
    assert set(done.reasons) == {"fields.text", "fields.label", "fields.id"}
    assert f"# fields.text: {done.reasons['fields.text']}\n" in done.manifest.read_text()
    dataset = load_dataset(load_manifest(done.manifest))
    assert (dataset.reviews[1].text, dataset.labels) == ("a caption of a few words 1", ("a", "b"))
    assert dataset.reviews[1].images[0].name == "1.png"


def test_columns_that_some_record_has_are_not_guessed(tmp_path):
    captioned(tmp_path, label="x")
    fields = load_manifest(import_data("auto", tmp_path / "data", tmp_path / "out").manifest).fields
    assert (fields.text, fields.label.column) == (("caption",), "label")


def test_what_an_import_ignores_is_named(tmp_path):
    captioned(tmp_path)
    put(tmp_path / "data", tree("more/x.png", "more/y.png") | {"prices.csv": "name,price\na,1\n"})
    reasons = import_data("auto", tmp_path / "data", tmp_path / "out").reasons
    assert reasons["not read: prices.csv"] == "format imagefolder does not read it"
    assert reasons["unused pictures"] == "2 under more/ that no record names"


def test_folders_of_pictures_are_no_labels_if_their_names_only_mean_pictures(tmp_path):
    put(tmp_path / "data", tree("train_images/1.png", "test_images/2.png", "images/3.png"))
    with pytest.raises(NotFoundError, match="no known format"):
        import_data("auto", tmp_path / "data", tmp_path / "out")


def test_given_fields_are_not_guessed(tmp_path):
    captioned(tmp_path)
    done = import_data("auto", tmp_path / "data", tmp_path / "out", fields={"text": "captoin"})
    assert load_manifest(done.manifest).fields.text == ("captoin",)
    assert set(done.reasons) == {"fields.label", "fields.id"}


@pytest.mark.parametrize("name", ["{}.png", "{}-of-a-name-that-is-as-long-as-a-text-may-be.png", "{}.raw"])
def test_fields_stay_if_no_column_looks_like_text(tmp_path, name):
    rows = "".join(json.dumps({"file_name": name.format(n), "n": n}) + "\n" for n in range(4))
    put(tmp_path / "data", {"metadata.jsonl": rows, **tree(*(name.format(n) for n in range(4)))})
    done = import_data("auto", tmp_path / "data", tmp_path / "out")
    with pytest.raises(DataError, match=r"no column 'text' \(named in fields\.text\)"):
        load_dataset(load_manifest(done.manifest))


@pytest.mark.parametrize(
    ("splits", "expected"),
    [
        (("train", "val", "test"), "# splits: {column: split}\n"),
        (("Train", "Test"), "# splits: {column: split, validation: 0.15}\n"),
        (("train", "val"), None),
        (("train",), None),
        ((".",), None),
    ],
)
def test_splits_are_offered_where_they_can_be_used(tmp_path, splits, expected):
    names = (f"{split}/{label}/{n}.jpg" for split in splits for label in "ab" for n in range(20))
    put(tmp_path / "data", tree(*names))
    done = import_data("imagefolder", tmp_path / "data", tmp_path / "out")
    written = done.manifest.read_text()
    assert ("# splits" in written) == (expected is not None)
    if expected is not None:
        assert written.endswith(expected)
        done.manifest.write_text(written.replace("# splits:", "splits:"))
        dataset = load_dataset(load_manifest(done.manifest))
        assert all(len(rows) for rows in split_dataset(dataset, links_of(dataset, {})).values())


def test_nothing_is_counted_that_did_not_occur(tmp_path):
    manifest_of(tmp_path, "mm-imdb")
    (tmp_path / "data" / "dataset" / "0000007.json").unlink()
    assert import_data("mm-imdb", tmp_path / "data", tmp_path / "out").changes == {}


def test_splits_of_the_layout_can_be_used_afterwards(tmp_path):
    manifest_of(tmp_path, "multi-zol")
    done = import_data("multi-zol", tmp_path / "data", tmp_path / "out")
    done.manifest.write_text(done.manifest.read_text().replace("# splits:", "splits:"))
    assert {review.split for review in load_dataset(load_manifest(done.manifest)).reviews} == {
        "train",
        "validation",
        "test",
    }


def test_nothing_is_written_if_records_are_malformed(tmp_path):
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
    with pytest.raises(DataError, match=r"leads out of .* and back"):
        import_data("imagefolder", tmp_path / "data", tmp_path / "new" / "out", copy_images=True)
    assert [path.name for path in (tmp_path / "new").iterdir()] == []


def test_a_folder_behind_a_link_knows_where_the_pictures_are(tmp_path):
    manifest_of(tmp_path / "here", "mvsa")
    (tmp_path / "far" / "away").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "far" / "away")
    done = import_data("mvsa", tmp_path / "here" / "data", tmp_path / "link" / "out")
    assert load_dataset(load_manifest(done.manifest)).reviews[0].images[0].is_file()


def test_a_custom_reader_is_imported(tmp_path, monkeypatch):
    (tmp_path / "shop.py").write_text(READER)
    monkeypatch.chdir(tmp_path)
    fields = {"id": "n", "text": "text", "label": "stars"}
    done = import_data("shop:read", tmp_path, tmp_path / "out", options={"s": 3}, fields=fields, allow_code=True)
    assert json.loads((tmp_path / "out" / "reviews.jsonl").read_text()) == {"n": 1, "text": "a", "stars": 3}
    assert done.records == 1


def test_values_that_json_cannot_hold_are_reported(tmp_path, monkeypatch):
    (tmp_path / "shop.py").write_text("def read(path, options):\n  yield {'n': 1, 'text': {1}}\n")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match="read:1: cannot be written as JSON"):
        import_data("shop:read", tmp_path, tmp_path / "out", fields={"text": "text"}, allow_code=True)


def test_a_cell_that_names_no_pictures_is_named_when_they_are_copied(tmp_path, monkeypatch):
    (tmp_path / "shop.py").write_text("def read(path, options):\n  yield {'n': 1, 'text': 'a', 'photo': 7}\n")
    monkeypatch.chdir(tmp_path)
    fields = {"text": "text", "images": "photo"}
    with pytest.raises(DataError, match=r"read:1: column 'photo' holds int, expected picture names"):
        import_data("shop:read", tmp_path, tmp_path / "out", fields=fields, copy_images=True, allow_code=True)
