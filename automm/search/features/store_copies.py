"""What other entries hold already is copied from them, and not encoded again.

Entries of one family come from the same encoder, read-out and engine, and hold whatever items; a family's name is the
end of their file names. An entry stays under its shared lock as long as rows are copied from it.
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
from automm.search.features.store_files import put_rows
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

MOST = 32  # entries of a family to copy from, each of which is an open file meanwhile

log = logging.getLogger("automm")


@dataclass(frozen=True)
class Entry:
    """Where an entry is, or will be, and what it is."""

    path: Path
    about: About


@dataclass(frozen=True)
class Relative:
    """Another entry of a family, held by the lock on its descriptor."""

    path: Path
    descriptor: int
    notes: Notes
    items: Items


@dataclass(frozen=True)
class Copy:
    """Items that another entry holds.

    Attributes:
        mine: (n,) int64, their places in the new entry, ascending.
        theirs: (n,) int64, their places in the other one.
    """

    relative: Relative
    mine: np.ndarray
    theirs: np.ndarray

    def write(self, part: int, about: About, items: Items) -> None:
        """Put the rows of these items into the new entry, a portion at a time."""
        with open(self.relative.descriptor, "rb", closefd=False) as file:
            values = map_values(file, self.relative.notes.about)
        step = max(1, PORTION * about.items // (about.rows * about.row_bytes))
        for begin in range(0, len(self.mine), step):
            targets = items.rows(self.mine[begin : begin + step], ragged=about.ragged)
            sources = self.relative.items.rows(self.theirs[begin : begin + step], ragged=about.ragged)
            put_rows(part, targets, np.ascontiguousarray(values[sources]), len(header(about)))


@dataclass(frozen=True)
class Known:
    """What is known of the items of some new entries, which are all of the same items.

    Attributes:
        copies: by family.
        features: columns by family, where there are copies.
        unseen: (n,) int64, the places of the other items, ascending.
        contained: entries that hold none but items of the new ones.
    """

    copies: Mapping[str, list[Copy]]
    features: Mapping[str, int]
    unseen: np.ndarray
    contained: tuple[Path, ...]


def nothing_known(items: Items) -> Known:
    return Known({}, {}, np.arange(len(items)), ())


def look_up(entries: Mapping[str, Entry], items: Items, held: ExitStack) -> Known:
    """What other entries hold of the items of new ones.

    An encoder yields all its read-outs at once, so that an item counts as known where every family has it.

    Args:
        entries: the new ones, by family.
        held: keeps those that are copied from locked until it is closed.
    """
    copies: dict[str, list[Copy]] = {}
    contained: list[Path] = []
    known = np.ones(len(items), bool)
    for family, entry in entries.items():
        copies[family], within = _copies(family, entry, items, held)
        contained += within
        found = np.zeros(len(items), bool)
        for copy in copies[family]:
            found[copy.mine] = True
        known &= found
    if not known.any():
        held.close()
        return replace(nothing_known(items), contained=tuple(contained))
    features = {family: some[0].relative.notes.about.features for family, some in copies.items()}
    used = {family: [_only(copy, known) for copy in some] for family, some in copies.items()}
    return Known(used, features, np.flatnonzero(~known), tuple(contained))


def _copies(family: str, entry: Entry, items: Items, held: ExitStack) -> tuple[list[Copy], list[Path]]:
    """Which entries of a family hold items of a new one, each item in one of them, and which hold no others."""
    copies: list[Copy] = []
    contained: list[Path] = []
    lacking = np.ones(len(items), bool)
    for path in _others(entry.path, family):
        with ExitStack() as once:
            relative = _opened(path, entry.about, once)
            if relative is None:
                continue
            copy = _common(items, relative)
            if len(copy.mine) == len(relative.items):
                contained.append(path)
            copy = _only(copy, lacking)
            if len(copies) < MOST and len(copy.mine) and _is_sound(copy):
                lacking[copy.mine] = False
                copies.append(copy)
                mark_used(path)
                held.enter_context(once.pop_all())
    return copies, contained


def _others(path: Path, family: str) -> Iterator[Path]:
    """The entries of a family but one, last used first."""
    uses = [(_last_use(other), other) for other in path.parent.glob(f"*-{family}.npy") if other != path]
    yield from (other for _, other in sorted(uses, reverse=True))


def _last_use(path: Path) -> float:
    try:
        return notes_path(path).stat().st_mtime
    except FileNotFoundError:  # removed as we look
        return 0.0


def _opened(path: Path, about: About, held: ExitStack) -> Relative | None:
    """None of what is absent, another user's own or, in its form or where it names its items, damaged."""
    try:
        file = held.enter_context(path.open("rb"))
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
        log.warning("%s cannot be copied from: %s", path, problem)
        return None
    return Relative(
        path, file.fileno(), notes, Items.from_bytes(os.pread(file.fileno(), end - begin, begin), notes.about)
    )


def _common(items: Items, relative: Relative) -> Copy:
    found = np.intersect1d(items.digests, relative.items.digests, assume_unique=True, return_indices=True)
    order = np.argsort(found[1])
    return Copy(relative, found[1][order], found[2][order])


def _only(copy: Copy, chosen: np.ndarray) -> Copy:
    """The copy of those items alone that a mask over the new entry's chooses."""
    kept = chosen[copy.mine]
    return replace(copy, mine=copy.mine[kept], theirs=copy.theirs[kept])


def _is_sound(copy: Copy) -> bool:
    """Whether every checksum over what is to be copied is right."""
    relative, about = copy.relative, copy.relative.notes.about
    firsts, ends = relative.items.bounds(copy.theirs, ragged=about.ragged)
    begin = len(header(about))
    changes = np.zeros(len(relative.notes.sums) + 1, np.int64)
    np.add.at(changes, (begin + firsts * about.row_bytes) // PORTION, 1)
    np.add.at(changes, (begin + ends * about.row_bytes - 1) // PORTION + 1, -1)
    problem = _damage(relative.descriptor, relative.notes, np.flatnonzero(np.cumsum(changes)).tolist())
    if problem:
        log.warning("%s cannot be copied from: %s", relative.path, problem)
    return not problem


def _damage(descriptor: int, notes: Notes, numbers: Iterable[int]) -> str:
    """The first of these portions that is not what was written, in words; '' where all are."""
    wrong = next((number for number in numbers if portion_sum(descriptor, number, PORTION) != notes.sums[number]), None)
    return "" if wrong is None else f"its checksum is wrong at byte {wrong * PORTION}"
