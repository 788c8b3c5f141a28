"""`automm init`: a first manifest from a look at the records."""

import csv
import json

import pytest
import yaml
from layouts import manifest_of

from automm.data.demo import write_demo
from automm.data.guessing import write_first_manifest
from automm.data.manifest import load_manifest
from automm.data.reviews import load_dataset
from automm.errors import ConfigError, DataError, NotFoundError


def first(folder, rows, name="r.jsonl"):
    file = folder / name
    if name.endswith(".csv"):
        with file.open("w", newline="", encoding="utf-8") as out:
            table = csv.DictWriter(out, list(rows[0]))
            table.writeheader()
            table.writerows(rows)
    else:
        file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    path, reasons = write_first_manifest(file)
    return yaml.safe_load(path.read_text()), reasons


def rows(count=40, **cells):
    """Records whose cells are a function of their number."""
    return [{name: cell(n) for name, cell in cells.items()} for n in range(count)]


BASIC = {"review_id": lambda n: f"r{n}", "text": lambda n: f"some words number {n}", "label": lambda n: "ab"[n % 2]}


def test_the_demo_is_guessed_as_it_is(tmp_path):
    manifest = write_demo(tmp_path / "demo", reviews=60, seed=1)
    guessed, _ = write_first_manifest(tmp_path / "demo" / "reviews.jsonl", tmp_path / "demo" / "guessed.yaml")
    true, found = load_manifest(manifest), load_manifest(guessed)
    assert found.fields == true.fields
    assert found.image_root == true.image_root
    reviews = load_dataset(found).reviews
    assert [review.images for review in reviews] == [review.images for review in load_dataset(true).reviews]


def test_urls_that_are_separated_and_a_sentence_for_none(tmp_path):
    def link(n):
        return "Tidak ada gambar" if n % 4 else f"https://a.example/{n}.webp?e=4g, https://a.example/{n}b.webp"

    content, reasons = first(tmp_path, rows(**BASIC, link_gambar=link, file_gambar=lambda n: f"{n}.jpg"), "r.csv")
    fields = content["fields"]
    assert (fields["images"], fields["separator"], fields["none_values"]) == ("link_gambar", ",", ["Tidak ada gambar"])
    assert "URLs" in reasons["fields.images"]


def test_the_column_whose_files_are_there_is_preferred(tmp_path):
    (tmp_path / "photos").mkdir()
    for n in range(40):
        (tmp_path / "photos" / f"{n}.png").write_bytes(b"x")
    cells = {"other": lambda n: f"https://a.example/{n}.png", "file": lambda n: [f"{n}.png"]}
    content, _ = first(tmp_path, rows(**BASIC, **cells))
    assert (content["fields"]["images"], content["image_root"]) == ("file", "photos")


def test_ids_groups_and_splits(tmp_path):
    cells = {"product_id": lambda n: n // 4, "fold": lambda n: ["train", "train", "dev", "test"][n % 4]}
    content, _ = first(tmp_path, rows(**BASIC, **cells))
    assert content["fields"]["id"] == "review_id"
    assert content["fields"]["group"] == "product_id"
    assert content["splits"] == {"column": "fold", "values": {"dev": "validation"}}


def test_an_id_that_repeats_is_none(tmp_path):
    content, reasons = first(tmp_path, rows(**BASIC | {"review_id": lambda n: f"r{n % 30}"}))
    assert "id" not in content["fields"]
    assert "line numbers" in reasons["fields.id"]


def test_several_labels(tmp_path):
    content, reasons = first(tmp_path, rows(**BASIC | {"label": lambda n: n}, genres=lambda n: ["a", "b"][: n % 3]))
    assert content["fields"]["label"] == "genres"
    assert "several labels" in reasons["fields.label"]


def test_names_that_say_nothing(tmp_path):
    cells = {"x": lambda n: f"a rather long text with the number {n}", "y": lambda n: n % 3, "z": lambda n: n / 7}
    content, _ = first(tmp_path, rows(**cells))
    assert content["fields"] == {"text": "x", "label": "y"}


def test_without_a_label_it_is_for_predictions(tmp_path):
    content, reasons = first(tmp_path, [{"text": "one text"}, {"text": "and another one"}])
    assert content["fields"] == {"text": "text"}
    assert "predictions only" in reasons["fields.label"]


def test_a_manifest_that_is_there_stays(tmp_path):
    (tmp_path / "manifest.yaml").write_text("mine")
    with pytest.raises(ConfigError, match="is there already and stays as it is"):
        first(tmp_path, rows(**BASIC))
    assert (tmp_path / "manifest.yaml").read_text() == "mine"


def test_a_file_of_a_native_layout_is_recognised(tmp_path):
    manifest_of(tmp_path, "amazon-reviews-2018")
    file = tmp_path / "data" / "Home.json"
    _, reasons = write_first_manifest(file)
    assert "automm import amazon-reviews-2018" in reasons["format"]
    file.write_text(file.read_text() + "[")
    with pytest.raises(DataError, match="It looks like format amazon-reviews-2018: automm import amazon-reviews-2018"):
        write_first_manifest(file, tmp_path / "other.yaml")


def test_files_of_which_nothing_can_be_guessed(tmp_path):
    with pytest.raises(ConfigError, match="no column looks like text or pictures"):
        first(tmp_path, [{"a": 1.5}, {"a": 2.5}])
    with pytest.raises(NotFoundError):
        write_first_manifest(tmp_path / "absent.csv")
    (tmp_path / "r.xlsx").write_text("x")
    with pytest.raises(DataError, match="unknown suffix"):
        write_first_manifest(tmp_path / "r.xlsx")
    (tmp_path / "b.csv").write_bytes(b"text\none good line\n\xff\n")
    with pytest.raises(DataError, match=r"b.csv:3: not utf-8"):
        write_first_manifest(tmp_path / "b.csv")
