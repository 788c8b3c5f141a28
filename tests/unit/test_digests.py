import hashlib
import logging
import os
import time

import pytest

from automm.data.images import hash_cache as digests
from automm.data.images.hash_cache import digest_files


@pytest.fixture
def files(tmp_path, monkeypatch):
    """Three files, settled for long as far as this process can tell."""
    for name in "abc":
        (tmp_path / name).write_bytes(name.encode())
    later = time.time_ns() + 10 * digests.SETTLED
    monkeypatch.setattr(digests.time, "time_ns", lambda: later)
    return [tmp_path / name for name in "abc"]


@pytest.fixture
def read(monkeypatch):
    """The files that were read to know them."""
    found, real = [], digests.file_digest
    monkeypatch.setattr(digests, "file_digest", lambda path: (found.append(path.name), real(path))[1])
    return found


def sums(files):
    return {path: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_a_file_is_read_once_as_long_as_it_stays_the_same(files, read, tmp_path):
    cache = tmp_path / "cache" / "digests.sqlite"
    first = digest_files([*files, files[0]], cache)
    assert first == (sums(files), {})
    assert sorted(read) == ["a", "b", "c"]
    assert digest_files(files, cache) == first
    assert len(read) == 3
    files[1].write_bytes(b"other")
    assert digest_files(files, cache) == (sums(files), {})
    assert read[3:] == ["b"]


def test_another_file_of_the_same_size_and_time_is_another(files, read, tmp_path):
    """As rsync and tar leave it: what tells it from the first is its inode and its time of change."""
    cache = tmp_path / "digests.sqlite"
    digest_files(files, cache)
    state = files[0].stat()
    (tmp_path / "new").write_bytes(b"X")
    os.utime(tmp_path / "new", ns=(state.st_atime_ns, state.st_mtime_ns))
    (tmp_path / "new").replace(files[0])
    assert digest_files(files, cache)[0] == sums(files)
    assert read[3:] == ["a"]


def test_files_written_just_now_are_not_cached(files, read, tmp_path, monkeypatch):
    monkeypatch.setattr(digests, "SETTLED", 10**15)
    for _ in range(2):
        assert digest_files(files, tmp_path / "digests.sqlite")[0] == sums(files)
    assert len(read) == 6


def test_files_that_change_while_they_are_read_are_not_cached(files, tmp_path, monkeypatch):
    cache = tmp_path / "digests.sqlite"
    real = digests.file_digest

    def slow(path):
        digest = real(path)
        path.write_bytes(b"changed " + path.read_bytes())
        return digest

    monkeypatch.setattr(digests, "file_digest", slow)
    digest_files(files, cache)
    monkeypatch.setattr(digests, "file_digest", real)
    assert digest_files(files, cache)[0] == sums(files)


def test_why_a_file_cannot_be_read(files, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("a")
    odd = [tmp_path / name for name in ("absent", "pipe", "link", ".")]
    found, bad = digest_files([files[0], *odd], tmp_path / "digests.sqlite")
    assert found == sums(files[:1])
    assert list(bad) == odd
    assert bad[tmp_path / "pipe"] == "cannot be read: a pipe or device, not a file"


@pytest.mark.parametrize("harm", ["no database", "a folder", "another table"])
def test_a_cache_that_cannot_be_used_is_reported_and_files_are_read(files, tmp_path, caplog, harm):
    cache = tmp_path / "digests.sqlite"
    if harm == "no database":
        cache.write_bytes(b"x" * 5000)
    elif harm == "a folder":
        cache.mkdir()
    else:
        import sqlite3

        with sqlite3.connect(cache) as connection:
            connection.execute("CREATE TABLE digests (other TEXT)")
        connection.close()
    with caplog.at_level(logging.WARNING):
        assert digest_files(files, cache) == (sums(files), {})
    assert "hash cache of pictures unavailable" in caplog.text
