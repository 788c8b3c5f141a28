import io
import json

import numpy as np
import pytest
import yaml
from PIL import Image
from rich.console import Console

from automm.data.language import looks_english
from automm.data.quality import check
from automm.data.quality_text import render
from automm.errors import DataError


@pytest.fixture
def make(tmp_path):
    """Writes a data set of 24 reviews, changed by the test, and returns its manifest."""

    def write(change=lambda records: None, **more):
        rng = np.random.default_rng(0)
        records = []
        for n in range(24):
            Image.fromarray(rng.integers(0, 256, (8, 8, 3)).astype(np.uint8)).save(tmp_path / f"{n}.png")
            text = f"This is a very good product number {n}"
            records.append({"id": n, "text": text, "photos": [f"{n}.png"], "label": "ab"[n % 2]})
        change(records)
        (tmp_path / "r.jsonl").write_text("\n".join(json.dumps(record) for record in records))
        fields = {"id": "id", "text": "text", "images": "photos", "label": "label"}
        content = {"name": "x", "records": "r.jsonl", "fields": fields, **more}
        (tmp_path / "manifest.yaml").write_text(yaml.safe_dump(content))
        return tmp_path / "manifest.yaml"

    return write


def printed(report) -> str:
    console = Console(file=io.StringIO(), width=200)
    render(report, console)
    return console.file.getvalue()


def test_sound_data(make, tmp_path):
    manifest = make()
    before = sorted(tmp_path.rglob("*"))
    report = check(manifest)
    assert (report.reviews, report.pictures, report.distinct_pictures, report.ok) == (24, 24, 24, True)
    assert report.findings == ()
    assert sum(report.labels["train"].values()) == 16
    assert report.pictures_per_review == {1: 24}
    assert report.words["50%"] == 8
    assert sorted(tmp_path.rglob("*")) == before
    assert "ready to search" in printed(report)
    assert json.loads(json.dumps(report.to_dict()))["pictures_per_review"] == {"1": 24}


def test_unreadable_pictures_are_an_error_unless_treated(make, tmp_path):
    def spoil(records):
        (tmp_path / "3.png").write_bytes(b"[bold]nothing")

    report = check(make(spoil))
    assert not report.ok
    (finding,) = report.findings
    assert (finding.severity, finding.count) == ("error", 1)
    assert finding.examples[0].startswith("r.jsonl:4 '3.png': not a picture")
    assert "not ready" in printed(report)
    treated = check(make(spoil, images={"on_bad": "drop-review"}))
    assert treated.ok
    assert treated.treated == {"dropped: unreadable picture": 1}


def test_contradictions_and_leaks(make):
    def repeat(records):
        for n, record in enumerate(records):
            record["part"] = ["train", "validation", "test"][n % 3]
        records[1] |= {"text": records[0]["text"].upper(), "photos": ["0.png"]}

    findings = {one.what: one for one in check(make(repeat, splits={"column": "part"})).findings}
    assert findings["texts that stand in more than one split"].examples == ("r.jsonl:1 = r.jsonl:2",)
    assert findings["pictures that stand in more than one split"].count == 1
    assert findings["texts that occur with different labels"].severity == "warning"
    assert findings["pictures that occur with different labels"].count == 1


def test_other_languages(make):
    def translate(records):
        for record in records[:12]:
            record["text"] = f"Bahan produk bagus sekali dan pengiriman cepat {record['id']}"

    (finding,) = check(make(translate)).findings
    assert finding.count == 12
    assert "do not look English (50%)" in finding.what


def test_splits_that_cannot_be_made_are_a_finding(make):
    def one_split(records):
        for record in records:
            record["part"] = "train"

    report = check(make(one_split, splits={"column": "part"}))
    assert not report.ok
    assert "split 'validation' has no reviews" in report.findings[0].what
    assert report.labels == {}
    assert "not ready" in printed(report)


def test_records_that_are_no_reviews_are_an_error(make):
    with pytest.raises(DataError, match="no label"):
        check(make(lambda records: records[0].update(label=None)))


@pytest.mark.parametrize(
    ("text", "english"),
    [
        ("The battery lasts all day and I love it", True),
        ("Great phone", True),
        ("", True),
        ("#legday http://t.co/x 12345", True),
        ("非常好的产品", False),
        ("Barang bagus sekali sesuai pesanan pengiriman cepat", False),
    ],
)
def test_a_guess_at_the_language(text, english):
    assert looks_english(text) is english
