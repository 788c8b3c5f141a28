"""The files of the feature store: locked while they are written, renamed when complete, removed when unused."""

import errno
import fcntl
import logging
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from automm.data.checksums import sums_of
from automm.data.files import is_at, write_at
from automm.errors import CacheError, CacheFolderError
from automm.search.features.store_files import part_path, sync_folder, try_lock, unlink_if_unlocked
from automm.search.features.store_format import PORTION, About, Notes, notes_path

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)

log = logging.getLogger("automm")


@dataclass(frozen=True)
class StoreFolder:
    """A folder of entries, created when an entry is written.

    Methods that write raise CacheError if the folder cannot be written, or its disk is full.
    """

    path: Path

    @contextmanager
    def parts(self, paths: Mapping[str, Path]) -> Iterator[dict[str, int] | None]:
        """Lock the part files of several entries exclusively, and provide their descriptors by name.

        Provides None if another process finished one of them while this one waited. Part files that are not renamed at
        the end are removed.
        """
        with ExitStack() as stack:
            parts: dict[str, int] = {}
            try:
                for name, path in sorted(paths.items()):  # sorted, so that two processes never wait for each other
                    part = stack.enter_context(self._part(path))
                    if part is None:
                        yield None
                        return
                    parts[name] = part
                yield parts
            finally:
                for name, part in parts.items():
                    if is_at(part, part_path(paths[name])):
                        part_path(paths[name]).unlink()

    def finish(self, part: int, path: Path, about: About) -> Notes:
        """Write the notes, then rename the filled part file, so that no .npy is without notes; return the notes.

        Its lock becomes shared.
        """
        with self.disk(about.bytes):
            os.fsync(part)
            notes = Notes(about, about.bytes, os.fstat(part).st_mtime_ns, sums_of(part, PORTION))
            self._write_notes(notes_path(path), notes)
            part_path(path).rename(path)
            sync_folder(self.path)
        fcntl.flock(part, fcntl.LOCK_SH)
        return notes

    def _write_notes(self, path: Path, notes: Notes) -> None:
        while True:
            with self._part(path) as part:
                if part is None:  # `sweep` removed it before we got the lock
                    continue
                os.truncate(part, 0)
                write_at(part, notes.to_json().encode(), 0)
                os.fsync(part)
                part_path(path).rename(path)
                return

    def remove(self, path: Path) -> bool:
        """Remove an entry unless a running process uses it or another user owns it; return whether it is gone."""
        with self._part(path, wait=False) as part:  # prevents other processes from writing new notes meanwhile
            if part is None:
                return False
            gone = unlink_if_unlocked(path)
            if gone:
                notes_path(path).unlink(missing_ok=True)
            part_path(path).unlink()
        return gone

    def sweep(self) -> int:
        """Remove files of crashed writers, and return the number of entries that running processes are writing."""
        parts = [path for path in self.path.glob("*.part") if not unlink_if_unlocked(path)]
        for notes in self.path.glob("*.json"):
            path = notes.with_suffix(".npy")
            if not path.exists():
                self.remove(path)
        return sum(path.name.endswith(".npy.part") for path in parts)

    @contextmanager
    def _part(self, path: Path, *, wait: bool = True) -> Iterator[int | None]:
        """Lock the part file of an entry exclusively, and provide its descriptor.

        Provides None if another process holds it and `wait` is off, or has finished it while this one waited.
        """
        with self.disk():
            self.path.mkdir(parents=True, exist_ok=True)
            part = os.open(part_path(path), os.O_RDWR | os.O_CREAT, 0o644)
        try:
            held = try_lock(part)
            if not held and wait:
                log.info("waiting for another process that is writing %s", path)
                held = _wait(part, part_path(path))
            yield part if held and is_at(part, part_path(path)) else None
        finally:
            os.close(part)

    @property
    def free(self) -> int:
        """Return the free bytes of the disk."""
        return shutil.disk_usage(next(path for path in (self.path, *self.path.parents) if path.exists())).free

    @contextmanager
    def disk(self, size: int = 0) -> Iterator[None]:
        """Convert OSError of the body into CacheError.

        Args:
            size: the bytes that the body writes, for the message.
        """
        try:
            yield
        except OSError as error:
            if error.errno in FULL:
                raise self.full(size) from error
            raise CacheFolderError(
                f"cannot write to {self.path}: {error.strerror or error}. Make it writable, or set AUTOMM_CACHE_DIR "
                "to another folder"
            ) from error

    def full(self, size: int) -> CacheError:
        """Return the error for a full disk."""
        needed = f"{size:,} bytes of features are needed, " if size else ""
        return CacheError(
            f"{self.path}: the disk or its quota is full: {needed}{self.free:,} bytes are free. Free disk space, for "
            "example with 'automm cache --clear', or set AUTOMM_CACHE_DIR to another disk"
        )


def _wait(part: int, path: Path) -> bool:
    """Wait until a part file is finished or given up, and return whether this process now holds it exclusively.

    The writer of a finished entry keeps a shared lock as long as it uses the entry. A shared lock is therefore waited
    for; an exclusive one only if the file is still a part file, whose writer has been killed.
    """
    while not try_lock(part):
        fcntl.flock(part, fcntl.LOCK_SH)
        fcntl.flock(part, fcntl.LOCK_UN)  # several processes with shared locks would exclude each other
        if not is_at(part, path):
            return False
    return True
