"""What a message about records and their splits says to do, done to the very input that caused it, leads on."""

import errno
import gzip
import io
import json
import os
import sys

import openpyxl
import pytest
from advice import advises, hear
from commands import run
from data_sets import FIELDS, PHOTOS, PICTURES, ROWS, TEXT_ROWS, Way, csv, each, leads_on, read, rows, write
from layouts import lines
from openpyxl.chart import BarChart

from automm.data.files import REMEDIES
from automm.data.manifest import load_manifest
from automm.data.records import forms
from automm.data.records.reviews import load_dataset
from automm.data.splitting.duplicates import drop_duplicates
from automm.deliver.input_reviews import open_reviews
from automm.errors import AutommError


@advises(
    "Raise the limit of open files (ulimit -n), and run the command again",
    "Close other programs, and run the command again",
    "Free memory, and run the command again",
    "Check the disk, and run the command again",
    "Run the command again",
)
def test_an_error_of_the_machine(tmp_path, monkeypatch):
    path = write(tmp_path, Way(rows(), fields=PHOTOS, files=PICTURES))
    opened = os.open
    for number, sentence in (REMEDIES | {errno.EBUSY: "Run the command again"}).items():

        def refuse(file, *words, number=number, **named):
            if str(file).endswith("p3.png"):
                raise OSError(number, "refused")
            return opened(file, *words, **named)

        with monkeypatch.context() as patch:
            patch.setattr(os, "open", refuse)
            hear(read(path), sentence)
    assert read(path) == ""


@advises(
    "Close the open quotation mark, or set quotes: false in the manifest if the marks are part of the text",
    "Split it, or remove it",
)
def test_cells_and_lines_that_are_too_long(tmp_path, monkeypatch):
    monkeypatch.setattr(forms, "LARGEST_CELL", 200)  # instead of ten million: a test of ten megabytes is slow
    header, *rest = csv().splitlines(keepends=True)
    wrong = "".join([header, 'r99,"an open text,a\n', *rest])
    leads_on(
        tmp_path,
        "Close the open quotation mark, or set quotes: false in the manifest if the marks are part of the text",
        Way(raw=wrong, name="r.csv"),
        Way(raw=wrong.replace("open text", 'open text"')),
        Way(more={"quotes": False}),
    )
    monkeypatch.setattr(forms, "LARGEST_LINE", 500)  # instead of 64 million
    long = json.dumps(rows()[3] | {"id": "long", "text": "long " * 200}) + "\n"
    (tmp_path / "lines").mkdir()
    leads_on(
        tmp_path / "lines",
        "Split it, or remove it",
        Way(raw=TEXT_ROWS + long),
        Way(
            raw=TEXT_ROWS
            + long.replace("long " * 200, "long " * 50)
            + long.replace('"long"', '"2"').replace("long " * 200, "too " * 50)
        ),
        Way(raw=TEXT_ROWS),
    )


@advises("Download it again")
def test_a_damaged_download(tmp_path):
    shown = [
        {
            "rating": n % 5,
            "title": "a",
            "text": f"text {n}",
            "parent_asin": "P",
            "user_id": "u",
            "asin": f"B{n}",
            "timestamp": n,
        }
        for n in range(60)
    ]
    whole = gzip.compress(lines(shown).encode())
    path = write(tmp_path, Way(more={"records": None, "fields": None, "format": "amazon-reviews-2023", "path": "d"}))
    (tmp_path / "d").mkdir()
    (tmp_path / "d/Home.jsonl.gz").write_bytes(whole[:-9])
    hear(read(path), "Download it again")
    (tmp_path / "d/Home.jsonl.gz").write_bytes(whole)
    assert read(path) == ""


@advises("Check path in the manifest")
def test_a_folder_without_a_record(tmp_path):
    for name, cells in (("empty", []), ("full", [f"p{n}.png,a text {n},{'ab'[n % 2]}\n" for n in range(ROWS)])):
        (tmp_path / "d" / name).mkdir(parents=True)
        (tmp_path / "d" / name / "metadata.csv").write_text("".join(["file_name,text,label\n", *cells]))
    native = {"records": None, "fields": None, "format": "imagefolder"}
    hear(read(write(tmp_path, Way(more=native | {"path": "d/empty"}))), "Check path in the manifest")
    pictures = [f"d/full/{name}" for name in PICTURES]
    assert read(write(tmp_path, Way(more=native | {"path": "d/full"}, files=pictures))) == ""


