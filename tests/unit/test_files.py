import os
import socket

import pytest

from automm.data import files
from automm.data.files import NotAFileError, file_digest, in_order, open_file, portions, read_file, write_at


def test_the_digest_depends_on_the_bytes(tmp_path):
    (tmp_path / "a").write_bytes(b"abc")
    assert file_digest(tmp_path / "a").startswith("ba7816bf")


def test_only_regular_files_are_opened_without_blocking(tmp_path):
    (tmp_path / "a").write_bytes(b"abc")
    (tmp_path / "link").symlink_to("a")
    os.mkfifo(tmp_path / "pipe")  # opening a pipe would block for ever
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "socket"))
        kinds = {
            ".": "a folder",
            "link": "a symbolic link",
            "pipe": "a pipe",
            "socket": "a socket",
            "/dev/zero": "device",
        }
        for name, reason in kinds.items():
            with pytest.raises(NotAFileError, match=reason):
                open_file(tmp_path / name)
    with pytest.raises(FileNotFoundError):
        open_file(tmp_path / "absent")
    with open_file(tmp_path / "a") as file:
        assert file.read() == b"abc"


def test_results_come_in_order_and_errors_reach_the_caller():
    assert list(in_order(lambda n: n * n, range(100), workers=3)) == [n * n for n in range(100)]
    with pytest.raises(ZeroDivisionError):
        list(in_order(lambda n: 1 // n, range(5)))


def test_portions_contain_every_item_once():
    assert [list(part) for part in portions(range(5), 2)] == [[0, 1], [2, 3], [4]]
    assert portions([], 2) == []


def test_put_continues_after_a_short_write(tmp_path, monkeypatch):
    real = os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda descriptor, content, offset: real(descriptor, content[:2], offset))
    descriptor = os.open(tmp_path / "a", os.O_RDWR | os.O_CREAT)
    write_at(descriptor, b"12345", 1)
    os.close(descriptor)
    assert (tmp_path / "a").read_bytes() == b"\x0012345"


def test_a_small_file_is_read_at_once_and_a_large_one_opened(tmp_path):
    (tmp_path / "a").write_bytes(b"abc")
    assert read_file(tmp_path / "a") == b"abc"
    assert read_file(tmp_path / "a", 3) == b"abc"
    file = read_file(tmp_path / "a", 2)
    assert not isinstance(file, bytes)
    with file:
        assert file.read() == b"abc"
    (tmp_path / "empty").touch()
    assert read_file(tmp_path / "empty") == b""


@pytest.mark.parametrize("told", [1, 5])
def test_a_file_that_grows_or_shrinks_while_it_is_read_is_read_to_its_end(tmp_path, monkeypatch, told):
    (tmp_path / "a").write_bytes(b"abc")
    opened = files._opened
    monkeypatch.setattr(files, "_opened", lambda path: (opened(path)[0], told))
    assert read_file(tmp_path / "a") == b"abc"
