"""Features on disk: computed once, then shared by candidates, runs and processes.

An entry is two files under `<cache>/features/`: `<key>.npy`, memory-mapped, and `<key>.json`, its notes. The key names
the items, each a text or a picture, and the family: weights, engine and read-out. So an entry is never out of date,
only unused; and what others of its family hold of its items is copied into a new one, not encoded again.

Who maps an entry holds a shared lock (flock) on its .npy; who writes one holds an exclusive lock on `<name>.part`,
which gets its name by renaming. Locks die with their process: nothing is waited for in vain, and what nobody holds may
go.
"""

import fcntl
import hashlib
import logging
import math
import os
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from rich.filesize import decimal

from automm.data.files import allocate, is_at, write_at
from automm.search.features.store_copies import Entry, Known, look_up, nothing_known
from automm.search.features.store_files import put_rows
from automm.search.features.store_folder import StoreFolder
from automm.search.features.store_format import (
    UNKNOWN,
    About,
    Items,
    header,
    map_values,
    mark_used,
    notes_path,
    problem_of,
    read_notes,
)

log = logging.getLogger("automm")


class Encoding(Protocol):
    """One pass of an encoder, which fills one entry or several: the number of columns of each, by family."""

    features: dict[str, int]

    def batches(self) -> Iterator[dict[str, tuple[np.ndarray, np.ndarray]]]:
        """Some rows and their values for each family; every row of the items to be encoded once, in any order."""


OpenEncoding = Callable[[Sequence[str], np.ndarray], Encoding]  # of which families, and places of which items


@dataclass(frozen=True)
class Cleared:
    """What was removed, and how many entries stay because a living process reads or writes them."""

    entries: int
    bytes: int
    in_use: int


