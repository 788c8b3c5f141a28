"""The two files of a stored entry: a plain .npy, and notes in JSON: what it is, and how to check it."""

import json
import os
import random
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from automm.data.checksums import damaged_at

PORTION = 4 * 2**20  # bytes under one checksum


@dataclass(frozen=True)
class About:
    """What an entry is, for people.

    Attributes:
        what: 'texts' or 'pictures'.
        encoder: its name.
        engine: what it ran on.
        rows: distinct texts or pictures.
        features: columns; 0 as long as nobody knows.
        dtype: of the values, as numpy names it: float32 or, for whole sequences, float16.
    """

    what: str
    encoder: str
    engine: str
    rows: int
    features: int = 0
    dtype: str = "<f4"

    @property
    def bytes(self) -> int:
        """Of the .npy."""
        return len(header(self)) + self.rows * self.features * np.dtype(self.dtype).itemsize


UNKNOWN = About("unknown", "unknown", "unknown", 0)


@dataclass(frozen=True)
class Notes:
    """The JSON file.

    Attributes:
        bytes, written: size and modification time (ns) of the .npy.
        sums: crc32 of each PORTION of it.
    """

    about: About
    bytes: int
    written: int
    sums: tuple[int, ...]

    def to_json(self) -> str:
        return json.dumps({"format": 1, **asdict(self.about), **{k: v for k, v in vars(self).items() if k != "about"}})


def notes_path(path: Path) -> Path:
    """Of the .npy at `path`."""
    return path.with_suffix(".json")


def read_notes(path: Path) -> Notes | None:
    """The notes of the .npy at `path`; None where they are absent or damaged."""
    try:
        content: dict[str, Any] = json.loads(notes_path(path).read_text(encoding="utf-8"))
        about = About(**{field.name: content[field.name] for field in fields(About)})
        sums = tuple(int(value) for value in content["sums"])
        return Notes(about, int(content["bytes"]), int(content["written"]), sums)
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None


def header(about: About) -> bytes:
    """What stands before the values in a .npy of (rows, features)."""
    from io import BytesIO

    file = BytesIO()
    description = {"descr": np.lib.format.dtype_to_descr(np.dtype(about.dtype)), "fortran_order": False}
    np.lib.format.write_array_header_1_0(file, {**description, "shape": (about.rows, about.features)})
    return file.getvalue()


def problem_of(descriptor: int, notes: Notes | None, about: About, rng: random.Random) -> str:
    """Why an open .npy must not be used; '' if it may.

    Its size and header always count; of its checksums as many as `checksums.damaged_at` compares.
    """
    if notes is None:
        return "its notes are absent or damaged"
    state = os.fstat(descriptor)
    if state.st_size != notes.bytes:
        return f"it has {state.st_size} bytes, not {notes.bytes}"
    if (notes.about.rows, notes.about.dtype) != (about.rows, about.dtype):
        return f"its notes are not of {about.rows} rows of {about.dtype}"
    if notes.bytes != notes.about.bytes or len(notes.sums) != -(-notes.bytes // PORTION):
        return "its notes contradict themselves"
    expected = header(notes.about)
    if os.pread(descriptor, len(expected), 0) != expected:
        return "its header is damaged"
    place = damaged_at(descriptor, notes.sums, PORTION, written=notes.written, rng=rng)
    return "" if place is None else f"its checksum is wrong at byte {place}"
