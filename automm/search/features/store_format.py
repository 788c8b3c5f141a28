"""The two files of a stored entry: a plain .npy, and notes in JSON with its description and checksums.

After the values, where numpy does not read, the .npy lists its items: their digests and, in a ragged entry, the number
of rows of each. There they share checksums, lock and renaming with the values, and need no parsing.
"""

import json
import os
import random
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from automm.data.checksums import damaged_at
from automm.data.inputs.items import DIGEST

FORMAT = 2  # version of the files; version 1 listed no items
PORTION = 4 * 2**20  # bytes per checksum
LENGTH = 4  # bytes of an item's number of rows
DTYPES = ("<f4", "<f2")


@dataclass(frozen=True)
class About:
    """The description of an entry.

    Attributes:
        what: for people: 'texts' or 'pictures', and the read-out.
        encoder: the name of the encoder.
        engine: the version of the engine.
        rows: one per item; in a ragged entry, one per word piece.
        features: the number of columns; 0 before it is known.
        dtype: numpy's name of the dtype: float32 or, for whole sequences, float16.
        items: the number of distinct texts or pictures; 0 in entries of format 1.
        ragged: whether an item has one row per word piece.
    """

    what: str
    encoder: str
    engine: str
    rows: int
    features: int = 0
    dtype: str = "<f4"
    items: int = 0
    ragged: bool = False

    @property
    def row_bytes(self) -> int:
        return self.features * np.dtype(self.dtype).itemsize

    @property
    def value_bytes(self) -> int:
        """Return the bytes of the .npy before its list of items."""
        return len(header(self)) + self.rows * self.row_bytes

    @property
    def bytes(self) -> int:
        """Return the bytes of the .npy."""
        return self.value_bytes + self.items * (DIGEST + LENGTH * self.ragged)


UNKNOWN = About("unknown", "unknown", "unknown", 0)


@dataclass(frozen=True)
class Items:
    """Distinct texts or pictures, in the order of an entry.

    Attributes:
        digests: (n,) S16 from `data/inputs/items`.
        lengths: (n,) int32, the number of rows of each item in a ragged entry; ones if no entry is ragged.
    """

    digests: np.ndarray
    lengths: np.ndarray

    def __len__(self) -> int:
        return len(self.digests)

    @cached_property
    def starts(self) -> np.ndarray:
        """Return the first row of each item in a ragged entry, (n + 1,) int64."""
        return np.concatenate([[0], np.cumsum(self.lengths, dtype=np.int64)])

    def bounds(self, places: np.ndarray, *, ragged: bool) -> tuple[np.ndarray, np.ndarray]:
        """Return the first row, and the row after the last one, of each of some items, int64."""
        places = places.astype(np.int64)
        return (self.starts[places], self.starts[places + 1]) if ragged else (places, places + 1)

    def rows(self, places: np.ndarray, *, ragged: bool) -> np.ndarray:
        """Return the rows of some items, one item after the other, int64."""
        firsts, ends = self.bounds(places, ragged=ragged)
        lengths = ends - firsts
        return np.arange(lengths.sum()) + np.repeat(ends - np.cumsum(lengths), lengths)

    def to_bytes(self, *, ragged: bool) -> bytes:
        """Return the items as the .npy stores them."""
        return self.digests.tobytes() + (self.lengths.astype("<i4").tobytes() if ragged else b"")

    @classmethod
    def from_bytes(cls, content: bytes, about: About) -> "Items":
        digests = np.frombuffer(content, f"S{DIGEST}", about.items)
        if not about.ragged:
            return cls(digests, np.ones(about.items, np.int32))
        return cls(digests, np.frombuffer(content, "<i4", about.items, about.items * DIGEST))


@dataclass(frozen=True)
class Notes:
    """The content of the JSON file.

    Attributes:
        bytes, written: size and modification time (ns) of the .npy.
        sums: the crc32 of each PORTION of the .npy.
    """

    about: About
    bytes: int
    written: int
    sums: tuple[int, ...]

    def to_json(self) -> str:
        return json.dumps(
            {"format": FORMAT, **asdict(self.about), **{k: v for k, v in vars(self).items() if k != "about"}}
        )


def notes_path(path: Path) -> Path:
    """Return the path of the notes of the .npy at `path`."""
    return path.with_suffix(".json")


def read_notes(path: Path) -> Notes | None:
    """Return the notes of the .npy at `path`; None if they are absent, damaged, or not readable."""
    try:
        content: dict[str, Any] = json.loads(notes_path(path).read_text(encoding="utf-8"))
        about = About(**{field.name: content[field.name] for field in fields(About) if field.name in content})
        notes = Notes(about, content["bytes"], content["written"], tuple(content["sums"]))
    except (FileNotFoundError, PermissionError, ValueError, KeyError, TypeError):
        return None
    numbers = (about.rows, about.features, about.items, notes.bytes, notes.written, *notes.sums)
    usable = all(type(value) is field.type for field, value in zip(fields(About), vars(about).values(), strict=True))
    usable = usable and all(type(number) is int and number >= 0 for number in numbers)
    return notes if usable and about.dtype in DTYPES else None


def mark_used(path: Path) -> None:
    """Record that the .npy at `path` is used now."""
    with suppress(OSError):  # another user's file, or a read-only disk
        os.utime(notes_path(path))


def map_values(file: BinaryIO, about: About) -> np.ndarray:
    """Map the values of a locked .npy. The map duplicates the descriptor, and thus keeps the lock while it exists."""
    return np.memmap(file, about.dtype, "r", len(header(about)), (about.rows, about.features))


def header(about: About) -> bytes:
    """Return the header of a .npy of (rows, features)."""
    from io import BytesIO

    file = BytesIO()
    description = {"descr": np.lib.format.dtype_to_descr(np.dtype(about.dtype)), "fortran_order": False}
    np.lib.format.write_array_header_1_0(file, {**description, "shape": (about.rows, about.features)})
    return file.getvalue()


def problem_of(descriptor: int, notes: Notes | None, about: About, rng: random.Random) -> str:
    """Return why an open .npy must not be used; '' if it can be used.

    Checks its size and header, and as many checksums as `checksums.damaged_at` compares.
    """
    if notes is None:
        return "its notes are absent or damaged"
    if (notes.about.rows, notes.about.items) != (about.rows, about.items):
        return f"its notes do not say {about.items} items in {about.rows} rows"
    if problem := problem_of_form(descriptor, notes, about):
        return problem
    place = damaged_at(descriptor, notes.sums, PORTION, written=notes.written, rng=rng)
    return "" if place is None else f"its checksum is wrong at byte {place}"


def problem_of_form(descriptor: int, notes: Notes, about: About) -> str:
    """Return what is wrong with an open .npy except for checksums; '' if nothing is.

    Checks its size, header, dtype and raggedness.
    """
    size = os.fstat(descriptor).st_size
    if size != notes.bytes:
        return f"it has {size} bytes, not {notes.bytes}"
    if (notes.about.dtype, notes.about.ragged) != (about.dtype, about.ragged):
        return f"its notes do not say {'ragged ' if about.ragged else ''}{about.dtype}"
    if notes.bytes != notes.about.bytes or len(notes.sums) != -(-notes.bytes // PORTION):
        return "its notes contradict themselves"
    expected = header(notes.about)
    return "" if os.pread(descriptor, len(expected), 0) == expected else "its header is damaged"
