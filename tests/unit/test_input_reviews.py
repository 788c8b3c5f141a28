"""The reviews to predict."""

import base64
import io
import json

import pytest
from advice import advises, hear
from PIL import Image

from automm.deliver.input_reviews import RejectedRecord, open_reviews

READING = {"name": "x", "fields": {"id": "id", "text": "text", "images": "photos"}, "format": "records"}


def opened(folder, records, **fields):
    (folder / "r.jsonl").write_text("\n".join(json.dumps(record) for record in records))
    reading = READING | {"fields": READING["fields"] | fields}
    return list(open_reviews({"reading": reading, "image_root": "."}, folder / "r.jsonl", None))


@pytest.mark.parametrize(
    ("identity", "expected"),
    [(7.0, "7"), (" 7 ", "7"), ("", "r-1"), (None, "r-1"), (True, "r-1"), ({"a": 1}, "r-1"), (2.0**60, "r-1")],
)
def test_a_rejected_record_keeps_the_id_of_its_review(tmp_path, identity, expected):
    rejected, review = opened(
        tmp_path,
        [
            {"id": identity, "text": {"an": "object"}, "photos": []},
            {"id": 8.0, "text": "fine", "photos": []},
        ],
    )
    assert isinstance(rejected, RejectedRecord)
    assert rejected.id == expected
    assert rejected.error.startswith("r.jsonl:1: column 'text' holds dict")
    assert review.id == "8"


def test_a_review_to_predict_keeps_the_names_of_its_pictures(tmp_path):
    (tmp_path / "a.png").write_bytes(b"is not decoded")
    records = [{"id": n, "text": "t", "photos": [name]} for n, name in enumerate(["gone.png", "./a.png"])]
    rejected, review = opened(tmp_path, records)
    assert "picture 'gone.png' not found" in rejected.error
    assert review.names == ("./a.png",)


def test_advice_names_what_this_user_has(tmp_path):
    """There is no manifest to edit where a records file is predicted."""
    names = ["gone.png", "https://example.org/a.png", "../a.png"]
    records = [{"id": n, "text": "t", "photos": [name]} for n, name in enumerate(names)]
    missing, unfetched, outside = opened(tmp_path, [*records])
    assert missing.error.endswith("--image-root DIR. To predict without the picture, empty its cell in r.jsonl")
    assert "Write a manifest with 'automm init r.jsonl'" in unfetched.error
    assert outside.error.endswith("Name it relative to the folder of --image-root")
    assert [one.code for one in (missing, unfetched, outside)] == ["missing_picture", "not_fetched", "picture_outside"]
    assert [one.given for one in (missing, unfetched, outside)] == [1, 1, 1]
    assert not any("manifest.yaml" in one.error or "on_bad" in one.error for one in (missing, unfetched, outside))


def test_pictures_by_pattern_are_shared_out_among_the_records_to_predict(tmp_path):
    for name in ("a-1.png", "a-2-1.png", "a-10.png"):
        (tmp_path / name).write_bytes(b"is not decoded")
    first, second, third = opened(
        tmp_path, [{"id": name, "text": "t"} for name in ("a", "a-2", "b")], images="{id}-*.png"
    )
    assert first.names == ("a-1.png", "a-10.png")
    assert second.names == ("a-2-1.png",)
    assert third.names == ()


@advises("Correct the cell in {}, or empty it to predict without the picture")
def test_a_broken_picture_in_a_cell_has_advice_for_the_records_file(tmp_path):
    broken, empty = opened(
        tmp_path,
        [{"id": 1, "text": "t", "photos": "cat.jpg"}, {"id": 2, "text": "t", "photos": "NaN"}],
        image_kind="base64",
    )
    assert broken.error.startswith("r.jsonl:1: picture 'photos' is not base64: 'cat.jpg'. Correct the cell in r.jsonl")
    assert (broken.code, broken.given) == ("broken_picture", 1)
    assert empty.images == ()
    hear(broken.error, "Correct the cell in {}, or empty it to predict without the picture")
    picture = io.BytesIO()
    Image.new("RGB", (8, 8)).save(picture, "PNG")
    for cell, pictures in (("", 0), (base64.b64encode(picture.getvalue()).decode(), 1)):
        (review,) = opened(tmp_path, [{"id": 1, "text": "t", "photos": cell}], image_kind="base64")
        assert len(review.images) == pictures


def test_pictures_under_another_name_are_counted(tmp_path):
    for name in ("a.png", "b.png"):
        (tmp_path / name).write_bytes(b"is not decoded")
    records = [{"id": name, "text": "t", "photos": [name]} for name in ("A.png", "deep/b.png", "a.png")]
    (tmp_path / "r.jsonl").write_text("\n".join(json.dumps(record) for record in records))
    reviews = open_reviews({"reading": READING, "image_root": "."}, tmp_path / "r.jsonl", None)
    assert len(list(reviews)) == 3
    assert reviews.changes == {"other_spelling": 1, "other_folder": 1}
