"""Features on disk: computed once, then shared by candidates, runs and processes.

An entry is two files under `<cache>/features/`: `<key>.npy`, memory-mapped, and `<key>.json`, its notes. The key names
the items, each a text or a picture, and the family: weights, engine and read-out. So an entry is never out of date,
only unused; and what others of its family hold of its items is copied into a new one, not encoded again.

Who maps an entry holds a shared lock (flock) on its .npy; who writes one holds an exclusive lock on `<name>.part`,
which gets its name by renaming. Locks die with their process: nothing is waited for in vain, and what nobody holds may
go.
"""

import errno
import fcntl
import hashlib
import logging
import os
import random
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import numpy as np
from rich.filesize import decimal

from automm.data.checksums import sums_of
from automm.data.files import allocate, is_at, put
from automm.errors import CacheError
from automm.search.store_copies import Known, look_up, nothing_known
from automm.search.store_files import hold, part_path, put_rows, sync_folder, unlink_unheld
from automm.search.store_format import (
    PORTION,
    UNKNOWN,
    About,
    Items,
    Notes,
    header,
    notes_path,
    problem_of,
    read_notes,
)

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)

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
        paths = {family: self._path(_key(family, items)) for family in wanted}
        found: dict[str, np.ndarray] = {}
        while True:
            self._look(found, wanted, paths)
            missing = {family: path for family, path in paths.items() if family not in found}
            if not missing:
                return {family: found[family] for family in wanted}
            with self._parts(missing) as parts:
                if parts is None:  # whoever held one has finished or given up
                    continue
                self._look(found, {family: wanted[family] for family in missing}, paths, held=True)
                for family in [family for family in parts if family in found]:  # finished before our lock
                    del parts[family]
                    part_path(paths[family]).unlink()
                if parts:
                    found |= self._write(parts, paths, wanted, items, open_encoding)

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
        in_use = self._sweep()
        entries = self.entries()
        removed = [entry for entry in entries if self._remove(self._path(entry["key"]))]
        return Cleared(len(removed), sum(entry["bytes"] for entry in removed), in_use + len(entries) - len(removed))

    def _look(
        self,
        found: dict[str, np.ndarray],
        wanted: Mapping[str, About],
        paths: Mapping[str, Path],
        *,
        held: bool = False,
    ) -> None:
        for family, about in wanted.items():
            if family not in found and (array := self._open(paths[family], about, held=held)) is not None:
                found[family] = array

    def _open(self, path: Path, about: About, *, held: bool = False) -> np.ndarray | None:
        """Map an entry; None where it is absent or damaged, which is said by who holds its part and will mend it."""
        try:
            file = path.open("rb")
        except (FileNotFoundError, NotADirectoryError):
            return None
        with file:
            fcntl.flock(file, fcntl.LOCK_SH)
            if not is_at(file.fileno(), path):  # removed before we held it
                return None
            notes = read_notes(path)
            problem = problem_of(file.fileno(), notes, about, random.Random())
            if problem or notes is None:
                if held:
                    log.warning("%s cannot be used: %s. Its features are computed again", path, problem)
                return None
            with suppress(OSError):  # of another user, or on a read-only disk: its age is not ours to change
                os.utime(notes_path(path))
            return _map(file, notes)

    def _write(
        self,
        parts: Mapping[str, int],
        paths: Mapping[str, Path],
        wanted: Mapping[str, About],
        items: Items,
        open_encoding: OpenEncoding,
    ) -> dict[str, np.ndarray]:
        """Fill the locked parts, give each its name, and remove the entries that they make needless."""
        try:
            with ExitStack() as held:
                known = self._known({family: paths[family] for family in parts}, wanted, items, held)
                abouts = self._fill(parts, known, wanted, items, open_encoding)
            found = {family: self._finish(part, paths[family], abouts[family]) for family, part in parts.items()}
        except BaseException:
            for family, part in parts.items():
                if is_at(part, part_path(paths[family])):  # it has not got its name yet
                    part_path(paths[family]).unlink()
            raise
        for path in known.contained:
            if self._remove(path):
                log.info("%s: removed, because a newer entry holds all of its items", path)
        return found

    def _known(self, paths: Mapping[str, Path], wanted: Mapping[str, About], items: Items, held: ExitStack) -> Known:
        """What can be copied: nothing where the disk has no room for new entries beside those copied from."""
        known = look_up(paths, wanted, items, held)
        if not known.copies:
            return known
        if not self._make_room(sum(replace(wanted[name], features=known.features[name]).bytes for name in paths)):
            log.warning("%s: the disk has no room for a copy. All features are encoded again", self.folder)
            held.close()
            return replace(nothing_known(items), contained=known.contained)
        log.info("%d of %d items are copied from entries of other data", len(items) - len(known.unseen), len(items))
        return known

    def _fill(
        self,
        parts: Mapping[str, int],
        known: Known,
        wanted: Mapping[str, About],
        items: Items,
        open_encoding: OpenEncoding,
    ) -> dict[str, About]:
        """Write all bytes of new entries; what each is then, by family."""
        encoding = open_encoding(list(parts), known.unseen) if len(known.unseen) else None
        features = known.features if encoding is None else encoding.features
        abouts = {family: replace(wanted[family], features=features[family]) for family in parts}
        total = sum(about.bytes for about in abouts.values())
        if not known.copies and not self._make_room(total):
            raise self._full(total)
        with self._disk(total):
            for family, part in parts.items():
                about = abouts[family]
                os.truncate(part, 0)  # a crashed writer may have begun it
                allocate(part, about.bytes)
                put(part, header(about), 0)
                put(part, items.to_bytes(ragged=about.ragged), about.value_bytes)
                for copy in known.copies.get(family, ()):
                    copy.write(part, about, items)
        for batch in encoding.batches() if encoding is not None else ():  # outside: an encoder's errors are its own
            with self._disk(total):
                for family, (rows, values) in batch.items():
                    values = np.ascontiguousarray(values, abouts[family].dtype)
                    put_rows(parts[family], rows, values, len(header(abouts[family])))
        return abouts

    def _finish(self, part: int, path: Path, about: About) -> np.ndarray:
        """Give a filled part its name after the notes have theirs: no .npy is without notes."""
        with self._disk(about.bytes):
            os.fsync(part)
            notes = Notes(about, about.bytes, os.fstat(part).st_mtime_ns, sums_of(part, PORTION))
            self._write_notes(notes_path(path), notes)
            part_path(path).rename(path)
            sync_folder(self.folder)
        fcntl.flock(part, fcntl.LOCK_SH)
        with open(part, "rb", closefd=False) as file:
            return _map(file, notes)

    def _write_notes(self, path: Path, notes: Notes) -> None:
        while True:
            with self._part(path) as part:
                if part is None:  # swept away before we held it
                    continue
                os.truncate(part, 0)
                put(part, notes.to_json().encode(), 0)
                os.fsync(part)
                part_path(path).rename(path)
                return

    def _make_room(self, size: int) -> bool:
        """Remove what was not used for longest until `size` bytes fit under the limit; whether the disk has them."""
        self._sweep()
        entries = self.entries()
        held = sum(entry["bytes"] for entry in entries)
        for entry in reversed(entries):
            if held + size <= self.limit and shutil.disk_usage(self.folder).free >= size:
                return True
            if self._remove(self._path(entry["key"])):
                held -= entry["bytes"]
                log.info("%s: removed the features of %d %s", self.folder, entry["rows"], entry["what"])
        if held + size > self.limit:
            log.warning(
                "%s: %s in use and %s to be written are beyond the limit of %s. Raise AUTOMM_CACHE_LIMIT",
                *(self.folder, decimal(held), decimal(size), decimal(self.limit)),
            )
        return shutil.disk_usage(self.folder).free >= size

    def _remove(self, path: Path) -> bool:
        """Whether an entry is gone: not if a living process holds or writes it, or another user owns it."""
        with self._part(path, wait=False) as part:  # so that nobody writes new notes meanwhile
            if part is None:
                return False
            gone = unlink_unheld(path)
            if gone:
                notes_path(path).unlink(missing_ok=True)
            part_path(path).unlink()
        return gone

    def _path(self, key: str) -> Path:
        return self.folder / f"{key}.npy"

    def _sweep(self) -> int:
        """Remove what crashed writers left; the number of entries that living ones are writing."""
        parts = [path for path in self.folder.glob("*.part") if not unlink_unheld(path)]
        for notes in self.folder.glob("*.json"):
            path = notes.with_suffix(".npy")
            if not path.exists():
                self._remove(path)
        return sum(path.name.endswith(".npy.part") for path in parts)

    @contextmanager
    def _parts(self, paths: Mapping[str, Path]) -> Iterator[dict[str, int] | None]:
        """The parts of several entries, all held alone; None where another writer has finished one while we waited."""
        with ExitStack() as stack:
            parts: dict[str, int] = {}
            for family, path in sorted(paths.items()):  # in one order, so that two processes never wait for each other
                part = stack.enter_context(self._part(path))
                if part is None:
                    for held in parts:
                        part_path(paths[held]).unlink()
                    yield None
                    return
                parts[family] = part
            yield parts

    @contextmanager
    def _part(self, path: Path, *, wait: bool = True) -> Iterator[int | None]:
        """The part of a file, held alone; None if another writer holds it, or has finished while we waited."""
        with self._disk():
            self.folder.mkdir(parents=True, exist_ok=True)
            part = os.open(part_path(path), os.O_RDWR | os.O_CREAT, 0o644)
        try:
            held = hold(part)
            if not held and wait:
                log.info("another process is writing %s: waiting for it", path)
                fcntl.flock(part, fcntl.LOCK_EX)
                held = True
            yield part if held and is_at(part, part_path(path)) else None
        finally:
            os.close(part)

    @contextmanager
    def _disk(self, size: int = 0) -> Iterator[None]:
        """What the system says of a write, in words."""
        try:
            yield
        except OSError as error:
            if error.errno in FULL:
                raise self._full(size) from error
            raise CacheError(
                f"cannot write to {self.folder}: {error.strerror or error}. Make it writable, or set AUTOMM_CACHE_DIR "
                "to another folder"
            ) from error

    def _full(self, size: int) -> CacheError:
        free = shutil.disk_usage(next(path for path in (self.folder, *self.folder.parents) if path.exists())).free
        wanted = f"{size:,} bytes of features are to be written, " if size else ""
        return CacheError(
            f"{self.folder}: the disk, or its quota, is full: {wanted}{free:,} are free. Free some, with "
            "'automm cache --clear' for instance, or set AUTOMM_CACHE_DIR to another disk"
        )


def _key(family: str, items: Items) -> str:
    """Names an entry; the family comes last, so that a pattern finds all of one."""
    return f"{hashlib.sha256(family.encode() + items.digests.tobytes()).hexdigest()[:32]}-{family}"


def _map(file: BinaryIO, notes: Notes) -> np.ndarray:
    """The values of a locked file. The map duplicates the descriptor, and with it keeps the lock while it lives."""
    about = notes.about
    return np.memmap(file, about.dtype, "r", len(header(about)), (about.rows, about.features))
