"""Manifests, records and folders of pictures that somebody, or a broken disk, has made to do harm.

`experiments/fuzz.py` draws ten thousand of them, `test_hostile.py` as many as a test may.
"""

import copy
import json
import os
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import yaml
from hypothesis import strategies as st
from PIL import Image

from automm.data.images.pixels.pixel_store import drop_bad_pictures, prepare_pictures
from automm.data.images.resampling import PictureForm
from automm.data.inputs.arrays import all_paths
from automm.data.manifest import load_manifest
from automm.data.records.reviews import Dataset, load_dataset
from automm.data.splitting.duplicates import drop_duplicates
from automm.data.splitting.links import links_of
from automm.data.splitting.split import split_dataset
from automm.errors import AutommError

T = TypeVar("T")
SECONDS = 20  # beyond which a case hangs, on a busy machine too
LIBRARIES = tuple({os.path.realpath(path) for path in (sys.prefix, sys.base_prefix, *filter(None, sys.path))})
SYSTEM = ("/proc", "/sys", "/dev", "/usr", "/lib", "/etc/ld", "/etc/localtime", "/etc/mime.types")

PICTURES = ["a.png", "cut.jpg", "empty.png", "pipe.png", "inner", "inner/b.png", "absent.png", "./inner/../a.png"]
OUTSIDE = [
    "../../outside/secret.png",
    "link.png",
    "folder/secret.png",
    "/etc/hostname",
    "inner/../../../outside/secret.png",
]

plain = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
values = st.recursive(
    plain,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=5,
)
names = st.sampled_from([*PICTURES, *OUTSIDE, "http://127.0.0.1/a.png", "a\0.png", "x" * 300, "", "none"])
cells = {
    "id": st.integers(0, 99) | values,
    "text": st.sampled_from(["fine", "The same words in here", ""]) | values,
    "photos": names | st.lists(names, max_size=3) | values,
    "label": st.sampled_from(["a", "b", 1, 1.0]) | values,
    "split": st.sampled_from(["train", "validation", "test", "dev"]) | values,
}


def mostly(usual: st.SearchStrategy[T], other: st.SearchStrategy[T]) -> st.SearchStrategy[T]:
    """The other one case in five: one that fails at once goes none of the way."""
    return st.integers(0, 4).flatmap(lambda draw: other if draw == 3 else usual)


Edit = tuple[float, str, str, object]  # where, what is done there, and with which key and value


def edits_of(keys: list[str], values: st.SearchStrategy[object]) -> st.SearchStrategy[list[Edit]]:
    """One to three edits with such keys and values."""
    done = st.sampled_from(["set", "set", "add", "delete", "rename", "wrap", "nest"])
    one = st.tuples(st.floats(0, 1, exclude_max=True), done, st.sampled_from(keys), values)
    return st.lists(one, min_size=1, max_size=3)


def edited(content: dict[str, object], edits: list[Edit]) -> dict[str, object]:
    """A copy of what a file says, changed at places of whatever depth."""
    content = copy.deepcopy(content)
    for where, how, key, value in edits:
        value = copy.deepcopy(value)
        found = list(_places(content))
        if not found:
            content[key] = value
            continue
        inside, at = found[int(where * len(found))]
        if how == "set":
            inside[at] = value
        elif how == "delete":
            del inside[at]
        elif how == "wrap":
            inside[at] = [inside[at]]
        elif how == "nest":
            inside[at] = {key: inside[at]}
        elif isinstance(inside, list):
            inside.append(value)
        else:
            inside[key] = inside.pop(at) if how == "rename" else value
    return content


def _places(inside: Any) -> Iterator[tuple[Any, Any]]:
    """Every mapping or list with each key or number of an item in it, at all depths."""
    for at, value in list(inside.items() if isinstance(inside, dict) else enumerate(inside)):
        yield inside, at
        if isinstance(value, dict | list):
            yield from _places(value)


