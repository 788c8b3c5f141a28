"""The feature store: features on disk, computed once and shared by candidates, runs and processes.

An entry is two files in `<cache>/features/`: `<key>.npy`, memory-mapped, and `<key>.json`, its notes. The key is made
of the items (texts or pictures) and of the family: weights, engine and read-out. An entry can therefore be unused, but
never outdated. Items that other entries of the same family contain are copied into a new entry, not encoded again.

A process that reads an entry holds a shared lock (flock) on its .npy. A process that writes one holds an exclusive lock
on `<name>.part`, which is finally renamed. The system releases the locks of a process that ends: other processes never
wait forever, and unlocked files may be removed.
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
from automm.search.features.store_copies import Entry, Reusable, find_copies, nothing_to_copy
from automm.search.features.store_files import write_rows
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
    """One pass of an encoder that fills one or several entries; `features` is the number of columns by family."""

    features: dict[str, int]

    def batches(self) -> Iterator[dict[str, tuple[np.ndarray, np.ndarray]]]:
        """Yield (rows, values) by family; each row of the items to encode once, in any order."""


OpenEncoding = Callable[[Sequence[str], np.ndarray], Encoding]  # called with (families, positions of items)


@dataclass(frozen=True)
class Cleared:
    """The removed entries and bytes, and the entries that stay because a running process uses them."""

    entries: int
    bytes: int
    in_use: int


@dataclass(frozen=True)
class FeatureStore:
    """The feature store in a folder; see the module.

    Attributes:
        folder: created when an entry is written.
        limit: bytes. Entries that were not used for the longest time are removed first; entries in use are kept even
            above the limit.
    """

    folder: Path
    limit: int

    @property
    def _files(self) -> StoreFolder:
        return StoreFolder(self.folder)

    def get(self, wanted: Mapping[str, About], items: Items, open_encoding: OpenEncoding) -> dict[str, np.ndarray]:
        """Return entries from disk; write entries that are absent or damaged.

        A new entry copies the items that other entries of its family contain; the other items are encoded in one pass.
        If another process is writing one of the entries, this one waits. An entry is in use as long as its array or a
        view of it exists. Entries whose items are all in a new one are removed, unless they are in use.

        Args:
            wanted: the description of each entry by family. The family identifies everything that the values depend on
                except the items, and is part of the file name.
            items: the items of every entry, at least one.
            open_encoding: builds the encoder for families and items to encode; not called if there are none.

        Returns:
            Read-only memory-mapped arrays by family: (rows, features) in the dtype of `wanted`.

        Raises:
            CacheError: the folder cannot be written, or its disk is full.
        """
        entries = {family: Entry(self._path(_key(family, items)), about) for family, about in wanted.items()}
        found: dict[str, np.ndarray] = {}
        while True:
            found |= self._open_all(_without(entries, found))
            missing = _without(entries, found)
            if not missing:
                return {family: found[family] for family in wanted}
            with self._files.parts({family: entry.path for family, entry in missing.items()}) as parts:
                if parts is None:  # another process has finished one, or given up
                    continue
                found |= self._open_all(missing, held=True)  # entries that were finished before we got the lock
                missing = _without(missing, found)
                if missing:
                    found |= self._write(missing, parts, items, open_encoding)

    def missing(self, wanted: Mapping[str, About], items: Items) -> tuple[list[str], np.ndarray]:
        """Return what `get` would encode: families, and positions of items, (n,) int64.

        Args:
            wanted, items: as in `get`.
        """
        entries = {family: Entry(self._path(_key(family, items)), about) for family, about in wanted.items()}
        missing = _without(entries, self._open_all(entries))
        if not missing:
            return [], np.arange(0)
        with ExitStack() as locks:
            return list(missing), find_copies(missing, items, locks).to_encode

    def entries(self) -> list[dict[str, Any]]:
        """Return the entries, latest use first: key, the fields of `About`, bytes, last_used (Unix time)."""
        found = []
        for path in self.folder.glob("*.npy"):
            with suppress(FileNotFoundError):  # removed meanwhile
                notes = read_notes(path)
                about = asdict(notes.about if notes else UNKNOWN)
                used = (notes_path(path) if notes else path).stat().st_mtime
                found.append({"key": path.stem, **about, "bytes": path.stat().st_size, "last_used": used})
        return sorted(found, key=lambda entry: (-entry["last_used"], entry["key"]))

    def clear(self) -> Cleared:
        """Remove the entries that no running process uses, and files of crashed writers.

        Raises:
            CacheError: the folder cannot be written.
        """
        in_use = self._files.sweep()
        entries = self.entries()
        removed = [entry for entry in entries if self._files.remove(self._path(entry["key"]))]
        return Cleared(len(removed), sum(entry["bytes"] for entry in removed), in_use + len(entries) - len(removed))

    def _path(self, key: str) -> Path:
        return self.folder / f"{key}.npy"

    def _open_all(self, entries: Mapping[str, Entry], *, held: bool = False) -> dict[str, np.ndarray]:
        opened = {family: self._open(entry, held=held) for family, entry in entries.items()}
        return {family: array for family, array in opened.items() if array is not None}

    def _open(self, entry: Entry, *, held: bool) -> np.ndarray | None:
        """Map an entry; None if it is absent or damaged.

        Args:
            held: whether this process holds the lock to write the entry; only then is damage logged.
        """
        try:
            file = entry.path.open("rb")
        except (FileNotFoundError, NotADirectoryError):
            return None
        with file:
            fcntl.flock(file, fcntl.LOCK_SH)
            if not is_at(file.fileno(), entry.path):  # removed before we got the lock
                return None
            notes = read_notes(entry.path)
            problem = problem_of(file.fileno(), notes, entry.about, random.Random())
            if problem or notes is None:
                if held:
                    log.warning("%s is unusable: %s. Its features are computed again", entry.path, problem)
                return None
            mark_used(entry.path)
            return map_values(file, notes.about)

    def _write(
        self, entries: Mapping[str, Entry], parts: Mapping[str, int], items: Items, open_encoding: OpenEncoding
    ) -> dict[str, np.ndarray]:
        """Fill locked parts, rename them, and remove the entries that they replace."""
        with ExitStack() as locks:
            reusable = self._find_copies(entries, items, locks)
            abouts = self._fill(entries, parts, reusable, items, open_encoding)
        found = {}
        for family, about in abouts.items():
            self._files.finish(parts[family], entries[family].path, about)
            with open(parts[family], "rb", closefd=False) as file:
                found[family] = map_values(file, about)
        for path in reusable.replaced:
            if self._files.remove(path):
                log.info("%s: removed, because a newer entry contains all of its items", path)
        if reusable.copies:
            self._make_room(0, self.limit)
        return found

    def _find_copies(self, entries: Mapping[str, Entry], items: Items, locks: ExitStack) -> Reusable:
        """Find what can be copied; nothing if the disk has no room for the new entries in addition to their sources.

        Sources are removed only after copying, so the limit is enforced later.
        """
        reusable = find_copies(entries, items, locks)
        if not reusable.copies:
            return reusable
        if not self._make_room(_bytes(_complete(entries, reusable.features)), math.inf):
            log.warning(
                "%s: the disk is too full to reuse stored features, so all are encoded again. Free disk space",
                self.folder,
            )
            locks.close()
            return replace(nothing_to_copy(items), replaced=reusable.replaced)
        log.info("%d of %d items are copied from other entries", len(items) - len(reusable.to_encode), len(items))
        return reusable

    def _fill(
        self,
        entries: Mapping[str, Entry],
        parts: Mapping[str, int],
        reusable: Reusable,
        items: Items,
        open_encoding: OpenEncoding,
    ) -> dict[str, About]:
        """Write the content of new entries, and return their complete descriptions by family."""
        encoding = open_encoding(list(entries), reusable.to_encode) if len(reusable.to_encode) else None
        abouts = _complete(entries, reusable.features if encoding is None else encoding.features)
        total = _bytes(abouts)
        if not reusable.copies and not self._make_room(total, self.limit):
            raise self._files.full(total)
        with self._files.disk(total):
            for family, about in abouts.items():
                _begin(parts[family], about, items)
                for copy in reusable.copies.get(family, ()):
                    copy.write(parts[family], about, items)
        for batch in (
            encoding.batches() if encoding is not None else ()
        ):  # outside `disk`, which would convert an encoder's OSError
            with self._files.disk(total):
                for family, (rows, values) in batch.items():
                    values = np.ascontiguousarray(values, abouts[family].dtype)
                    write_rows(parts[family], rows, values, len(header(abouts[family])))
        return abouts

    def _make_room(self, size: int, limit: float) -> bool:
        """Remove least recently used entries until `size` bytes fit below a limit.

        Returns:
            Whether the disk has room for `size` bytes.
        """
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
                "%s: entries in use take %s, which exceeds the limit of %s. Raise AUTOMM_CACHE_LIMIT",
                *(self.folder, decimal(held + size), decimal(self.limit)),
            )
        return self._files.free >= size


def _key(family: str, items: Items) -> str:
    """Return the key of an entry; the family comes last, so that a file pattern finds all entries of a family."""
    return f"{hashlib.sha256(family.encode() + items.digests.tobytes()).hexdigest()[:32]}-{family}"


def _without(entries: Mapping[str, Entry], found: Mapping[str, np.ndarray]) -> dict[str, Entry]:
    return {family: entry for family, entry in entries.items() if family not in found}


def _complete(entries: Mapping[str, Entry], features: Mapping[str, int]) -> dict[str, About]:
    """Add the number of columns to the descriptions of entries."""
    return {family: replace(entry.about, features=features[family]) for family, entry in entries.items()}


def _bytes(abouts: Mapping[str, About]) -> int:
    return sum(about.bytes for about in abouts.values())


def _begin(part: int, about: About, items: Items) -> None:
    """Write an entry except for its values."""
    os.truncate(part, 0)  # a crashed writer may have left content
    allocate(part, about.bytes)
    write_at(part, header(about), 0)
    write_at(part, items.to_bytes(ragged=about.ragged), about.value_bytes)