@dataclass(frozen=True)
class FeatureStore:
    """See the module.

    Attributes:
        folder: made when something is written.
        limit: bytes. What was not used for longest goes first; what is in use stays, even beyond the limit.
    """

    folder: Path
    limit: int

    @property
    def _files(self) -> StoreFolder:
        return StoreFolder(self.folder)

    def get(self, wanted: Mapping[str, About], items: Items, open_encoding: OpenEncoding) -> dict[str, np.ndarray]:
        """Entries from disk, or written where they are absent or damaged: copied as far as others hold their items.

        What no other entry holds is encoded in one pass. Where another process is writing one of the entries, this one
        waits. An entry is in use for as long as its array or a view of it lives. Entries that hold none but items of a
        new one go, unless they are in use.

        Args:
            wanted: what each entry is, by its family, a name of all that the values depend on beside the item; it
                becomes a part of a file name.
            items: of every entry, at least one.
            open_encoding: builds the encoder for the families and items that have to be encoded. Not called where
                there are none.

        Returns:
            (rows, features) by family, memory-mapped, read-only, of the dtype that `wanted` says.

        Raises:
            CacheError: the folder cannot be written, or its disk is full.
        """
        entries = {family: Entry(self._path(_key(family, items)), about) for family, about in wanted.items()}
        found: dict[str, np.ndarray] = {}
        while True:
            found |= self._look(_without(entries, found))
            missing = _without(entries, found)
            if not missing:
                return {family: found[family] for family in wanted}
            with self._files.parts({family: entry.path for family, entry in missing.items()}) as parts:
                if parts is None:  # whoever held one has finished or given up
                    continue
                found |= self._look(missing, held=True)  # finished before our lock
                missing = _without(missing, found)
                if missing:
                    found |= self._write(missing, parts, items, open_encoding)

    def entries(self) -> list[dict[str, Any]]:
        """What is there, latest use first: key, what, encoder, engine, rows, features, bytes, last_used (Unix time)."""
        found = []
        for path in self.folder.glob("*.npy"):
            with suppress(FileNotFoundError):  # removed as we look
                notes = read_notes(path)
                about = asdict(notes.about if notes else UNKNOWN)
                used = (notes_path(path) if notes else path).stat().st_mtime
                found.append({"key": path.stem, **about, "bytes": path.stat().st_size, "last_used": used})
        return sorted(found, key=lambda entry: (-entry["last_used"], entry["key"]))

    def clear(self) -> Cleared:
        """Remove every entry that no living process reads or writes, and what crashed writers left.

        Raises:
            CacheError: the folder cannot be written.
        """
        in_use = self._files.sweep()
        entries = self.entries()
        removed = [entry for entry in entries if self._files.remove(self._path(entry["key"]))]
        return Cleared(len(removed), sum(entry["bytes"] for entry in removed), in_use + len(entries) - len(removed))

    def _path(self, key: str) -> Path:
        return self.folder / f"{key}.npy"

    def _look(self, entries: Mapping[str, Entry], *, held: bool = False) -> dict[str, np.ndarray]:
        opened = {family: self._open(entry, held=held) for family, entry in entries.items()}
        return {family: array for family, array in opened.items() if array is not None}

    def _open(self, entry: Entry, *, held: bool) -> np.ndarray | None:
        """Map an entry; None where it is absent or damaged, which is logged by who holds its part and writes it."""
        try:
            file = entry.path.open("rb")
        except (FileNotFoundError, NotADirectoryError):
            return None
        with file:
            fcntl.flock(file, fcntl.LOCK_SH)
            if not is_at(file.fileno(), entry.path):  # removed before we held it
                return None
            notes = read_notes(entry.path)
            problem = problem_of(file.fileno(), notes, entry.about, random.Random())
            if problem or notes is None:
                if held:
                    log.warning("%s cannot be used: %s. Its features are computed again", entry.path, problem)
                return None
            mark_used(entry.path)
            return map_values(file, notes.about)

    def _write(
        self, entries: Mapping[str, Entry], parts: Mapping[str, int], items: Items, open_encoding: OpenEncoding
    ) -> dict[str, np.ndarray]:
        """Fill locked parts, give each its name, and remove the entries that they make needless."""
        with ExitStack() as held:
            known = self._known(entries, items, held)
            abouts = self._fill(entries, parts, known, items, open_encoding)
        found = {}
        for family, about in abouts.items():
            self._files.finish(parts[family], entries[family].path, about)
            with open(parts[family], "rb", closefd=False) as file:
                found[family] = map_values(file, about)
        for path in known.contained:
            if self._files.remove(path):
                log.info("%s: removed, because a newer entry holds all of its items", path)
        if known.copies:
            self._make_room(0, self.limit)
        return found

    def _known(self, entries: Mapping[str, Entry], items: Items, held: ExitStack) -> Known:
        """What can be copied: nothing where the disk has no room for new entries beside those copied from.

        These may go only afterwards, so that the limit is kept then.
        """
        known = look_up(entries, items, held)
        if not known.copies:
            return known
        if not self._make_room(_bytes(_complete(entries, known.features)), math.inf):
            log.warning("%s: the disk has no room for a copy. All features are encoded again", self.folder)
            held.close()
            return replace(nothing_known(items), contained=known.contained)
        log.info("%d of %d items are copied from entries of other data", len(items) - len(known.unseen), len(items))
        return known

    def _fill(
        self,
        entries: Mapping[str, Entry],
        parts: Mapping[str, int],
        known: Known,
        items: Items,
        open_encoding: OpenEncoding,
    ) -> dict[str, About]:
        """Write all bytes of new entries; what each is then, by family."""
        encoding = open_encoding(list(entries), known.unseen) if len(known.unseen) else None
        abouts = _complete(entries, known.features if encoding is None else encoding.features)
        total = _bytes(abouts)
        if not known.copies and not self._make_room(total, self.limit):
            raise self._files.full(total)
        with self._files.disk(total):
            for family, about in abouts.items():
                _begin(parts[family], about, items)
                for copy in known.copies.get(family, ()):
                    copy.write(parts[family], about, items)
        for batch in encoding.batches() if encoding is not None else ():  # outside: an encoder's errors are its own
            with self._files.disk(total):
                for family, (rows, values) in batch.items():
                    values = np.ascontiguousarray(values, abouts[family].dtype)
                    put_rows(parts[family], rows, values, len(header(abouts[family])))
        return abouts

    def _make_room(self, size: int, limit: float) -> bool:
        """Remove what was not used for longest until `size` bytes fit under a limit; whether the disk has them."""
        self._files.sweep()
        entries = self.entries()
        held = sum(entry["bytes"] for entry in entries)
        for entry in reversed(entries):
            if held + size <= limit and self._files.free >= size:
                return True
            if self._files.remove(self._path(entry["key"])):
                held -= entry["bytes"]
                log.info("%s: removed the features of %d %s", self.folder, entry["rows"], entry["what"])
        if held + size > limit:
            log.warning(
                "%s: what is in use takes %s, beyond the limit of %s. Raise AUTOMM_CACHE_LIMIT",
                *(self.folder, decimal(held + size), decimal(self.limit)),
            )
        return self._files.free >= size


def _key(family: str, items: Items) -> str:
    """Names an entry; the family comes last, so that a pattern finds all of one."""
    return f"{hashlib.sha256(family.encode() + items.digests.tobytes()).hexdigest()[:32]}-{family}"


def _without(entries: Mapping[str, Entry], found: Mapping[str, np.ndarray]) -> dict[str, Entry]:
    return {family: entry for family, entry in entries.items() if family not in found}


def _complete(entries: Mapping[str, Entry], features: Mapping[str, int]) -> dict[str, About]:
    """What entries are, their columns included."""
    return {family: replace(entry.about, features=features[family]) for family, entry in entries.items()}


def _bytes(abouts: Mapping[str, About]) -> int:
    return sum(about.bytes for about in abouts.values())


def _begin(part: int, about: About, items: Items) -> None:
    """Write everything but the values."""
    os.truncate(part, 0)  # a crashed writer may have begun it
    allocate(part, about.bytes)
    write_at(part, header(about), 0)
    write_at(part, items.to_bytes(ragged=about.ragged), about.value_bytes)
