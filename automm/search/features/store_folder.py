"""The files of the feature store: locked while they are written, named when they are whole, removed when unused."""

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
from automm.search.features.store_files import hold, part_path, sync_folder, unlink_unheld
from automm.search.features.store_format import PORTION, About, Notes, notes_path

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)

log = logging.getLogger("automm")


@dataclass(frozen=True)
class StoreFolder:
    """A folder of entries, which is made when something is written.

    Every method that writes raises CacheError where the folder cannot be written, or its disk is full.
    """

    path: Path

    @contextmanager
    def parts(self, paths: Mapping[str, Path]) -> Iterator[dict[str, int] | None]:
        """The parts of several files, by name, all held alone; what has not got its name at the end is removed.

        None where another writer has finished one of them while we waited.
        """
        with ExitStack() as stack:
            parts: dict[str, int] = {}
            try:
                for name, path in sorted(paths.items()):  # in one order, so that no two processes wait for each other
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
        """Give a filled part its name after the notes have theirs: no .npy is without notes. It is shared from now on.

        Returns:
            The notes.
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
                if part is None:  # swept away before we held it
                    continue
                os.truncate(part, 0)
                write_at(part, notes.to_json().encode(), 0)
                os.fsync(part)
                part_path(path).rename(path)
                return

    def remove(self, path: Path) -> bool:
        """Whether an entry is gone: not if a living process holds or writes it, or another user owns it."""
        with self._part(path, wait=False) as part:  # so that nobody writes new notes meanwhile
            if part is None:
                return False
            gone = unlink_unheld(path)
            if gone:
                notes_path(path).unlink(missing_ok=True)
            part_path(path).unlink()
        return gone

    def sweep(self) -> int:
        """Remove what crashed writers left; the number of entries that living ones are writing."""
        parts = [path for path in self.path.glob("*.part") if not unlink_unheld(path)]
        for notes in self.path.glob("*.json"):
            path = notes.with_suffix(".npy")
            if not path.exists():
                self.remove(path)
        return sum(path.name.endswith(".npy.part") for path in parts)

    @contextmanager
    def _part(self, path: Path, *, wait: bool = True) -> Iterator[int | None]:
        """The part of a file, held alone; None if another writer holds it, or has finished while we waited."""
        with self.disk():
            self.path.mkdir(parents=True, exist_ok=True)
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

    @property
    def free(self) -> int:
        """Bytes that the disk has left."""
        return shutil.disk_usage(next(path for path in (self.path, *self.path.parents) if path.exists())).free

    @contextmanager
    def disk(self, size: int = 0) -> Iterator[None]:
        """Around writes, of `size` bytes in all: what the system says of them becomes a CacheError."""
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
        """What to raise where the disk has no room."""
        wanted = f"{size:,} bytes of features are to be written, " if size else ""
        return CacheError(
            f"{self.path}: the disk, or its quota, is full: {wanted}{self.free:,} are free. Free some, with "
            "'automm cache --clear' for instance, or set AUTOMM_CACHE_DIR to another disk"
        )
