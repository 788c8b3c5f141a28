"""Lock files with flock, which ends with the process, and write rows to them."""

import fcntl
import os
from itertools import pairwise
from pathlib import Path

import numpy as np

from automm.data.files import is_at, write_at


def part_path(path: Path) -> Path:
    """Return the path of a file while it is written."""
    return path.with_name(f"{path.name}.part")


def try_lock(descriptor: int) -> bool:
    """Lock a file exclusively, and return whether it worked; it fails if another process holds a lock."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def unlink_if_unlocked(path: Path) -> bool:
    """Remove a file unless another process has locked it or another user owns it; return whether it is gone."""
    try:
        file = path.open("r+b")  # network file systems need it open for writing to lock it exclusively
    except FileNotFoundError:
        return True
    except PermissionError:
        return False
    with file:
        if not try_lock(file.fileno()):
            return False
        if is_at(file.fileno(), path):
            path.unlink()
        return True


def write_rows(descriptor: int, rows: np.ndarray, values: np.ndarray, start: int) -> None:
    """Write rows to a file, consecutive rows together. (A memory map would raise a bus error on a full disk.)

    Args:
        rows: (n,) int64, the row numbers.
        values: (n, features), contiguous.
        start: the byte at which row 0 begins.
    """
    length = values[0].nbytes
    runs = [0, *(np.flatnonzero(np.diff(rows) != 1) + 1).tolist(), len(rows)]
    for begin, end in pairwise(runs):
        write_at(descriptor, values[begin:end].data.cast("B"), start + int(rows[begin]) * length)


def sync_folder(folder: Path) -> None:
    """Make renamed files in a folder survive a crash of the system."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
