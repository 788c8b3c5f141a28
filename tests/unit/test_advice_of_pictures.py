"""What a message about pictures says to do, done to the very input that caused it, leads on."""

import errno
import tempfile

import pyarrow as pa
import pytest
from advice import advises, hear
from commands import run
from data_sets import DROP, PHOTOS, PICTURES, PIXEL, URL, Way, each, picture, read, rows, write
from pyarrow import parquet

from automm.data.download.client import Downloader
from automm.data.download.job import fetch_pictures
from automm.data.download.urls import local_name
from automm.data.images.embedded import EmbeddedFiles
from automm.data.images.of_record import served_pictures
from automm.errors import AutommError
from automm.paths import cache_dir

BASE64 = Way(each(photo=lambda n: PIXEL), fields={"images": "photo", "image_kind": "base64"})


@advises(
    "Free disk space, or set AUTOMM_CACHE_DIR to another disk",
    "Make the folder writable, or set AUTOMM_CACHE_DIR to another folder",
)
def test_a_cache_that_cannot_be_written(tmp_path, monkeypatch):
    make = tempfile.mkstemp
    for sentence, number in (
        ("Free disk space, or set AUTOMM_CACHE_DIR to another disk", errno.ENOSPC),
        ("Make the folder writable, or set AUTOMM_CACHE_DIR to another folder", errno.EACCES),
    ):
        path, full = write(tmp_path, BASE64), tmp_path / f"full-{number}"

        def refuse(*words, full=full, number=number, **named):
            if str(named.get("dir")).startswith(str(full)):
                raise OSError(number, "refused")
            return make(*words, **named)

        monkeypatch.setenv("AUTOMM_CACHE_DIR", str(full))
        with monkeypatch.context() as patch:
            patch.setattr(tempfile, "mkstemp", refuse)
            hear(read(path), sentence)
            patch.setenv("AUTOMM_CACHE_DIR", str(tmp_path / f"other-{number}"))
            assert read(path) == ""
        assert read(path) == ""


@advises("Write a list of paths", "Correct it, or leave it out")
def test_the_pictures_of_a_served_model(tmp_path):
    files = EmbeddedFiles(cache_dir(), 2**20)
    picture(tmp_path / "p1.png")
    for sentence, wrong in (
        ("Write a list of paths", 7),
        ("Correct it, or leave it out", [b"cat", str(tmp_path / "p1.png")]),
    ):
        with pytest.raises(ValueError, match="column 'images'") as caught:
            served_pictures(wrong, files)
        hear(str(caught.value), sentence)
    assert served_pictures([str(tmp_path / "p1.png")], files) == (tmp_path / "p1.png",)
    assert len(served_pictures([(tmp_path / "p1.png").read_bytes(), str(tmp_path / "p1.png")], files)) == 2


@advises("automm fetch-images {}", "picture dropped: its URL was not fetched (run automm fetch-images)")
def test_pictures_that_are_not_fetched(tmp_path, monkeypatch):
    path = write(tmp_path, Way(rows(photo=URL), fields=PHOTOS, files=PICTURES))
    hear(read(path), "automm fetch-images {}")
    path = write(tmp_path, Way(rows(photo=URL), fields=PHOTOS, files=PICTURES), DROP)
    hear(run("check", path)[1], "picture dropped: its URL was not fetched (run automm fetch-images)")

    def fetch(self, url, file):
        picture(file)
        return file.stat().st_size

    monkeypatch.setattr(Downloader, "fetch", fetch)
    assert run("fetch-images", path)[0] == 0
    assert "not fetched" not in run("check", path)[1]
    assert read(write(tmp_path, Way(rows(photo=URL), fields=PHOTOS, more={"images": None}))) == ""


@advises("Remove the link", "Remove the file or folder in the way", "Set image_root to a folder that you may write to")
def test_a_place_where_pictures_cannot_be_fetched_to(tmp_path, monkeypatch):
    def fetch(self, url, file):
        picture(file)
        return file.stat().st_size

    def told(path):
        try:
            return "".join(one.reason for one in fetch_pictures(path).missing)
        except AutommError as error:
            return str(error)

    before = Way(rows(photo=URL), fields=PHOTOS, files=PICTURES)
    (tmp_path / "d").mkdir()
    path = write(tmp_path / "d", before)
    (tmp_path / "d/fetched").symlink_to(tmp_path / "away")
    (tmp_path / "away").mkdir()
    hear(told(path), "Remove the link")
    (tmp_path / "d/fetched").unlink()
    (tmp_path / "d" / local_name(URL)).mkdir(parents=True)
    with monkeypatch.context() as patch:
        patch.setattr(Downloader, "fetch", fetch)
        hear(told(path), "Remove the file or folder in the way")
        (tmp_path / "d" / local_name(URL)).rmdir()
        assert told(path) == ""
        (tmp_path / "file").write_text("")
        path = write(tmp_path / "d", before, Way(more={"image_root": "../file"}))
        hear(told(path), "Set image_root to a folder that you may write to")
        assert told(write(tmp_path / "d", before, Way(more={"image_root": "."}))) == ""


@advises("(Parquet: automm import embedded FILE --to DIR)")
def test_pictures_in_cells_of_parquet(tmp_path):
    for name in PICTURES:
        picture(tmp_path / name)
    lines = [row | {"photo": (tmp_path / row["photo"]).read_bytes()} for row in rows()]
    parquet.write_table(pa.Table.from_pylist(lines), tmp_path / "r.parquet")
    raw = (tmp_path / "r.parquet").read_bytes()
    said = read(write(tmp_path, Way(raw=raw, name="r.parquet", fields=PHOTOS)))
    hear(said, "(Parquet: automm import embedded FILE --to DIR)")
    assert run("import", "embedded", tmp_path / "r.parquet", "--to", tmp_path / "o")[0] == 0
    assert run("check", tmp_path / "o/manifest.yaml")[0] == 0


@advises("in the format HEIC, which is not read: convert it to JPEG or PNG")
def test_a_picture_of_a_phone(tmp_path):
    path = write(tmp_path, Way(rows(photo="phone.jpg"), fields=PHOTOS, files=PICTURES))
    (tmp_path / "phone.jpg").write_bytes(b"\0\0\0\x18ftypheic" + bytes(99))
    hear(read(path), "in the format HEIC, which is not read: convert it to JPEG or PNG")
    picture(tmp_path / "phone.jpg")
    assert read(path) == ""
