"""Native layouts that somebody, or a broken disk, has made to do harm.

`experiments/fuzz.py layouts` draws ten thousand of them, `test_harmed_layouts.py` as many as a test may.
"""

import gzip
import io
import os
import shutil
import tempfile
import zlib
from dataclasses import dataclass
from pathlib import Path

from hostile import end_of, harmed, in_time, watched
from hypothesis import strategies as st
from layouts import WRITERS, manifest_of
from PIL import Image

from automm.data.layouts import find_layout, recognise
from automm.data.layouts.markdown_links import take_pictures
from automm.data.records.reviews import load_dataset

HARMS = (
    *("set", "insert", "delete", "cut", "twice"),  # of bytes
    *("columns", "lines", "separators"),  # of a table
    *("empty", "remove", "rename", "exchange", "folder", "pipe"),  # of a file
    *("link", "link folder", "link around", "link inside"),
)
CONTENTS = [
    *(b"\0", b"\n", b"\r", b"\t", b",", b'"', b"'", b"{", b"}", b"[", b"]", b"\\", b"\xff\xfe", b"\xed\xa0\x80"),
    *(b"../../outside/secret.png", b"/etc/hostname", b"..", b"1e999", b"-1", b"NaN", b"null", b"9" * 5000),
    *(b"[" * 3000, b"\\ud800", b"---\n&a [*a]\n---\n", b"![x](../../outside/secret.png)", "\u2028\u0085".encode()),
]
OUTSIDE = ("secret.png", "secret.json", "secret.txt")

for _name in WRITERS:  # their modules are files, too, and none of a case
    find_layout(_name)
take_pictures("![x](y)")  # the same of what reads the first document with a picture

Harm = tuple[str, float, float, bytes]  # what, to which file, at which place of it, with which bytes
contents = st.sampled_from(CONTENTS) | st.binary(min_size=1, max_size=4)
harms = st.lists(
    st.tuples(st.sampled_from(HARMS), st.floats(0, 1, exclude_max=True), st.floats(0, 1), contents),
    min_size=1,
    max_size=4,
)


@dataclass(frozen=True)
class Case:
    """A layout, what is done to its files one after the other, and what its manifest says of pictures."""

    layout: str
    harms: list[Harm]
    on_bad: str
    encoding: str | None


cases = st.builds(
    Case,
    st.sampled_from(sorted(WRITERS)),
    harms,
    st.sampled_from(["drop-image", "error"]),
    st.sampled_from([None, None, None, "utf-8", "gb18030", "utf-16"]),
)


def run(case: Case) -> str:
    """Go the way from the folder to splits; how it ended: "split", or the name of the error.

    Raises:
        AssertionError: a file outside of the folder was opened, or a case took too long.
        Exception: whatever is none of automm's own errors.
    """
    with tempfile.TemporaryDirectory() as name:
        place = Path(os.path.realpath(name))
        more = {"images": {"on_bad": case.on_bad}, **({"encoding": case.encoding} if case.encoding else {})}
        manifest = manifest_of(place / "given", case.layout, **more)
        root, outside = place / "given" / "data", place / "outside"
        write_around(root, outside)
        for harm in case.harms:
            do(harm, root, outside)
        with watched(place / "given", place / "cache"), in_time():
            recognise(root)
            return end_of(lambda: load_dataset(manifest), place / "cache")


def write_around(root: Path, outside: Path) -> None:
    """Sound pictures in the fixtures' places, and what nobody may open."""
    outside.mkdir()
    for number, file in enumerate(sorted(file for file in root.rglob("*") if file.suffix in (".jpg", ".png", ".jpeg"))):
        file.write_bytes(picture(number))
    (outside / "secret.png").write_bytes(picture(255))
    (outside / "secret.json").write_text('{"id": "secret", "text": "secret", "rating": 5}\n')
    (outside / "secret.txt").write_text("secret\tsecret\n")


def picture(number: int) -> bytes:
    packed = io.BytesIO()
    Image.new("RGB", (9, 9), (number, 255 - number, number * 7 % 256)).save(packed, "PNG")
    return packed.getvalue()


def do(harm: Harm, root: Path, outside: Path) -> None:
    """One harm to one of the files below `root`; tables and lists more often than pictures."""
    what, which, where, content = harm
    found = sorted(file for file in root.rglob("*") if file.is_file() and not file.is_symlink())
    told = [file for file in found if file.suffix not in (".jpg", ".png", ".jpeg", ".webp")]
    found += 6 * told
    if not found:
        return
    file = found[int(which * len(found))]
    other = found[int(where * (len(found) - 1))]
    if what in ("set", "insert", "delete", "cut", "twice", "columns", "lines", "separators", "empty"):
        raw = file.read_bytes()
        packed = file.suffix == ".gz" and where < 0.8  # else the harm is to the gzip file itself
        try:
            raw = gzip.decompress(raw) if packed else raw
        except (OSError, EOFError, zlib.error):
            packed = False
        raw = _bytes(what, raw, where, content)
        file.write_bytes(gzip.compress(raw) if packed else raw)
    elif what == "rename":
        name = ["X" + file.name, file.name.upper(), file.stem, file.name + ".gz"][int(where * 3.9)]
        if not file.with_name(name).is_dir():  # photos.json and photos/
            file.rename(file.with_name(name))
    elif what == "exchange":
        ours, theirs = file.read_bytes(), other.read_bytes()
        file.write_bytes(theirs)
        other.write_bytes(ours)
    elif what == "link folder" and file.parent != root:
        folder = file.parent
        shutil.rmtree(folder)
        folder.symlink_to(outside)
        for name in OUTSIDE:  # under names that the layout looks for
            (outside / file.name).write_bytes((outside / name).read_bytes())
    else:
        _replace(what, file, other, root, outside)


def _bytes(what: str, raw: bytes, where: float, content: bytes) -> bytes:
    if what == "empty":
        return b""
    if what == "separators":
        return raw.replace(b"\t", content).replace(b",", b"\t")
    if what not in ("columns", "lines"):
        return harmed(raw, [(where, what, content)])
    rows = raw.split(b"\n")
    if what == "lines":
        place = int(where * len(rows))
        return b"\n".join([*rows[place:], *rows[:place]])
    mark = b"\t" if b"\t" in raw else b","
    turned = []
    for row in rows:
        cells = row.split(mark)
        place = int(where * len(cells))
        turned.append(mark.join([*cells[place:], *cells[:place]]))
    return b"\n".join(turned)


def _replace(what: str, file: Path, other: Path, root: Path, outside: Path) -> None:
    """Something else in the place of a file."""
    file.unlink()
    if what == "folder":
        file.mkdir()
    elif what == "pipe":
        os.mkfifo(file)
    elif what == "link":
        secret = {".png": "secret.png", ".jpg": "secret.png", ".jpeg": "secret.png", ".txt": "secret.txt"}
        file.symlink_to(outside / secret.get(file.suffix, "secret.json"))
    elif what == "link around":
        file.symlink_to(file.name if len(file.name) % 2 else root)
    elif what == "link inside" and other.exists():
        file.symlink_to(other)
