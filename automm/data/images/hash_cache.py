"""Hash files, and cache the hashes between runs.

A file counts as unchanged if device, inode, size and both times are unchanged. git relies on the same.
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

# A file that was written less than this (ns) ago may change again without a visible change of its time.
SETTLED = 2 * 10**9
AT_ONCE = 4096  # files per query of the cache

log = logging.getLogger("automm")


def digest_files(paths: Sequence[Path], cache: Path | None = None) -> tuple[dict[Path, str], dict[Path, str]]:
    """Return the sha256 of each distinct file, and the reason for each path that cannot be read.

    Args:
        cache: an SQLite file of digests, created if absent. Without it every file is read.

    Raises:
        DataError: the machine failed to read a file, for example because of too many open files.
    """
    digests: dict[Path, str] = {}
    bad: dict[Path, str] = {}
    with _open(cache) as connection:
        for some in portions(list(dict.fromkeys(paths)), AT_ONCE):
            now = time.time_ns()
            identities = {path: _identity(path, now) for path in some} if connection else {}
            cached = _lookup(connection, [identity for identity in identities.values() if identity])
            unread = [path for path in some if identities.get(path) not in cached]
            digests |= {path: cached[identity] for path, identity in identities.items() if identity in cached}
            for path, outcome in chain.from_iterable(in_order(_digested, portions(unread, 16))):
                if isinstance(outcome, OSError):
                    bad[path] = f"cannot be read: {outcome.strerror or outcome}"
                else:
                    digests[path] = outcome
            fresh = [path for path in unread if path in digests and identities.get(path)]
            # A file that was written while it was read has another identity now.
            _store(connection, {str(identities[p]): digests[p] for p in fresh if _identity(p, now) == identities[p]})
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
    """Return what identifies the state of a file; None if it is no regular file, or was written just now."""
    try:
        state = os.lstat(path)
    except (OSError, ValueError):
        return None
    if not stat.S_ISREG(state.st_mode) or now - max(state.st_mtime_ns, state.st_ctime_ns) < SETTLED:
        return None
    return f"{state.st_dev}:{state.st_ino}:{state.st_size}:{state.st_mtime_ns}:{state.st_ctime_ns}"


@contextmanager
def _open(cache: Path | None) -> Iterator[sqlite3.Connection | None]:
    """Open the cache; None without a cache, or if it cannot be used."""
    if cache is None:
        yield None
        return
    connection = None
    with _warned():
        cache.parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(cache, timeout=30, isolation_level=None)
        connection.execute("CREATE TABLE IF NOT EXISTS digests (identity TEXT PRIMARY KEY, sha256 TEXT) WITHOUT ROWID")
    try:
        yield connection
    finally:
        if connection is not None:
            connection.close()


def _lookup(connection: sqlite3.Connection | None, identities: list[str]) -> dict[str | None, str]:
    """Return the cached digests by identity."""
    if connection is None:
        return {}
    query = "SELECT identity, sha256 FROM digests WHERE identity IN ({})"
    cached: dict[str | None, str] = {}
    with _warned():
        for some in portions(identities, 500):
            cached |= connection.execute(query.format(",".join("?" * len(some))), some)
    return cached


def _store(connection: sqlite3.Connection | None, digests: dict[str, str]) -> None:
    """Write digests, by identity, to the cache."""
    if connection is not None and digests:
        with _warned():
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany("INSERT OR REPLACE INTO digests VALUES (?, ?)", digests.items())
            connection.execute("COMMIT")


@contextmanager
def _warned() -> Iterator[None]:
    """Turn a failure of SQLite into a warning; the files are then read again."""
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        log.warning("hash cache of pictures unavailable (%s); all pictures are read and hashed again", error)
