"""Files that are held by locks, which die with their process, and written without surprises."""

import fcntl
import os
from pathlib import Path

import numpy as np

from automm.data.files import is_at, put


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
    """Write rows, contiguous, at their places: not through a map, which on a full disk would be a bus error."""
    length = values[0].nbytes
    if len(rows) == 1 or (np.diff(rows) == 1).all():
        put(descriptor, values.data.cast("B"), start + int(rows[0]) * length)
        return
    for row, value in zip(rows, values, strict=True):
        put(descriptor, value.data.cast("B"), start + int(row) * length)


def sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