hostile_records = st.lists(st.fixed_dictionaries({}, optional=cells), max_size=8)


@st.composite
def plausible_records(draw: st.DrawFn) -> list[dict[str, object]]:
    """Such as can be split, some with pictures that are none, or one hostile cell."""
    found: list[dict[str, object]] = []
    for number in range(draw(st.integers(8, 14))):
        split = ["train", "train", "train", "validation", "test"][number // 2 % 5]
        record: dict[str, object] = {"id": number, "text": f"words of number {number}", "label": "ab"[number % 2]}
        record |= {"split": split, "photos": draw(st.sampled_from([[], [], ["a.png"], ["inner/b.png"], PICTURES]))}
        if draw(st.integers(0, 9)) == 7:
            record |= draw(st.fixed_dictionaries({}, optional=cells))
        found.append(record)
    return found


records = mostly(plausible_records(), hostile_records)

keys = ["records", "format", "path", "encoding", "task", "fields", "labels", "splits", "images", "text", "source", "x"]
sound = {
    "name": st.just("x"),
    "image_root": st.just("images"),
    "fields": st.fixed_dictionaries(
        {
            "text": st.just("text"),
            "label": st.just("label"),
            "images": st.sampled_from(["photos", "photos", ["photos", "{id}.png"], "../{text}"]),
        },
        optional={"id": st.just("id"), "group": st.just("text"), "separator": st.just(",")},
    ),
    "images": st.fixed_dictionaries({"on_bad": st.sampled_from(["error", "drop-image", "drop-image", "drop-review"])}),
}
optional = {
    "encoding": st.sampled_from(["utf-8", "utf-16", "gb18030", "utf-7", "latin-1", "punycode"]),
    "splits": st.fixed_dictionaries({"column": st.just("split"), "values": st.just({"dev": "validation"})}),
    "drop_duplicates": st.booleans(),
    "text": st.fixed_dictionaries({"on_empty": st.sampled_from(["keep", "drop", "error"])}),
    "labels": st.fixed_dictionaries({"map": st.just({"a": ["a", 1], "b": ["b"]}), "on_unlisted": st.just("drop")}),
}
sound_manifests = st.fixed_dictionaries(sound, optional=optional)
odd_manifests = st.builds(edited, sound_manifests, edits_of(keys, values))
manifests = mostly(sound_manifests, odd_manifests)

harms = st.lists(
    st.tuples(
        st.floats(0, 1), st.sampled_from(["set", "insert", "delete", "cut", "twice"]), st.binary(min_size=1, max_size=3)
    ),
    max_size=3,
)


@dataclass(frozen=True)
class Case:
    """What stands in the files, before and after harm is done to their bytes."""

    manifest: dict[str, object]
    records: list[dict[str, object]]
    suffix: str
    harm_to_manifest: list[tuple[float, str, bytes]]
    harm_to_records: list[tuple[float, str, bytes]]


none = st.just([])
cases = st.builds(
    Case,
    manifests,
    records,
    st.sampled_from(["jsonl", "json", "csv", "tsv", "parquet"]),
    none | none | harms,
    none | none | harms,
)


def run(case: Case) -> str:
    """Go the way from a manifest to splits; how it ended: "split", or the name of the error.

    Raises:
        AssertionError: a file outside of the manifest's folder was opened, or a case took too long.
        Exception: whatever is none of automm's own errors.
    """
    with tempfile.TemporaryDirectory() as name:
        place = Path(os.path.realpath(name))
        manifest = write(case, place)
        with watched(place / "data", place / "cache"), in_time():
            return end_of(lambda: load_dataset(load_manifest(manifest)), place / "cache")


def end_of(load: Callable[[], Dataset], cache: Path) -> str:
    """From what `load` gives to splits: "split", or the name of automm's error that ended it."""
    try:
        dataset = load()
        pictures = prepare_pictures(all_paths(dataset.reviews), [PictureForm(8)], cache)
        dataset = drop_duplicates(drop_bad_pictures(dataset, pictures.bad), pictures.digests)
        split_dataset(dataset, links_of(dataset, pictures.digests))
    except AutommError as error:
        return type(error).__name__
    return "split"


def write(case: Case, place: Path) -> Path:
    images, outside = place / "data" / "images", place / "outside"
    (images / "inner").mkdir(parents=True)
    outside.mkdir()
    for number, file in enumerate(
        (images / "a.png", images / "inner/b.png", outside / "secret.png", images / "cut.jpg")
    ):
        Image.new("RGB", (9, 9), (number * 50, 0, 0)).save(file)
    os.truncate(images / "cut.jpg", 300)
    (images / "empty.png").touch()
    (images / "link.png").symlink_to(outside / "secret.png")
    (images / "folder").symlink_to(outside)
    os.mkfifo(images / "pipe.png")
    file = place / "data" / f"r.{case.suffix}"
    file.write_bytes(harmed(encoded(case, file), case.harm_to_records))
    manifest = place / "data" / "manifest.yaml"
    content = {"records": file.name, **case.manifest}
    manifest.write_bytes(
        harmed(yaml.safe_dump(content, allow_unicode=True).encode("utf-8", "replace"), case.harm_to_manifest)
    )
    return manifest


def encoded(case: Case, file: Path) -> bytes:
    if case.suffix == "parquet":
        import pyarrow as pa
        import pyarrow.parquet as pq

        texts = [{key: v if isinstance(v, str) else json.dumps(v) for key, v in one.items()} for one in case.records]
        pq.write_table(pa.Table.from_pylist(texts or [{"text": "x"}]), file)
        return file.read_bytes()
    if case.suffix in ("csv", "tsv"):
        mark = "," if case.suffix == "csv" else "\t"
        rows = [list(cells), *([record.get(name, "") for name in cells] for record in case.records)]
        text = "".join(mark.join('"' + str(cell).replace('"', '""') + '"' for cell in row) + "\n" for row in rows)
    elif case.suffix == "json":
        text = json.dumps(case.records)
    else:
        text = "".join(json.dumps(record) + "\n" for record in case.records)
    with suppress(LookupError, UnicodeError):
        return text.encode(str(case.manifest.get("encoding", "utf-8")))
    return text.encode("utf-8", "surrogatepass")


def harmed(raw: bytes, harms: list[tuple[float, str, bytes]]) -> bytes:
    for where, how, content in harms:
        place = int(where * len(raw))
        raw = {
            "set": raw[:place] + content + raw[place + len(content) :],
            "insert": raw[:place] + content + raw[place:],
            "delete": raw[:place] + raw[place + len(content) :],
            "cut": raw[:place],
            "twice": raw[:place] + raw[place // 2 :],
        }[how]
    return raw


_allowed: tuple[str, ...] | None = None
_opened: list[str] = []


def _note(event: str, arguments: tuple[object, ...]) -> None:
    """An audit hook, which can never be taken away again: it notes while a case runs."""
    if event == "open" and _allowed is not None and isinstance(arguments[0], str | bytes):
        path = os.path.realpath(os.fsdecode(arguments[0]))
        if not path.startswith(_allowed):
            _opened.append(path)


@contextmanager
def watched(*folders: Path) -> Iterator[None]:
    """Assert that no file is opened outside of these folders, the system's and the libraries'."""
    global _allowed
    if _note not in _hooks:
        sys.addaudithook(_note)
        _hooks.append(_note)
    _opened.clear()
    _allowed = (*map(str, folders), *LIBRARIES, *SYSTEM)
    try:
        yield
    finally:
        _allowed = None
    assert _opened == [], f"opened outside: {_opened}"


_hooks: list[object] = []


@contextmanager
def in_time() -> Iterator[None]:
    def too_long(*_: object) -> None:
        raise AssertionError(f"no end after {SECONDS} s")

    before = signal.signal(signal.SIGALRM, too_long)
    signal.alarm(SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