@advises("Name an existing file")
def test_a_folder_to_predict(tmp_path):
    path = write(tmp_path)
    content = {"name": "x", "records": "r.jsonl", "fields": FIELDS}
    about = {"reading": content, "image_root": ".", "columns": {"medians": {}, "values": {}, "steps": 0}}
    with pytest.raises(AutommError) as caught:
        open_reviews(about, tmp_path, None)
    hear(str(caught.value), "Name an existing file")
    assert len(list(open_reviews(about, path.with_name("r.jsonl"), None))) == ROWS


def sheet(*, chart: bool = False) -> bytes:
    """A workbook with the records, or with a chart alone."""
    book = openpyxl.Workbook()
    if chart:
        book.create_chartsheet("chart").add_chart(BarChart())
        book.remove(book.active)
    else:
        for line in csv().splitlines():
            book.active.append(line.split(","))
    content = io.BytesIO()
    book.save(content)
    return content.getvalue()


@advises(
    "Check that this is the right file",
    "If Excel shows a table in it, save that as CSV",
    "Install it: {}",
    "Or save the sheet as CSV, and use the .csv file",
)
def test_a_workbook(tmp_path, monkeypatch):
    for sentence in ("Check that this is the right file", "If Excel shows a table in it, save that as CSV"):
        (tmp_path / sentence[:5]).mkdir()
        leads_on(
            tmp_path / sentence[:5],
            sentence,
            Way(raw=sheet(chart=True), name="r.xlsx"),
            Way(raw=sheet()),
            Way(raw=csv(), name="r.csv"),
        )
    path = write(tmp_path, Way(raw=sheet(), name="r.xlsx"))
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "openpyxl", None)  # as if it were not installed
        hear(read(path), "Install it: {}", "Or save the sheet as CSV, and use the .csv file")
        assert read(write(tmp_path, Way(raw=csv(), name="r.csv"))) == ""
    assert read(write(tmp_path, Way(raw=sheet(), name="r.xlsx"))) == ""


@advises("If that looks wrong, pass --encoding {}")
def test_an_encoding_that_was_guessed_wrong(tmp_path):
    text = csv(*(f"s{n},Größe für Käufer {n},a" for n in range(9)))
    (tmp_path / "r.csv").write_bytes(text.encode("cp850"))
    hear(run("init", tmp_path / "r.csv")[1], "If that looks wrong, pass --encoding {}")
    assert run("init", tmp_path / "r.csv", "--encoding", "cp850", "--to", tmp_path / "o.yaml")[0] == 0
    assert load_dataset(load_manifest(tmp_path / "o.yaml")).reviews[-1].text == "Größe für Käufer 8"


@advises("Correct the labels, or remove drop_duplicates")
def test_duplicates_that_all_contradict_each_other(tmp_path):
    def told(**more):
        path = write(tmp_path, Way(more={"drop_duplicates": True} | more.pop("more", {}), **more))
        try:
            drop_duplicates(load_dataset(load_manifest(path)), {})
        except AutommError as error:
            return str(error)
        return ""

    same = each(text=lambda n: f"one and the same text of many words {n // 2}")
    hear(told(rows=same), "Correct the labels, or remove drop_duplicates")
    assert told(rows=[row | {"label": "ab"[n // 2 % 2]} for n, row in enumerate(same)]) == ""
    assert told(rows=same, more={"drop_duplicates": False}) == ""


FRACTIONS = {"train": 0.6, "validation": 0.2, "test": 0.2}


@advises(
    "Add reviews, or remove groups, texts or pictures from splits.keep_together",
    "Add reviews, or replace splits.by with splits: {fractions: ...}",
)
def test_splits_without_a_review(tmp_path):
    shop = {"group": "shop"}
    together = each(shop=lambda n: "one")
    others = each(id=lambda n: f"x{n}", shop=lambda n: f"s{n}", text=lambda n: f"more {n} words")
    leads_on(
        tmp_path,
        "Add reviews, or remove groups, texts or pictures from splits.keep_together",
        Way(together, fields=shop, more={"splits": {"seed": 1}}),
        Way([*together, *others]),
        Way(more={"splits": {"keep_together": ["texts", "pictures"]}}),
    )
    few = [row for row in rows() if row["n"] < 8]
    (tmp_path / "hash").mkdir()
    leads_on(
        tmp_path / "hash",
        "Add reviews, or replace splits.by with splits: {fractions: ...}",
        Way(few, more={"splits": {"by": "hash", "seed": 5}}),
        Way([row | {"id": f"{row['id']}-{place}"} for place in range(9) for row in rows()]),
        Way(more={"splits": {"fractions": FRACTIONS}}),
    )
