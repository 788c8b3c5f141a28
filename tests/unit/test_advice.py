"""What a message says to do, done to the very input that caused it, leads on."""

import base64
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import yaml
from advice import pattern
from PIL import Image

from automm.data.download.urls import local_name
from automm.data.images.pixels.pixel_store import drop_bad_pictures, prepare_pictures
from automm.data.images.resampling import PictureForm
from automm.data.manifest import load_manifest
from automm.data.quality.run import check
from automm.data.records.forms import QUOTES
from automm.data.records.reviews import load_dataset
from automm.data.splitting.links import links_of
from automm.data.splitting.split import split_dataset
from automm.errors import AutommError

ROWS = 24
URL = "https://example.org/p3.png"
FIELDS = {"id": "id", "text": "text", "label": "label"}
PICTURES = tuple(f"p{n}.png" for n in range(ROWS))
PHOTOS = {"images": "photo"}


def rows(**cells: Any) -> list[dict[str, Any]]:
    """Records of which the fourth has other cells."""
    found: list[dict[str, Any]] = [
        {"id": f"r{n}", "text": f"a text of some words {n}", "label": "ab"[n % 2], "photo": f"p{n}.png", "n": n}
        for n in range(ROWS)
    ]
    found[3] |= cells
    return found


def each(**cells: Any) -> list[dict[str, Any]]:
    """Records whose cells are functions of their number."""
    return [row | {name: cell(n) for name, cell in cells.items()} for n, row in enumerate(rows())]


def csv(*lines: str, header: str = "id,text,label") -> str:
    """A table of 24 rows and some more lines."""
    mark = next(mark for mark in ",;\t" if mark in header)
    body = [mark.join([f"r{n}", f"a text of some words {n}", "ab"[n % 2]]) for n in range(ROWS)]
    return "\n".join([header, *body, *lines]) + "\n"


class Way(NamedTuple):
    """The state of a data set, as far as it differs from the one before.

    Attributes:
        rows: records.
        raw: the content of the records file, in place of records.
        name: the name of the records file.
        fields: keys of `fields`, None to remove one.
        more: other keys of the manifest, None to remove one.
        files: pictures to create.
        then: the advice that follows, if the data set cannot be read yet.
    """

    rows: Sequence[Mapping[str, Any]] | None = None
    raw: str | bytes | None = None
    name: str = ""
    fields: Mapping[str, Any] = {}
    more: Mapping[str, Any] = {}
    files: Sequence[str] = ()
    then: str = ""


class Case(NamedTuple):
    """Advice, the input that causes it, and every way to follow it."""

    advice: str
    before: Way
    ways: Sequence[Way]


def write(folder: Path, *states: Way) -> Path:
    """Write a data set as the last state has it, where it says nothing, as the ones before."""
    content: dict[str, Any] = {"name": "x", "records": "r.jsonl", "fields": FIELDS}
    raw: str | bytes = TEXT_ROWS
    name, fields = "r.jsonl", dict(FIELDS)
    for state in states:
        raw = state.raw if state.raw is not None else raw
        if state.rows is not None:
            raw = "".join(json.dumps(row) + "\n" for row in state.rows)
        name = state.name or name
        fields |= state.fields
        content |= ({"records": name} if state.name else {}) | dict(state.more)
        for file in state.files:
            picture(folder / file)
    if content["fields"] is not None:
        content["fields"] = {key: value for key, value in fields.items() if value is not None}
    file = folder / name
    file.write_bytes(raw if isinstance(raw, bytes) else raw.encode("utf-8", "surrogatepass"))
    path = folder / "manifest.yaml"
    path.write_text(yaml.safe_dump({key: value for key, value in content.items() if value is not None}))
    return path


