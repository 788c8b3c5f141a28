"""Regressions: data that changed silently, and commands that crashed."""

import json

import pytest
from PIL import Image

from automm.data.files import file_digest
from automm.data.images.decode import PictureError, decode_picture
from automm.data.manifest import load_manifest
from automm.data.quality.run import check
from automm.data.records.reviews import Dataset, Review, load_dataset
from automm.data.splitting.links import links_of
from automm.data.splitting.split import split_dataset
from automm.errors import ConfigError, DataError

MANIFEST = "name: t\nrecords: r.jsonl\nfields: {id: id, text: text, images: pics, label: label}\n"


def write(folder, changes=(), manifest=MANIFEST, extra=""):
    rows = [{"id": f"r{n}", "text": f"text {n}", "pics": [], "label": "ab"[n % 2]} for n in range(8)]
    for row, change in zip(rows, changes, strict=False):
        row.update(change)
    (folder / "r.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "manifest.yaml").write_text(manifest + extra)
    return folder / "manifest.yaml"


def load(*args, **keywords):
    return load_dataset(load_manifest(write(*args, **keywords)))


def test_an_id_that_may_have_lost_digits_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"r.jsonl:1: id 1.2\S+ in column 'id' is a float and may have lost digits"):
        load(tmp_path, [{"id": 12345678901234567891.0}])
    ids = [review.id for review in load(tmp_path, [{"id": 12345678901234567891}, {"id": "1.0"}, {"id": 1}]).reviews]
    assert ids[:3] == ["12345678901234567891", "1.0", "1"]


@pytest.mark.parametrize(
    "line", ['{"id": "x", "text": "t", "label": "a", "label": "b"}', '{"id": "x", "label": Infinity}']
)
def test_json_that_would_lose_or_invent_a_value_is_refused(tmp_path, line):
    manifest = write(tmp_path)
    with (tmp_path / "r.jsonl").open("a") as file:
        file.write(line + "\n")
    with pytest.raises(DataError, match=r"r.jsonl:9"):
        load_dataset(load_manifest(manifest))


@pytest.mark.parametrize("encoding", ["nonsense", "rot13", "base64"])
def test_an_encoding_that_cannot_decode_is_a_config_error(tmp_path, encoding):
    with pytest.raises(ConfigError, match=r"manifest.yaml:4"):
        load(tmp_path, extra=f"encoding: {encoding}\n")


def test_files_of_one_name_in_several_folders_have_distinct_ids(tmp_path):
    write(tmp_path)
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "r.jsonl").write_bytes((tmp_path / "r.jsonl").read_bytes())
    (tmp_path / "manifest.yaml").write_text(
        "name: t\nrecords: '*/r.jsonl'\nfields: {text: text, label: label}\nsplits: {seed: 2}\n"
    )
    reviews = load_dataset(load_manifest(tmp_path / "manifest.yaml")).reviews
    assert len({review.id for review in reviews}) == 16
    assert reviews[8].where == "two/r.jsonl:1"


def test_a_none_value_may_contain_the_separator(tmp_path):
    fields = "label: label, separator: ',', none_values: ['none, sadly']}"
    reviews = load(tmp_path, [{"pics": "none, sadly"}], MANIFEST.replace("label: label}", fields)).reviews
    assert reviews[0].images == ()


def test_on_unlisted_without_labels_map_is_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"on_unlisted: drop needs map"):
        load(tmp_path, extra="labels: {on_unlisted: drop}\n")


def test_yaml_1_1_numbers_stay_strings(tmp_path):
    changes = [{"label": word} for word in ["010", "12:30"] * 4]
    assert load(tmp_path, changes, extra="labels: {map: {low: [010], high: [12:30]}}\n").labels == (
        "low",
        "high",
    )


def test_short_texts_do_not_link_reviews(tmp_path):
    reviews = [Review(f"r{n}", "Great!", (), "ab"[n % 2], None, None, f"r:{n}") for n in range(100)]
    dataset = Dataset(load_manifest(write(tmp_path)), reviews, ("a", "b"), {})
    splits = split_dataset(dataset, links_of(dataset, {}))
    assert [len(rows) for rows in splits.values()] == [70, 15, 15]


def test_check_reports_labels_that_are_missing_in_a_split(tmp_path):
    splits = ["train"] * 4 + ["validation", "validation", "test", "test"]
    changes = [{"split": split} for split in splits]
    changes[6]["label"] = "b"
    report = check(write(tmp_path, changes, extra="splits: {column: split}\n"))
    (finding,) = [finding for finding in report.findings if "without a review" in finding.what]
    assert [one.line for one in finding.examples] == ["'a': no review in test"]


def test_a_link_in_place_of_a_picture_is_not_followed(tmp_path):
    Image.new("RGB", (4, 4)).save(tmp_path / "real.png")
    (tmp_path / "link.png").symlink_to("real.png")
    with pytest.raises(PictureError, match="not a file"):
        decode_picture(tmp_path / "link.png", 8)
    with pytest.raises(OSError, match=r"link\.png"):
        file_digest(tmp_path / "link.png")
