from pathlib import Path

import hostile
import pytest
from hypothesis import given, settings


@settings(max_examples=40, deadline=None)
@given(hostile.cases)
def test_hostile_manifests_and_records_end_in_splits_or_in_a_named_error(case):
    hostile.run(case)


def test_the_watch_sees_a_file_outside(tmp_path):
    """Were it blind, the test above would prove nothing."""
    (tmp_path / "inside").mkdir()
    (tmp_path / "outside").write_text("x")
    (tmp_path / "inside" / "link").symlink_to(tmp_path / "outside")
    for way in ("outside", "inside/../outside", "inside/link"):
        with pytest.raises(AssertionError, match="opened outside"), hostile.watched(tmp_path / "inside"):
            Path(tmp_path, way).read_bytes()


def test_a_harmless_case_is_split():
    """Were every case an error, little of the way would have been gone."""
    photos = {0: ["a.png"], 1: ["inner/b.png"]}
    records = [
        {"id": n, "text": f"words of number {n}", "photos": photos.get(n, []), "label": "ab"[n % 2]} for n in range(24)
    ]
    fields = {"id": "id", "text": "text", "images": "photos", "label": "label"}
    manifest = {"name": "x", "image_root": "images", "fields": fields}
    assert hostile.run(hostile.Case(manifest, records, "jsonl", [], [])) == "split"
