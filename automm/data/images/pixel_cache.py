"""Which sets of decoded pictures are kept: those used last, as far as the limit goes.

A set may go while a search reads it: the system keeps the file of a memory map until the map is closed. Who opens it
next decodes it again.
"""

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from automm.data.images.pixel_file import notes_path


@dataclass(frozen=True)
class PictureSet:
    """A file of decoded pictures.

    Attributes:
        used: when it was last opened, seconds since 1970.
    """

    path: Path
    bytes: int
    used: float


def picture_sets(folder: Path) -> list[PictureSet]:
    """Those of a cache folder, last used first."""
    found = []
    for path in folder.glob("*.u8"):
        with suppress(FileNotFoundError):  # removed as we look
            notes = notes_path(path)
            used = notes.stat().st_mtime if notes.is_file() else path.stat().st_mtime
            found.append(PictureSet(path, path.stat().st_size, used))
    return sorted(found, key=lambda one: (-one.used, one.path))


def mark_used(store: Path) -> None:
    """Note that a set was opened now."""
    with suppress(OSError):  # a cache of somebody else's that is only read
        os.utime(notes_path(store))


def keep_within(folder: Path, limit: int, kept: Path) -> int:
    """Remove the sets that were not used for longest, until all together have at most `limit` bytes.

    Args:
        kept: stays in any case.

    Returns:
        How many bytes went.
    """
    sets = picture_sets(folder)
    total, removed = sum(one.bytes for one in sets), 0
    for one in reversed(sets):
        if total - removed <= limit:
            break
        if one.path != kept:
            removed += _remove(one)
    return removed


def clear_pictures(folder: Path) -> tuple[int, int]:
    """Remove all sets; how many, and their bytes."""
    sets = picture_sets(folder)
    return len(sets), sum(_remove(one) for one in sets)


def _remove(one: PictureSet) -> int:
    notes_path(one.path).unlink(missing_ok=True)  # first, so that pixels without notes count as absent
    one.path.unlink(missing_ok=True)
    return one.bytes
