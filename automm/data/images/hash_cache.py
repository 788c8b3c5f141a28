"""sha256 of files, remembered between runs by what the file system says of each.

A file counts as the same while device, inode, size and both times are: git trusts no more than that.
"""

import logging
import os
import sqlite3
import stat
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from pathlib import Path

from automm.data.files import file_digest, in_order, is_path_error, portions, read_failure

# A file that was written less than this (ns) before we read it may be written again within one tick of its clock.
SETTLED = 2 * 10**9
AT_ONCE = 4096  # files between two looks into the memory

log = logging.getLogger("automm")


def digest_files(paths: Sequence[Path], memory: Path | None = None) -> tuple[dict[Path, str], dict[Path, str]]:
    """The digest of each distinct path, and the reason for each where no file is that may be read.

    Args:
        memory: an SQLite file of digests; made where it is absent. Without it every file is read.

    Raises:
        DataError: the machine has failed to read a file, such as for too many open files.
    """
    digests: dict[Path, str] = {}
    bad: dict[Path, str] = {}
    with _open(memory) as known:
        for some in portions(list(dict.fromkeys(paths)), AT_ONCE):
            now = time.time_ns()
            identities = {path: _identity(path, now) for path in some} if known else {}
            recalled = _recall(known, [identity for identity in identities.values() if identity])
            unread = [path for path in some if identities.get(path) not in recalled]
            digests |= {path: recalled[identity] for path, identity in identities.items() if identity in recalled}
            for path, outcome in chain.from_iterable(in_order(_digested, portions(unread, 16))):
                if isinstance(outcome, OSError):
                    bad[path] = f"cannot be read: {outcome.strerror or outcome}"
                else:
                    digests[path] = outcome
            fresh = [path for path in unread if path in digests and identities.get(path)]
            # What was written while we read it has another identity now.
            _remember(known, {str(identities[p]): digests[p] for p in fresh if _identity(p, now) == identities[p]})
    return digests, bad


def _digested(paths: Sequence[Path]) -> list[tuple[Path, str | OSError]]:
    return [(path, _digest(path)) for path in paths]


def _digest(path: Path) -> str | OSError:
    try:
        return file_digest(path)
    except OSError as error:
        if not is_path_error(error):
            raise read_failure(path, error) from error
        return error


def _identity(path: Path, now: int) -> str | None:
    """None of what is no file, or was written just now."""
    try:
        state = os.lstat(path)
    except (OSError, ValueError):
        return None
    if not stat.S_ISREG(state.st_mode) or now - max(state.st_mtime_ns, state.st_ctime_ns) < SETTLED:
        return None
    return f"{state.st_dev}:{state.st_ino}:{state.st_size}:{state.st_mtime_ns}:{state.st_ctime_ns}"


@contextmanager
def _open(memory: Path | None) -> Iterator[sqlite3.Connection | None]:
    """None where there is no memory, or none that can be used."""
    if memory is None:
        yield None
        return
    connection = None
    with _said():
        memory.parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(memory, timeout=30, isolation_level=None)
        connection.execute("CREATE TABLE IF NOT EXISTS digests (identity TEXT PRIMARY KEY, sha256 TEXT) WITHOUT ROWID")
    try:
        yield connection
    finally:
        if connection is not None:
            connection.close()


def _recall(known: sqlite3.Connection | None, identities: list[str]) -> dict[str | None, str]:
    if known is None:
        return {}
    query = "SELECT identity, sha256 FROM digests WHERE identity IN ({})"
    recalled: dict[str | None, str] = {}
    with _said():
        for some in portions(identities, 500):
            recalled |= known.execute(query.format(",".join("?" * len(some))), some)
    return recalled


def _remember(known: sqlite3.Connection | None, found: dict[str, str]) -> None:
    if known is not None and found:
        with _said():
            known.execute("BEGIN IMMEDIATE")
            known.executemany("INSERT OR REPLACE INTO digests VALUES (?, ?)", found.items())
            known.execute("COMMIT")


@contextmanager
def _said() -> Iterator[None]:
    """What SQLite cannot do, as a warning: files are read then, as if nothing were known of them."""
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        log.warning("pictures are read to know them again, because what is known of them cannot be used: %s", error)
