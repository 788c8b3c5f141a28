"""The reviews to predict."""

import json

import pytest

from automm.deliver.input_reviews import RejectedRecord, open_reviews

READING = {"name": "x", "fields": {"id": "id", "text": "text", "images": "photos"}, "format": "records"}


def opened(folder, records):
    (folder / "r.jsonl").write_text("\n".join(json.dumps(record) for record in records))
    return list(open_reviews({"reading": READING, "image_root": "."}, folder / "r.jsonl", None))


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
