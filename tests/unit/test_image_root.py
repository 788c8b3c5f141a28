import errno
import os
import socket
from pathlib import Path

import pytest

from automm.data.images import root as image_root
from automm.data.images.root import AbsentError, ImageRoot, OutsideError
from automm.errors import DataError


@pytest.fixture
def root(tmp_path):
    folder = tmp_path / "images"
    (folder / "inner").mkdir(parents=True)
    for place in (folder / "a.png", folder / "inner" / "b.png", tmp_path / "secret.png"):
        place.write_bytes(b"x")
    return ImageRoot(folder)


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("a.png", "a.png"),
        ("./a.png", "a.png"),
        ("inner/b.png", "inner/b.png"),
        ("inner/../a.png", "a.png"),
        ("inner//b.png", "inner/b.png"),
        (r"inner\b.png", "inner/b.png"),
        (r".\inner/b.png", "inner/b.png"),
        ("../images/a.png", "a.png"),  # leads out and in again: what counts is where it ends
    ],
)
def test_a_name_is_found_below_the_root(root, name, place):
    assert root.find(name) == root.path / place


@pytest.mark.parametrize(
    "name",
    [
        r"..\secret.png",
        r"inner\..\..\secret.png",
        "../secret.png",
        "..",
        "inner/../../secret.png",
        "/etc/hostname",
        "../absent.png",
        "/",
        "../images/..",
    ],
)
def test_names_that_lead_out_are_refused(root, name):
    with pytest.raises(OutsideError):
        root.find(name)


def test_absolute_names_are_refused_even_below_the_root(root):
    with pytest.raises(OutsideError):
        root.find(str(root.path / "a.png"))


def test_links_count_by_their_target(root, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "c.png").write_bytes(b"x")
    (root.path / "out.png").symlink_to(tmp_path / "secret.png")
    (root.path / "folder").symlink_to(outside)
    (root.path / "in.png").symlink_to("inner/b.png")
    (root.path / "twice.png").symlink_to("out.png")
    for name in ("out.png", "folder/c.png", "folder/absent.png", "twice.png", "folder"):
        with pytest.raises(OutsideError):
            root.find(name)
    assert root.find("in.png") == root.path / "inner" / "b.png"


def test_what_is_no_file_has_a_reason(root):
    (root.path / "loop.png").symlink_to("loop.png")
    (root.path / "dangling.png").symlink_to("absent")
    os.mkfifo(root.path / "pipe.png")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(root.path / "s"))
    reasons = {
        "absent.png": "not found",
        "a.png/b.png": "not found",
        "loop.png": "not found",
        "dangling.png": "not found",
        "inner": "a folder, not a file",
        ".": "a folder, not a file",
        "inner/..": "a folder, not a file",
        "pipe.png": "a pipe, socket or device, not a file",
        "s": "a pipe, socket or device, not a file",
        "a\0.png": "not a possible name",
        "\ud800.png": "not a possible name",
        "x" * 300: "cannot be found",
    }
    for name, reason in reasons.items():
        with pytest.raises(AbsentError, match=reason):
            root.find(name)


def test_a_folder_is_resolved_once(root, monkeypatch):
    resolved = []
    real = os.path.realpath
    monkeypatch.setattr(image_root.os.path, "realpath", lambda path: (resolved.append(path), real(path))[1])
    for _ in range(3):
        root.find("inner/b.png")
    assert [Path(path).name for path in resolved] == ["inner"]


def test_a_root_that_is_a_link_or_absent(root, tmp_path):
    (tmp_path / "link").symlink_to(root.path)
    assert ImageRoot(tmp_path / "link").find("a.png") == root.path / "a.png"
    with pytest.raises(AbsentError, match="not found"):
        ImageRoot(tmp_path / "absent").find("a.png")


def test_backslashes_lead_to_no_other_disk_or_root(root):
    with pytest.raises(AbsentError):
        root.find(r"\etc\hostname")


def test_a_backslash_that_is_part_of_a_name_is_kept(root):
    (root.path / r"inner\b.png").write_bytes(b"another")
    assert root.find(r"inner\b.png").read_bytes() == b"another"


def test_a_failing_disk_is_not_a_missing_picture(root, monkeypatch):
    def failing(path):
        raise OSError(errno.EIO, "Input/output error", str(path))

    monkeypatch.setattr(os, "lstat", failing)
    with pytest.raises(DataError, match=r"a\.png could not be read: Input/output error\. Check the disk"):
        root.find("a.png")
