"""A small data set of 24 reviews in any state, and whether it can be read."""

import base64
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import yaml
from advice import hear, pattern
from PIL import Image

from automm.data.images.pixels.pixel_store import drop_bad_pictures, prepare_pictures
from automm.data.images.resampling import PictureForm
from automm.data.manifest import load_manifest
from automm.data.quality.run import check
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


DROP = Way(more={"images": {"on_bad": "drop-image"}})
PIXEL = base64.b64encode(
    bytes.fromhex(
        "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de0000000c49444154789c63f8cfc0000003010100"
        "c9fe92ef0000000049454e44ae426082"
    )
).decode()
TEXT_ROWS = "".join(json.dumps(row) + "\n" for row in rows())


def checked(path: Path) -> dict[str, str]:
    """Return what to do about each finding, by its key."""
    return {finding.key: finding.fix for finding in check(path).findings}


def leads_on(folder: Path, sentence: str, before: Way, *ways: Way) -> None:
    """Assert that a data set cannot be read, that the message has a sentence, and that each way makes it readable."""
    for number, way in enumerate(ways):
        (folder / str(number)).mkdir()
        hear(read(write(folder / str(number), before)), sentence)
        after = read(write(folder / str(number), before, way))
        assert pattern(way.then).search(after) if way.then else after == "", after


def ends(folder: Path, key: str, sentence: str, before: Way, *ways: Way) -> None:
    """Assert that `check` reports a finding with a sentence, and that it reports the finding no more after each way."""
    for number, way in enumerate(ways):
        (folder / str(number)).mkdir()
        hear(checked(write(folder / str(number), before)).get(key, ""), sentence)
        assert key not in checked(write(folder / str(number), before, way))
