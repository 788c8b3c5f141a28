"""Limit the size of the cache of decoded pictures: remove the sets that were not used for longest.

A set may be removed while a search reads it: the system keeps a memory-mapped file until the map is closed. The next
search decodes the pictures again.
"""

import os
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from automm.data.images.pixels.pixel_file import notes_path


@dataclass(frozen=True)
class PictureSet:
    """A file of decoded pictures.

    Attributes:
        path: the file.
        bytes: its size.
        used: when it was last opened, in seconds since 1970.
    """

    path: Path
    bytes: int
    used: float


def picture_sets(folder: Path) -> list[PictureSet]:
    """Return the sets of a cache folder, last used first."""
    sets = []
    for path in folder.glob("*.u8"):
        with suppress(FileNotFoundError):  # another process removed it meanwhile
            notes = notes_path(path)
            used = notes.stat().st_mtime if notes.is_file() else path.stat().st_mtime
            sets.append(PictureSet(path, path.stat().st_size, used))
    return sorted(sets, key=lambda one: (-one.used, one.path))


def mark_used(store: Path) -> None:
    """Record that a set was opened now."""
    with suppress(OSError):  # the cache may belong to another user and be read-only
        os.utime(notes_path(store))


def keep_within(folder: Path, limit: int, kept: Collection[Path]) -> int:
    """Remove the sets that were not used for longest until all together have at most `limit` bytes.

    Args:
        kept: the files of sets that are never removed.

    Returns:
        The number of bytes removed.
    """
    sets = picture_sets(folder)
    total, removed = sum(one.bytes for one in sets), 0
    for one in reversed(sets):
        if total - removed <= limit:
            break
        if one.path not in kept:
            removed += _remove(one)
    return removed


def clear_pictures(folder: Path) -> tuple[int, int]:
    """Remove all sets, and return their number and their bytes."""
    sets = picture_sets(folder)
    return len(sets), sum(_remove(one) for one in sets)


def _remove(one: PictureSet) -> int:
    notes_path(one.path).unlink(missing_ok=True)  # first, because pixels without notes count as absent
    one.path.unlink(missing_ok=True)
    return one.bytes
