"""The page that `automm check --to` writes, read as a browser reads it."""

import base64
import io
import json
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
import yaml
from PIL import Image
from typer.testing import CliRunner

from automm.cli import app
from automm.data.change_kinds import Change
from automm.data.quality import html as page_module
from automm.data.quality.html import page
from automm.data.quality.report import Report
from automm.data.quality.run import check
from automm.errors import AutommError, ConfigError

VOID = {"meta", "br", "img", "hr", "input", "link", "col"}
LARGEST_PICTURE = 15_000  # bytes of a JPEG of 96 x 96 pixels, of noise too
ATTACK = "\"'><script>alert(1)</script><img src=http://x.example/a.png onerror=alert(1)>&amp;"

EMPTY = Report(
    name="x" * 300,
    reviews=0,
    pictures=0,
    distinct_pictures=0,
    labels={},
    numbers={},
    pictures_per_review={},
    words={},
    languages={},
    encoding="gb18030",
    changes={Change.EMPTY_TEXT: 1200},
    findings=(),
)


class Page(HTMLParser):
    """Collects tags, attributes and texts, and fails if tags do not match."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.open, self.tags, self.attributes, self.texts, self.style = [], [], [], [], ""
        self.feed(text)
        self.close()
        assert self.open == [], f"never closed: {self.open}"

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        assert len({name for name, _ in attrs}) == len(attrs), f"a repeated attribute in {tag}"
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open, f"</{tag}> closes nothing"
        assert self.open[-1] == tag, f"</{tag}> where <{self.open[-1]}> is open"
        self.open.pop()

    def handle_data(self, data):
        if self.open and self.open[-1] == "style":
            self.style += data
        else:
            self.texts.append(data)

    def values(self, name):
        return [value for _, attribute, value in self.attributes if attribute == name]


@pytest.fixture(params=["classification", "regression"])
def report(request, tmp_path):
    """Of data whose texts, ids, labels, file names and columns would all like to be HTML."""
    noise = np.random.default_rng(0).integers(0, 256, (60, 200, 200, 3), np.uint8)
    records = []
    for n in range(30):
        name = f"{n}<b>&'.png" if n % 5 == 0 else f"{n}.png"
        Image.fromarray(noise[n if n % 7 else 0]).save(tmp_path / name)
        label = ["plain", ATTACK][n % 2] if request.param == "classification" else (n if n else 1e9)
        text = "" if n == 3 else f"{ATTACK} a very good product number {n // 2}"
        records.append({"id": f"{n}{ATTACK}", "t": text, "p": [name], "l": label, ATTACK: f"user {n % 3}"})
    (tmp_path / "r.jsonl").write_text("\n".join(map(json.dumps, records)))
    fields = {"id": "id", "text": "t", "images": "p", "label": "l"}
    content = {"name": ATTACK, "records": "r.jsonl", "task": request.param, "fields": fields}
    (tmp_path / "manifest.yaml").write_text(yaml.safe_dump(content))
    return check(tmp_path / "manifest.yaml")


def test_the_page_is_well_formed(report):
    assert len(report.findings) >= 3
    found = Page(page(report))
    assert found.tags[:2] == ["html", "head"]
    assert {"title", "body", "table", "article"} <= set(found.tags)
    identities = found.values("id")
    assert len(set(identities)) == len(identities) == len(report.findings)
    assert {f"#{identity}" for identity in identities} == set(found.values("href"))


def test_the_page_fetches_and_runs_nothing(report):
    found = Page(page(report))
    assert not {"script", "link", "iframe", "object", "embed", "base", "form", "svg"} & set(found.tags)
    assert all(value.startswith("#") for value in found.values("href"))
    assert all(value.startswith("data:image/jpeg;base64,") for value in found.values("src"))
    assert not [name for _, name, _ in found.attributes if name.startswith("on") or name in ("srcset", "background")]
    assert "url(" not in found.style
    assert "@import" not in found.style
    policies = [value for value in found.values("content") if "default-src" in value]
    assert policies == ["default-src 'none'; img-src data:; style-src 'unsafe-inline'"]


def test_the_data_are_shown_as_text(report):
    found = Page(page(report))
    assert found.texts.count(ATTACK) >= 1
    assert report.name == ATTACK
    shown = "".join(found.texts)
    for finding in report.findings:
        assert finding.what in shown
        assert all(" ".join(one.line.split()) in " ".join(shown.split()) for one in finding.examples)


def test_pictures_are_small_and_few(report, monkeypatch):
    sources = Page(page(report)).values("src")
    assert sources
    for source in sources:
        raw = base64.b64decode(source.partition(",")[2], validate=True)
        assert len(raw) <= LARGEST_PICTURE
        with Image.open(io.BytesIO(raw)) as picture:
            assert (picture.format, picture.size) == ("JPEG", (page_module.SIDE, page_module.SIDE))
    monkeypatch.setattr(page_module, "MOST_PICTURES", 1)
    assert len(set(Page(page(report)).values("src"))) == 1


def test_a_folder_in_place_of_a_page_is_refused_before_anything_is_read(tmp_path):
    done = CliRunner().invoke(app, ["check", str(tmp_path / "absent.yaml"), "--to", str(tmp_path)])
    assert isinstance(done.exception, ConfigError)
    assert str(done.exception).endswith(f"Name a file in it: --to {tmp_path / 'report.html'}")


@pytest.mark.parametrize("records", ["none", "broken"])
def test_problems_of_reading_are_json_and_an_old_page_is_removed(tmp_path, records):
    manifest, to = tmp_path / "m.yaml", tmp_path / "page.html"
    if records == "broken":
        (tmp_path / "r.jsonl").write_text('{"text": "good", "label": "a"}\n{"text"')
        manifest.write_text("{name: x, records: r.jsonl, fields: {text: text, label: label}}")
    command = ["check", str(manifest), "--format", "json", "--to", str(to)]
    to.write_text(page(EMPTY))
    done = CliRunner().invoke(app, command)
    assert isinstance(done.exception, AutommError)
    shown = json.loads(done.stdout)
    assert (shown["ok"], shown["clean"]) == (False, False)
    assert "\n".join(shown["problems"]) == str(done.exception)
    assert not to.exists()
    assert f"removed: {to}" in done.stderr
    assert CliRunner().invoke(app, command).stderr == ""
    assert not to.exists()


@pytest.mark.parametrize("content", [b"<!DOCTYPE html><title>my own</title>", b"\xff\xfe\x00", b"", b"text"])
def test_a_file_that_is_not_our_page_is_kept(tmp_path, content):
    to = tmp_path / "page.html"
    to.write_bytes(content)
    done = CliRunner().invoke(app, ["check", str(tmp_path / "absent.yaml"), "--to", str(to)])
    assert isinstance(done.exception, AutommError)
    assert done.stdout == ""
    assert to.read_bytes() == content


def test_the_encoding_and_the_changes_are_shown_in_words():
    lines = ["texts decoded as gb18030", "dropped: empty text: 1,200"]
    assert EMPTY.reading_notes == lines
    assert {*lines} <= {*Page(page(EMPTY)).texts}
    assert replace(EMPTY, encoding="UTF_8", changes={}).reading_notes == []
