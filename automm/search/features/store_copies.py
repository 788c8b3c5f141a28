"""Find items of a new entry that other entries contain, and copy them.

Entries of one family come from the same encoder, read-out and engine, and contain any items; their file names end with
the family. An entry is kept under a shared lock while rows are copied from it.
"""

import fcntl
import logging
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from automm.data.checksums import portion_sum
from automm.data.files import is_at
from automm.search.features.store_files import write_rows
from automm.search.features.store_format import (
    PORTION,
    About,
    Items,
    Notes,
    header,
    map_values,
    mark_used,
    notes_path,
    problem_of_form,
    read_notes,
)

MOST_SOURCES = 32  # entries of a family to copy from; each is an open file

log = logging.getLogger("automm")


@dataclass(frozen=True)
class Entry:
    """The path and description of an entry, which may not exist yet."""

    path: Path
    about: About


@dataclass(frozen=True)
class OtherEntry:
    """Another entry of a family, locked through its open descriptor."""

    path: Path
    descriptor: int
    notes: Notes
    items: Items


@dataclass(frozen=True)
class Copy:
    """Items of a new entry that another entry contains.

    Attributes:
        places: (n,) int64, the positions of the items in the new entry, ascending.
        other_places: (n,) int64, their positions in the other entry.
    """

    other: OtherEntry
    places: np.ndarray
    other_places: np.ndarray

    def write(self, part: int, about: About, items: Items) -> None:
        """Write the rows of these items into the new entry, a portion at a time."""
        with open(self.other.descriptor, "rb", closefd=False) as file:
            values = map_values(file, self.other.notes.about)
        step = max(1, PORTION * about.items // (about.rows * about.row_bytes))
        for begin in range(0, len(self.places), step):
            targets = items.rows(self.places[begin : begin + step], ragged=about.ragged)
            sources = self.other.items.rows(self.other_places[begin : begin + step], ragged=about.ragged)
            write_rows(part, targets, np.ascontiguousarray(values[sources]), len(header(about)))


@dataclass(frozen=True)
class Reusable:
    """Items of new entries that can be copied; all new entries have the same items.

    Attributes:
        copies: copies by family.
        features: the number of columns by family, if there are copies.
        to_encode: (n,) int64, the positions of all other items, ascending.
        replaced: existing entries whose items are all in the new ones.
    """

    copies: Mapping[str, list[Copy]]
    features: Mapping[str, int]
    to_encode: np.ndarray
    replaced: tuple[Path, ...]


def nothing_to_copy(items: Items) -> Reusable:
    return Reusable({}, {}, np.arange(len(items)), ())


def find_copies(entries: Mapping[str, Entry], items: Items, locks: ExitStack) -> Reusable:
    """Find the items of new entries that can be copied from other entries.

    An encoder yields all its read-outs at once. An item is therefore copied only if every family has it.

    Args:
        entries: the new entries by family.
        locks: keeps the source entries locked until it is closed.
    """
    copies: dict[str, list[Copy]] = {}
    replaced: list[Path] = []
    copied = np.ones(len(items), bool)
    for family, entry in entries.items():
        copies[family], within = _copies(family, entry, items, locks)
        replaced += within
        found = np.zeros(len(items), bool)
        for copy in copies[family]:
            found[copy.places] = True
        copied &= found
    if not copied.any():
        locks.close()
        return replace(nothing_to_copy(items), replaced=tuple(replaced))
    features = {family: some[0].other.notes.about.features for family, some in copies.items()}
    used = {family: [_only(copy, copied) for copy in some] for family, some in copies.items()}
    return Reusable(used, features, np.flatnonzero(~copied), tuple(replaced))


def _copies(family: str, entry: Entry, items: Items, locks: ExitStack) -> tuple[list[Copy], list[Path]]:
    """Return copies that together contain each available item once, and entries whose items are all in the new one."""
    copies: list[Copy] = []
    replaced: list[Path] = []
    missing = np.ones(len(items), bool)
    for path in _others(entry.path, family):
        with ExitStack() as lock:
            other = _opened(path, entry.about, lock)
            if other is None:
                continue
            copy = _common(items, other)
            if len(copy.places) == len(other.items):
                replaced.append(path)
            copy = _only(copy, missing)
            if len(copies) < MOST_SOURCES and len(copy.places) and _is_sound(copy):
                missing[copy.places] = False
                copies.append(copy)
                mark_used(path)
                locks.enter_context(lock.pop_all())
    return copies, replaced


def _others(path: Path, family: str) -> Iterator[Path]:
    """Yield the entries of a family except for one, last used first."""
    uses = [(_last_use(other), other) for other in path.parent.glob(f"*-{family}.npy") if other != path]
    yield from (other for _, other in sorted(uses, reverse=True))


def _last_use(path: Path) -> float:
    try:
        return notes_path(path).stat().st_mtime
    except FileNotFoundError:  # removed meanwhile
        return 0.0


def _opened(path: Path, about: About, locks: ExitStack) -> OtherEntry | None:
    """Open and lock an entry; None if it is absent, unreadable, or its format or list of items is damaged."""
    try:
        file = locks.enter_context(path.open("rb"))
    except (FileNotFoundError, PermissionError):
        return None
    fcntl.flock(file, fcntl.LOCK_SH)
    notes = read_notes(path)
    if notes is None or not is_at(file.fileno(), path):
        return None
    begin, end = notes.about.value_bytes, notes.about.bytes
    problem = problem_of_form(file.fileno(), notes, about) or _damage(
        file.fileno(), notes, range(begin // PORTION, len(notes.sums))
    )
    if problem:
        log.warning("%s: stored features are damaged and not reused: %s. They are encoded again", path, problem)
        return None
    return OtherEntry(
        path, file.fileno(), notes, Items.from_bytes(os.pread(file.fileno(), end - begin, begin), notes.about)
    )


def _common(items: Items, other: OtherEntry) -> Copy:
    found = np.intersect1d(items.digests, other.items.digests, assume_unique=True, return_indices=True)
    order = np.argsort(found[1])
    return Copy(other, found[1][order], found[2][order])


def _only(copy: Copy, chosen: np.ndarray) -> Copy:
    """Return a copy of only those items that a mask over the new entry selects."""
    kept = chosen[copy.places]
    return replace(copy, places=copy.places[kept], other_places=copy.other_places[kept])


def _is_sound(copy: Copy) -> bool:
    """Return whether all checksums over the rows to copy are correct."""
    other, about = copy.other, copy.other.notes.about
    firsts, ends = other.items.bounds(copy.other_places, ragged=about.ragged)
    begin = len(header(about))
    changes = np.zeros(len(other.notes.sums) + 1, np.int64)
    np.add.at(changes, (begin + firsts * about.row_bytes) // PORTION, 1)
    np.add.at(changes, (begin + ends * about.row_bytes - 1) // PORTION + 1, -1)
    problem = _damage(other.descriptor, other.notes, np.flatnonzero(np.cumsum(changes)).tolist())
    if problem:
        log.warning("%s: stored features are damaged and not reused: %s. They are encoded again", other.path, problem)
    return not problem


def _damage(descriptor: int, notes: Notes, numbers: Iterable[int]) -> str:
    """Describe the first damaged one of these portions; '' if none is damaged."""
    wrong = next((number for number in numbers if portion_sum(descriptor, number, PORTION) != notes.sums[number]), None)
    return "" if wrong is None else f"its checksum is wrong at byte {wrong * PORTION}"