def picture(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".zip":
        path.write_bytes(b"")
    else:
        seed = sum(place * ord(letter) for place, letter in enumerate(path.as_posix(), 1))
        shades = np.random.default_rng(seed).integers(0, 256, (4, 4, 3)).astype(np.uint8)
        shades = shades * (path.name != "blank.png")
        side = 6 if path.name == "tiny.png" else 40
        Image.fromarray(shades).resize((side, side), Image.Resampling.BICUBIC).save(path)


def read(path: Path) -> str:
    """Read a data set with its pictures; return what is wrong, "" if nothing is."""
    try:
        data = load_dataset(load_manifest(path))
        paths = [image for review in data.reviews for image in review.images]
        data = drop_bad_pictures(data, prepare_pictures(paths, [PictureForm(8)], path.parent / "cache").bad)
        if "splits:" in path.read_text():
            split_dataset(data, links_of(data, {}))
    except AutommError as error:
        return str(error)
    return ""


def photo(cell: object, advice: str, *ways: object, **before: Any) -> Case:
    """A case of one picture cell; a way is another cell, or a whole `Way`."""
    start = Way(rows(photo=cell), fields=PHOTOS, files=PICTURES, **before)
    return Case(advice, start, [way if isinstance(way, Way) else Way(rows(photo=way)) for way in ways])


DROP = Way(more={"images": {"on_bad": "drop-image"}})
PIXEL = base64.b64encode(
    bytes.fromhex(
        "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de0000000c49444154789c63f8cfc0000003010100"
        "c9fe92ef0000000049454e44ae426082"
    )
).decode()
TEXT_ROWS = "".join(json.dumps(row) + "\n" for row in rows())

OF_PICTURES = [
    photo("gone.png", "Correct the path", "p3.png"),
    photo("gone.png", "{}, or set images.on_bad: drop-image", DROP, "p3.png"),
    photo("p3.png;p4.png", "It looks like several names: set fields: {separator: {}}", Way(fields={"separator": ";"})),
    photo(
        "//a.example/3.png",
        "It looks like a URL without its scheme: write {}",
        Way(rows(photo=URL), then="Download it: {}"),
    ),
    photo(
        "ftp://a.example/p3.png",
        "Only http and https are fetched: save the picture as a file, and write the name of the file",
        "p3.png",
    ),
    photo("/far/away/zzz.png", "Name it relative to image_root", "p3.png"),
    photo("../outside.png", "Move the file into image_root", Way(rows(photo="outside.png"), files=["outside.png"])),
    Case(
        "Write the path of one of them",
        Way(rows(photo="same.png"), fields=PHOTOS, files=[*PICTURES, "a/same.png", "b/same.png"]),
        [Way(rows(photo="a/same.png"))],
    ),
    photo(URL, "Download it: {}", Way(files=[local_name(URL)])),
    Case(
        "Download them: {}",
        Way(rows(photo=URL)[3:5] + each(photo=lambda n: f"{URL}?{n}")[5:], fields=PHOTOS),
        [Way(each(photo=lambda n: URL), files=[local_name(URL)])],
    ),
    Case(
        "Correct image_root, or the picture names",
        Way(
            each(photo=lambda n: f"q{n}.png"),
            fields=PHOTOS,
            files=[f"pics/q{n}.png" for n in range(ROWS)],
            more={"image_root": "other"},
        ),
        [Way(more={"image_root": "pics"})],
    ),
    Case(
        "Correct image_root, or the picture names",
        Way(each(photo=lambda n: f"q{n}.png"), fields=PHOTOS, files=PICTURES),
        [Way(rows())],
    ),
    Case(
        "Correct image_root, or the pattern",
        Way(fields={"images": "{id}_*.png"}, files=[f"pics/r{n}-1.png" for n in range(ROWS)]),
        [Way(fields={"images": "{id}-*.png"}, more={"image_root": "pics"})],
    ),
    Case(
        "Name the columns of pictures, or remove image_kind",
        Way(each(data=lambda n: PIXEL), fields={"images": "photo", "image_kind": "base64"}, files=PICTURES),
        [Way(fields={"images": "data"}), Way(fields={"image_kind": None})],
    ),
    Case(
        "Correct the cell",
        Way(each(photo=lambda n: PIXEL if n != 3 else "cat"), fields={"images": "photo", "image_kind": "base64"}),
        [Way(each(photo=lambda n: PIXEL))],
    ),
    Case("Unpack {}, which may hold them", Way(fields=PHOTOS, files=["photos.zip"]), [Way(files=PICTURES)]),
    Case(
        "Set image_root to the folder that is meant, or write the folders into the names",
        Way(fields=PHOTOS, files=[f"{folder}/{name}" for folder in "ab" for name in PICTURES]),
        [Way(more={"image_root": "a"}), Way(each(photo=lambda n: f"b/p{n}.png"))],
    ),
    Case(
        "Write it like '{id}-*.jpg'",
        Way(fields={"images": "{}-*.png"}, files=[f"r{n}-1.png" for n in range(ROWS)]),
        [Way(fields={"images": "{id}-*.png"})],
    ),
    Case(
        "Use * only after the last slash: '{id}/*.jpg'",
        Way(fields={"images": "{id}*/1.png"}, files=[f"r{n}/1.png" for n in range(ROWS)]),
        [Way(fields={"images": "{id}/*.png"})],
    ),
    Case(
        "Write it relative to image_root, with slashes",
        Way(fields={"images": "/pics/{id}-*.png"}, files=[f"pics/r{n}-1.png" for n in range(ROWS)]),
        [Way(fields={"images": "pics/{id}-*.png"})],
    ),
    Case(
        "Correct it, or use another column",
        Way(rows(id="../r3"), fields={"images": "{id}-*.png"}, files=[f"r{n}-1.png" for n in range(ROWS)]),
        [Way(rows()), Way(fields={"images": "p{n}*.png"}, files=PICTURES)],
    ),
    Case(
        "Replace it, or set images.on_bad: drop-image",
        Way(rows(photo="manifest.yaml"), fields=PHOTOS, files=PICTURES),
        [Way(rows()), DROP],
    ),
    Case(
        "Remove the review, or set text.on_empty: drop-bare",
        Way(
            rows(photo="manifest.yaml", text=""),
            fields=PHOTOS,
            files=PICTURES,
            more={"images": {"on_bad": "drop-image"}, "text": {"on_empty": "keep"}},
        ),
        [Way(rows()[:3] + rows()[4:]), Way(more={"text": {"on_empty": "drop-bare"}})],
    ),
    photo(
        [{"id": 7, "url": "p3.png"}],
        "Name the key that holds them: images: {}.{}",
        Way(each(photo=lambda n: [{"id": n, "url": f"p{n}.png"}]), fields={"images": "photo.url"}),
    ),
    Case(
        "If the file names contain this value, use a template: 'folder/{{}}.jpg'",
        Way(fields={"images": "n"}, files=PICTURES),
        [Way(fields={"images": "p{n}.png"})],
    ),
    Case(
        "Set image_kind: base64 in fields, or write the pictures to files{}",
        Way(each(photo=lambda n: PIXEL), fields=PHOTOS),
        [Way(fields={"image_kind": "base64"}), Way(rows(), files=PICTURES)],
    ),
]

HISTORY = {"history": {"columns": ["steps"]}}
MIN_2 = {"labels": {"min_count": 2, "rare": "drop"}}
OF_RECORDS = [
    Case("Convert it to text", Way(rows(text={"a": 1})), [Way(rows(text="a: 1"))]),
    Case("Keep one value per cell", Way(rows(label=[["a"]])), [Way(rows(label="a"))]),
    Case("Write ids as text", Way(rows(id=2.0**60)), [Way(rows(id=str(2**60)))]),
    Case(
        "Write ids as text, or set fields: {id: ...} to another column",
        Way(rows(id={"a": 1})),
        [Way(rows(id="7")), Way(fields={"id": "n"})],
    ),
    Case(
        "Correct it, or list the column as categorical",
        Way(rows(n="many"), fields={"metadata": {"numeric": ["n"]}}),
        [Way(rows(n=5)), Way(fields={"metadata": {"categorical": ["n"]}})],
    ),
    Case(
        "Write it as JSON, such as [1, 2.5]",
        Way(each(steps=lambda n: "[1, 2" if n == 3 else "[1, 2]"), fields=HISTORY),
        [Way(each(steps=lambda n: "[1, 2]"))],
    ),
    Case(
        "Add it to labels.map, or set labels.on_unlisted: drop",
        Way(rows(label="c"), more={"labels": {"map": {"a": ["a"], "b": ["b"]}}}),
        [
            Way(more={"labels": {"map": {"a": ["a", "c"], "b": ["b"]}}}),
            Way(more={"labels": {"map": {"a": ["a"], "b": ["b"]}, "on_unlisted": "drop"}}),
        ],
    ),
    Case(
        "Remove the record, or set text.on_empty: drop-bare",
        Way(rows(text="", photo=""), more={"text": {"on_empty": "keep"}}, fields=PHOTOS, files=PICTURES),
        [
            Way(rows()[:3] + rows()[4:]),
            Way(more={"text": {"on_empty": "drop-bare"}}),
        ],
    ),
    Case(
        "Correct the picture's path, or set text.on_empty: drop-bare",
        Way(
            rows(text="", photo="gone.png"),
            fields=PHOTOS,
            files=PICTURES,
            more={"text": {"on_empty": "keep"}, "images": {"on_bad": "drop-image"}},
        ),
        [
            Way(rows(text="")),
            Way(more={"text": {"on_empty": "drop-bare"}}),
        ],
    ),
    Case(
        "Download it: {}, or set text.on_empty: drop-bare",
        Way(
            rows(text="", photo=URL),
            fields=PHOTOS,
            files=PICTURES,
            more={"text": {"on_empty": "keep"}, "images": {"on_bad": "drop-image"}},
        ),
        [
            Way(files=[local_name(URL)]),
            Way(more={"text": {"on_empty": "drop-bare"}}),
        ],
    ),
    Case(
        "Map it in splits.values",
        Way(each(split=lambda n: ["train", "dev", "test"][n % 3]), more={"splits": {"column": "split"}}),
        [
            Way(more={"splits": {"column": "split", "values": {"dev": "validation"}}}),
        ],
    ),
    Case("Add one, or remove fields.id from the manifest", Way(rows(id="")), [Way(rows()), Way(fields={"id": None})]),
    Case("Make ids unique", Way(rows(id="r2")), [Way(rows())]),
    Case(
        "Add a text, or set text.on_empty: keep or drop",
        Way(rows(text=""), fields=PHOTOS, files=PICTURES, more={"text": {"on_empty": "error"}}),
        [
            Way(rows()),
            Way(more={"text": {"on_empty": "keep"}}),
            Way(more={"text": {"on_empty": "drop"}}),
        ],
    ),
    Case("Name the column that holds the label", Way(fields={"label": None}), [Way(fields={"label": "label"})]),
    Case(
        "Correct the records, or the manifest keys that drop them",
        Way(each(text=lambda n: ""), fields={"label": "n"}, more={"task": "regression", "text": {"on_empty": "drop"}}),
        [Way(rows())],
    ),
    Case(
        "Flatten or remove them",
        Way(raw=TEXT_ROWS + '{"id": "z", "label": "a", "text": "z", "deep": ' + "[" * 120 + "]" * 120 + "}\n"),
        [
            Way(raw=TEXT_ROWS + '{"id": "z", "label": "a", "text": "z"}\n'),
        ],
    ),
    Case(
        "Add one, or set labels: {on_missing: drop} to drop such reviews",
        Way(rows(label="")),
        [
            Way(rows()),
            Way(more={"labels": {"on_missing": "drop"}}),
        ],
    ),
    Case(
        "Add one, or set labels: {on_missing: drop} to drop such reviews",
        Way(rows(n=""), fields={"label": "n"}, more={"task": "regression"}),
        [
            Way(rows()),
            Way(more={"labels": {"on_missing": "drop"}}),
        ],
    ),
    Case("Correct it", Way(rows(n="many"), fields={"label": "n"}, more={"task": "regression"}), [Way(rows())]),
    Case(
        "Set fields: {label: {column: ..., decimal: {}}}",
        Way(each(n=lambda n: f"${1000 + n:,}.50"), fields={"label": "n"}, more={"task": "regression"}),
        [
            Way(fields={"label": {"column": "n", "decimal": "."}}),
        ],
    ),
    Case("To predict a number, set task: regression", Way(fields={"label": "n"}), [Way(more={"task": "regression"})]),
    Case(
        "To predict classes, merge the numbers in labels.map",
        Way(fields={"label": "n"}),
        [
            Way(more={"labels": {"map": {"low": list(range(12)), "high": list(range(12, ROWS))}}}),
        ],
    ),
    Case(
        "If a cell holds several labels, set fields: {label: {{}}} to use the first",
        Way(each(label=lambda n: f"{'ab'[n % 2]}|{'cdefgh'[n % 6]}|{n % 7}")),
        [
            Way(fields={"label": {"column": "label", "separator": "|", "pick": "first"}}),
        ],
    ),
    Case(
        "Check that fields.label names the right column",
        Way(each(extra=lambda n: f"word{n}"), fields={"label": "extra"}),
        [Way(fields={"label": "label"})],
    ),
    Case(
        "If it does, set labels: {min_count: 2, rare: drop}",
        Way(
            [
                row | {"id": f"{row['id']}-{k}", "extra": f"word{row['n'] + 40 * k if k else row['n'] % 2}"}
                for k in range(3)
                for row in rows()
            ],
            fields={"label": "extra"},
        ),
        [Way(more=MIN_2)],
    ),
    Case(
        "Add examples, merge it with another in labels.map, or set labels: {min_count: 2, rare: drop}",
        Way(rows(label="c")),
        [
            Way(rows=[*rows(label="c"), rows(label="c")[3] | {"id": "z"}]),
            Way(more={"labels": {"map": {"a": ["a", "c"], "b": ["b"]}}}),
            Way(more=MIN_2),
        ],
    ),
    Case(
        "Check fields.label", Way(each(same=lambda n: "x"), fields={"label": "same"}), [Way(fields={"label": "label"})]
    ),
    Case(
        "Check fields.label",
        Way(each(same=lambda n: 5), fields={"label": "same"}, more={"task": "regression"}),
        [Way(fields={"label": "n"})],
    ),
    Case(
        "Add one, or remove the record",
        Way(each(day=lambda n: f"2024-05-{n + 1:02}" if n != 3 else ""), more={"splits": {"time": "day"}}),
        [
            Way(each(day=lambda n: f"2024-05-{n + 1:02}")),
            Way([row | {"day": f"2024-05-{n + 1:02}"} for n, row in enumerate(rows()) if n != 3]),
        ],
    ),
    Case("Correct records in {}", Way(more={"records": "gone.jsonl"}), [Way(more={"records": "r.jsonl"})]),
    Case("Correct the pattern", Way(more={"records": "gone-*.jsonl"}), [Way(more={"records": "r*.jsonl"})]),
]

TABS = "id\ttext\tlabel"
OF_FILES = [
    Case(
        'Write each record as a JSON object, such as {"text": "..."}',
        Way(raw=TEXT_ROWS + "[1]\n"),
        [Way(raw=TEXT_ROWS)],
    ),
    Case(
        "Remove the commas at line ends, or put all lines in [...] and name the file .json",
        Way(raw=TEXT_ROWS.replace("}\n", "},\n")),
        [
            Way(raw=TEXT_ROWS),
            Way(raw=f"[{TEXT_ROWS.strip().replace(chr(10), ',')}]", name="r.json"),
        ],
    ),
    Case(
        "The line is a Python dict: write records with json.dumps",
        Way(raw="".join(f"{row}\n" for row in rows())),
        [Way(rows())],
    ),
    Case(
        "Write one whole object per line, or put objects that span lines in [...] and name the file .json",
        Way(raw=json.dumps(rows()[0], indent=1)),
        [
            Way(rows()),
            Way(raw=json.dumps(rows(), indent=1), name="r.json"),
        ],
    ),
    Case(
        "Put the records in one array, or write one object per line",
        Way(raw='{"text": "a"}', name="r.json"),
        [
            Way(raw=json.dumps(rows())),
            Way(rows()),
        ],
    ),
    Case(
        "Write only that list to a file, and set records to the file",
        Way(raw=json.dumps({"version": 1, "data": rows()}), name="r.json"),
        [Way(raw=json.dumps(rows()))],
    ),
    Case(
        "Set encoding in the manifest (gb18030, cp1252, ...), or convert the file",
        Way(raw=csv("r99,Größe,a").encode("cp1252"), name="r.csv"),
        [
            Way(more={"encoding": "cp1252"}),
            Way(raw=csv("r99,Größe,a")),
        ],
    ),
    Case(QUOTES, Way(raw=csv('r98\t"two\nlines"\ta', header=TABS), name="r.tsv"), [Way(more={"quotes": True})]),
    Case(
        QUOTES,
        Way(raw=csv('r97\t"so far\ta', 'r98\tand"\tb', header=TABS), name="r.tsv"),
        [Way(more={"quotes": False})],
    ),
    Case(
        "Set quotes: false in the manifest if quotation marks are part of the text, or double the inner ones",
        Way(raw=csv('r98,"so" he said,a'), name="r.csv"),
        [
            Way(more={"quotes": False}),
            Way(raw=csv('r98,"""so"" he said",a')),
        ],
    ),
    Case(
        "Set delimiter: {} in the manifest if it separates columns, else the file's delimiter",
        Way(raw=csv(header="id;text;label"), name="r.csv"),
        [
            Way(more={"delimiter": ";"}),
        ],
    ),
    Case(
        "Correct the row, or put cells with delimiters in quotes",
        Way(raw=csv("r99,one, two,a"), name="r.csv"),
        [
            Way(raw=csv("r99,one two,a")),
            Way(raw=csv('r99,"one, two",a')),
        ],
    ),
    Case("Give each column its own name", Way(raw=csv(header="id,text,text"), name="r.csv"), [Way(raw=csv())]),
    Case("Use one of {}", Way(raw=csv(), name="r.txt"), [Way(raw=csv(), name="r.csv")]),
    Case("Save the table as .xlsx or CSV", Way(raw=b"x", name="r.xls"), [Way(raw=csv(), name="r.csv")]),
    Case("Add records, or remove it", Way(raw=""), [Way(rows())]),
    Case("Save the sheet as CSV", Way(raw=b"x", name="r.xlsx"), [Way(raw=csv(), name="r.csv")]),
    Case("Download or write the file again", Way(raw=b"PAR1x", name="r.parquet"), [Way(rows(), name="r.jsonl")]),
]


def manifest(advice: str, more: Mapping[str, Any], *ways: Mapping[str, Any], **before: Any) -> Case:
    """A case of keys of the manifest beside `fields`."""
    return Case(advice, Way(more=more, **before), [Way(more=way) for way in ways])


def labels(**keys: Any) -> dict[str, Any]:
    return {"labels": keys}


def splits(**keys: Any) -> dict[str, Any]:
    return {"splits": keys}


PARTS = each(part=lambda n: ["train", "train", "dev", "eval"][n % 4], day=lambda n: f"2024-05-{n + 1:02}")
FOLDERS = [f"pics/{label}/{n}.png" for label in "ab" for n in range(12)]
NATIVE = {"format": "imagefolder", "fields": None, "path": "pics", "records": None}
ONLY_IN_TEST = [row | ({"label": "c"} if row["part"] == "eval" and row["n"] < 16 else {}) for row in PARTS]
OF_MANIFESTS = [
    Case("Write [name, name]", Way(fields={"text": {"a": "text"}}), [Way(fields={"text": ["text"]})]),
    Case(
        "Write fields: {{}}",
        Way(fields={"images": {"column": "photo", "separator": ";"}}, files=PICTURES),
        [Way(fields={"images": "photo", "separator": ";"})],
    ),
    Case(
        "Write the name of a column, or remove it", Way(fields={"text": ["text", " "]}), [Way(fields={"text": "text"})]
    ),
    Case(
        "Name them, or remove it",
        Way(each(data=lambda n: PIXEL), fields={"images": "p{n}.png", "image_kind": "base64"}, files=PICTURES),
        [Way(fields={"images": "data"}), Way(fields={"image_kind": None})],
    ),
    manifest("Name another, such as utf-8", {"encoding": "utf-9"}, {"encoding": "utf-8"}),
    manifest(
        "Remove it from one of them", labels(map={"x": ["a", "b"], "y": ["b"]}), labels(map={"x": ["a"], "y": ["b"]})
    ),
    manifest(
        "Write min_count: 5 and rare: drop or rare: other",
        labels(min_count=5),
        labels(min_count=5, rare="drop"),
        labels(min_count=5, rare="other"),
    ),
    manifest(
        "Rename it in labels.map, or set labels.rare: drop",
        labels(min_count=2, rare="other"),
        labels(min_count=2, rare="drop"),
        labels(min_count=2, rare="other", map={"a": ["a"], "b": ["b"], "others": ["other"]}),
        rows=each(label=lambda n: ["a", "b", "other"][n % 3]),
    ),
    manifest(
        "Keep one",
        splits(column="part", time="day"),
        splits(time="day"),
        splits(column="part", values={"dev": "validation", "eval": "test"}),
        rows=PARTS,
    ),
    manifest(
        "Add one of them, or remove near_duplicates",
        splits(near_duplicates="together", keep_together=["groups"]),
        splits(near_duplicates="together", keep_together=["groups", "texts"]),
        splits(keep_together=["groups"]),
    ),
    manifest(
        "Remove splits.validation",
        splits(column="part", values={"dev": "validation", "eval": "test"}, validation=0.2),
        splits(column="part", values={"dev": "validation", "eval": "test"}),
        rows=PARTS,
    ),
    Case(
        "Correct column {}, or map its values in splits.values",
        Way(PARTS, more=splits(column="part", values={"dev": "validation", "eval": "validation"})),
        [
            Way(more=splits(column="part", values={"dev": "validation", "eval": "test"})),
            Way([row | {"part": "test"} if row["n"] % 3 == 0 else row for row in PARTS]),
        ],
    ),
    Case(
        "Check the times in column {}{}",
        Way(each(day=lambda n: "2024-05-01"), more=splits(time="day")),
        [Way(PARTS)],
    ),
    Case(
        ", or set splits: {time: {}, fractions: {{}}}",
        Way(each(day=lambda n: f"2024-05-{n * 3 // ROWS + 1:02}"), more=splits(time="day")),
        [Way(more=splits(time="day", fractions={"train": 0.333, "validation": 0.333, "test": 0.334}))],
    ),
    Case(
        "{}, or merge it with another label in labels.map, or set labels: {min_count: 5, rare: drop}",
        Way(ONLY_IN_TEST, more=splits(column="part", values={"dev": "validation", "eval": "test"})),
        [
            Way(more=labels(map={"a": ["a", "c"], "b": ["b"]})),
            Way(more=labels(min_count=5, rare="drop")),
        ],
    ),
    manifest("Name the records file in records", {"path": "d"}, {"path": None}),
    manifest(
        "Set it to the folder or file that holds the data", NATIVE | {"path": None}, {"path": "pics"}, files=FOLDERS
    ),
    manifest("Name the folder of format {} in path", NATIVE | {"records": "r.jsonl"}, {"records": None}, files=FOLDERS),
    manifest(
        "Remove all keys of labels but on_missing",
        {"task": "regression", **labels(map={"x": [1], "y": [2]}, on_missing="drop")},
        labels(on_missing="drop"),
        fields={"label": "n"},
    ),
    manifest("Remove the key", {"options": {"a": 1}}, {"options": None}),
    Case(
        "Run automm check to see which pictures and why, then correct the files",
        Way(each(photo=lambda n: "manifest.yaml"), fields=PHOTOS, more={"images": {"on_bad": "drop-review"}}),
        [Way(rows(), files=PICTURES)],
    ),
    Case(
        "It is {}, and no file there ends like it: correct image_root, or write names relative to image_root",
        Way(
            each(photo=lambda n: f"/content/p{n}.png"),
            fields=PHOTOS,
            files=[f"pics/p{n}.png" for n in range(ROWS)],
            more={"image_root": "other"},
        ),
        [Way(more={"image_root": "pics"}), Way(each(photo=lambda n: f"../pics/p{n}.png"), more={"image_root": "pics"})],
    ),
    Case(
        "Rename the file, or use a pattern that tells them apart",
        Way(
            each(a=lambda n: "1" * (n + 1), b=lambda n: "1" * (ROWS - n)),
            fields={"images": "{a}{b}*.png"},
            files=[f"{'1' * (ROWS + 1)}.png"],
        ),
        [Way(fields={"images": "{a}_{b}*.png"}, files=[f"1_{'1' * ROWS}.png"])],
    ),
]
READ = [*OF_PICTURES, *OF_RECORDS, *OF_FILES, *OF_MANIFESTS]


@pytest.mark.parametrize(
    ("case", "way"),
    [pytest.param(case, way, id=f"{case.advice[:60]}-{place}") for case in READ for place, way in enumerate(case.ways)],
)
def test_advice_about_data_leads_on(tmp_path, case, way):
    (tmp_path / "d").mkdir()
    picture(tmp_path / "outside.png")
    told = read(write(tmp_path / "d", case.before))
    assert pattern(case.advice).search(told), told
    after = read(write(tmp_path / "d", case.before, way))
    assert pattern(way.then).search(after) if way.then else after == "", after


DROP_TEXT = Way(more={"text": {"on_empty": "drop"}})
COPIES = [*rows(), *({**row, "id": f"copy-{row['id']}"} for row in rows()[:4])]
TAGS = "<p>some <b>words</b> &amp; more</p>"
PLACEHOLDER = each(photo=lambda n: f"p{n}.png" if n % 2 else "none.png")
FRACTIONS = {"train": 0.6, "validation": 0.2, "test": 0.2}
GROUPED = [row | {"shop": f"s{row['n'] % 11}"} for row in PARTS]
SHIFTED = [
    {**row, "id": f"{row['id']}-{part}", "text": f"{row['text']} {part}", "label": label, "part": part}
    for row in rows()
    for part, label in (("train", "ab"[row["n"] < 3]), ("validation", "ab"[row["n"] > 3]), ("test", "b"))
]
# The key of a finding, as the first word of its advice, is what `check` reports no more afterwards.
CHECKED = {
    "missing_pictures": [
        photo("gone.png", "Correct the paths or image_root", "p3.png"),
        photo("gone.png", "To go on without them, set images: {on_bad: drop-image}", DROP),
    ],
    "unfetched_pictures": [
        photo(URL, "Run automm fetch-images with this manifest", Way(files=[local_name(URL)])),
        photo(URL, "To go on without them, set images: {on_bad: drop-image}", DROP),
    ],
    "not_fetched": [
        photo(URL, "Run automm fetch-images with this manifest", Way(files=[local_name(URL)]), more=DROP.more),
    ],
    "missing_numbers": [
        Case(
            advice,
            Way(rows(n=""), fields={"label": "n"}, more={"task": "regression"}),
            [way],
        )
        for advice, way in (
            ("Add the numbers", Way(rows())),
            (
                "To drop these reviews, set labels: {on_missing: drop}",
                Way(more={"labels": {"on_missing": "drop"}}),
            ),
        )
    ],
    "unreadable_pictures": [
        photo("manifest.yaml", "Replace the files", "p3.png"),
        photo(
            "manifest.yaml",
            "To go on without them, set images: {on_bad: drop-image}, or drop-review to drop their whole reviews",
            DROP,
            Way(more={"images": {"on_bad": "drop-review"}}),
        ),
    ],
    "left_out_pictures": [photo("manifest.yaml", "Replace the files if you need them", "p3.png", more=DROP.more)],
    "several_labels": [
        Case(
            "Set fields: {label: {{}}} to use the first label, or write one label per review in the records",
            Way(each(label=lambda n: ["ab"[n % 2], "cd"[n // 2 % 2]])),
            [Way(fields={"label": {"column": "label", "pick": "first"}}), Way(rows())],
        )
    ],
    "labels_of_one_word": [
        Case(
            "Merge the spellings in labels: {map: {{}, ...}}, and list all other labels there, too",
            Way(each(label=lambda n: ["a", "b", "A"][n % 3])),
            [Way(more={"labels": {"map": {"a": ["a", "A"], "b": ["b"]}}})],
        )
    ],
    "one_number": [
        Case(
            "Check that fields.label names the right column, or add reviews with other values",
            Way(each(same=lambda n: 5 + (n == 3)), fields={"label": "same"}, more={"task": "regression"}),
            [Way(fields={"label": "n"}), Way(each(same=lambda n: n % 7))],
        )
    ],
    "far_numbers": [
        Case(
            "Check for a wrong unit, a lost decimal point or a placeholder (-1, 9999), and correct or remove these "
            "values",
            Way(rows(n=99999), fields={"label": "n"}, more={"task": "regression"}),
            [Way(rows())],
        )
    ],
    "duplicate_reviews": [
        Case("To keep one of each, set drop_duplicates: true", Way(COPIES), [Way(more={"drop_duplicates": True})])
    ],
    "empty_texts": [
        Case(
            "To drop these reviews, set text: {on_empty: drop}",
            Way(rows(text=""), fields=PHOTOS, files=PICTURES),
            [DROP_TEXT],
        )
    ],
    "missing_like_texts": [
        Case(
            "Empty these cells in the records",
            Way(rows(text="None"), fields=PHOTOS, files=PICTURES),
            [Way(rows(text=""))],
        )
    ],
    "html_left": [
        Case(
            "Remove tags (with an HTML parser) and decode entities (with html.unescape) in the records",
            Way(each(text=lambda n: f"{TAGS} {n}")),
            [Way(rows())],
        )
    ],
    "wrong_encoding": [
        Case(
            "In the manifest, set encoding to {}",
            Way(
                raw=csv(*(f"s{n},Größe für Käufer {n},a" for n in range(9))), name="r.csv", more={"encoding": "cp1252"}
            ),
            [Way(more={"encoding": "utf-8"})],
        )
    ],
    "no_ids": [
        Case(
            "Set fields: {id: ...} to a column with a different value in each record",
            Way(fields={"id": None}),
            [Way(fields={"id": "id"})],
        )
    ],
    "no_pictures": [
        Case(
            "Set fields: {images: {}}, unless the values are something else", Way(files=PICTURES), [Way(fields=PHOTOS)]
        )
    ],
    "unused_pictures": [
        Case(
            "Set fields: {images: {}} and image_root: {};",
            Way(each(photo=lambda n: ""), files=[f"pics/r{n}.png" for n in range(ROWS)]),
            [Way(fields={"images": "{id}.png"}, more={"image_root": "pics"})],
        )
    ],
    "one_picture": [
        Case(
            "If it is a placeholder, add its name as shown to fields: {none_values: [...]}, or leave its column out of "
            "fields.images",
            Way(PLACEHOLDER, fields=PHOTOS, files=[*PICTURES, "none.png"]),
            [Way(fields={"none_values": ["none.png"]}), Way(fields={"images": None})],
        )
    ],
    "repeated_pictures": [photo(["p3.png", "p3.png"], "Name each picture once in the records", ["p3.png"])],
    "ungrouped_column": [
        Case(
            "Set fields: {group: {}}, unless the column means something else",
            Way(each(user_id=lambda n: f"u{n % 12}")),
            [Way(fields={"group": "user_id"})],
        )
    ],
    "blank_pictures": [
        photo(
            "blank.png",
            "Remove them from the records, or add their names as shown to fields: {none_values: [...]}",
            Way(rows(photo="")),
            Way(fields={"none_values": ["blank.png"]}),
        )._replace(before=Way(rows(photo="blank.png"), fields=PHOTOS, files=[*PICTURES, "blank.png"]))
    ],
    "tiny_pictures": [
        Case(
            "Check whether they are thumbnails",
            Way(rows(photo="tiny.png"), fields=PHOTOS, files=[*PICTURES, "tiny.png"]),
            [Way(rows())],
        )
    ],
    "groups_across_splits": [
        Case(
            "To keep shared {} in one split, replace splits.{} with splits: {fractions: ...}",
            Way(
                [row | {"part": {"dev": "validation", "eval": "test"}.get(row["part"], "train")} for row in GROUPED],
                fields={"group": "shop"},
                more=splits(column="part"),
            ),
            [Way(more=splits(fractions=FRACTIONS))],
        ),
        Case(
            "Add {} to splits.keep_together",
            Way(GROUPED, fields={"group": "shop"}, more=splits(keep_together=["texts"])),
            [Way(more=splits(keep_together=["texts", "groups"]))],
        ),
    ],
    "label_shift": [
        Case(
            "To balance the splits, replace splits.column with splits: {fractions: ...}",
            Way(SHIFTED, more=splits(column="part")),
            [Way(more=splits(fractions=FRACTIONS))],
        )
    ],
    "absent_labels": [
        Case(
            "Add reviews with these labels, or merge the labels with others in labels.map",
            Way([row | ({"label": "c"} if row["n"] in (3, 8) else {}) for row in rows()]),
            [Way(more=labels(map={"a": ["a", "c"], "b": ["b"]}))],
        )
    ],
    "text_contradictions": [
        Case(
            "Correct the {}, or set drop_duplicates: true, which drops reviews with the same text and pictures but "
            "different {}",
            Way([*rows(), rows()[3] | {"id": "z", "label": "a"}]),
            [Way([*rows(), rows()[3] | {"id": "z"}]), Way(more={"drop_duplicates": True})],
        )
    ],
}


def checked(path: Path) -> dict[str, str]:
    """Return what to do about each finding, by its key."""
    return {finding.key: finding.fix for finding in check(path).findings}


@pytest.mark.parametrize(
    ("key", "case", "way"),
    [
        pytest.param(key, case, way, id=f"{key}-{number}-{place}")
        for key, cases in CHECKED.items()
        for number, case in enumerate(cases)
        for place, way in enumerate(case.ways)
    ],
)
def test_advice_of_check_ends_its_finding(tmp_path, key, case, way):
    fix = checked(write(tmp_path, case.before)).get(key, "")
    assert pattern(case.advice).search(fix), fix
    assert key not in checked(write(tmp_path, case.before, way))


TESTED = frozenset(case.advice for case in [*READ, *(case for cases in CHECKED.values() for case in cases)])
