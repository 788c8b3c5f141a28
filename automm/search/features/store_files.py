"""Files that are held by locks, which die with their process, and written without surprises."""

import fcntl
import os
from itertools import pairwise
from pathlib import Path

import numpy as np

from automm.data.files import is_at, write_at


def part_path(path: Path) -> Path:
    return path.with_name(f"{path.name}.part")


def hold(descriptor: int) -> bool:
    """Lock a file for us alone, if nobody holds it."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def unlink_unheld(path: Path) -> bool:
    """Remove a file unless somebody holds it, or it is not ours to remove; whether it is gone."""
    try:
        file = path.open("r+b")  # network file systems lock for writing only what is open for writing
    except FileNotFoundError:
        return True
    except PermissionError:
        return False
    with file:
        if not hold(file.fileno()):
            return False
        if is_at(file.fileno(), path):
            path.unlink()
        return True


def put_rows(descriptor: int, rows: np.ndarray, values: np.ndarray, start: int) -> None:
    """Write rows at their places, neighbours at once: not through a map, which on a full disk would be a bus error.

    Args:
        rows: (n,) int64, the place of each.
        values: (n, features), contiguous.
        start: the byte at which row 0 begins.
    """
    length = values[0].nbytes
    runs = [0, *(np.flatnonzero(np.diff(rows) != 1) + 1).tolist(), len(rows)]
    for begin, end in pairwise(runs):
        write_at(descriptor, values[begin:end].data.cast("B"), start + int(rows[begin]) * length)


def sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
