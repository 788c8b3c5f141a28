"""What messages about the cache of features say to do, done, leads to the features."""

import errno
import gc
import os
import shutil

import numpy as np
import pytest
from advice import advises, hear
from commands import run

from automm.data.inputs.items import item_digests
from automm.errors import CacheError
from automm.paths import cache_dir, cache_limit
from automm.search.features import onnx_models
from automm.search.features.onnx_models import OnnxModels
from automm.search.features.store import FeatureStore
from automm.search.features.store_format import About, Items
from automm.tracking.run_folder import write_atomically

FEATURES = 3


class Zeros:
    """An encoding of items that lists them in `encoded`."""

    def __init__(self, family, rows, encoded):
        self.features, self.family, self.rows, self.encoded = {family: FEATURES}, family, rows, encoded

    def batches(self):
        self.encoded.extend(self.rows)
        yield {self.family: (np.asarray(self.rows), np.zeros((len(self.rows), FEATURES), np.float32))}


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("AUTOMM_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("AUTOMM_CACHE_LIMIT", "1GB")
    return tmp_path / "cache"


def get(count, family="f" * 32):
    """Return the features of some items as a search gets them, and which were encoded."""
    store, encoded = FeatureStore(cache_dir() / "features", cache_limit()), []
    items = Items(item_digests(str(number).encode() for number in range(count)), np.ones(count, np.int32))
    about = About("texts", "tiny", "numpy", count, items=count)
    found = store.get({family: about}, items, lambda missing, unseen: Zeros(family, unseen, encoded))
    return found[family], [int(row) for row in encoded]


@pytest.mark.parametrize("way", ["freed", "cleared", "another disk"])
@advises("Free disk space, for example with 'automm cache --clear', or set AUTOMM_CACHE_DIR to another disk")
def test_a_full_disk(tmp_path, monkeypatch, cache, way):
    """It is so full that one entry must go, which another process uses; or so full that nothing helps."""
    held, _ = get(40, "a" * 32)
    usage, is_freed = shutil.disk_usage(tmp_path), []

    def left(folder):
        on_disk = str(folder).startswith(str(cache)) and not is_freed
        is_full = on_disk and bool(list(cache.rglob("*.npy")))
        return usage._replace(free=10 if is_full else usage.free)

    monkeypatch.setattr(shutil, "disk_usage", left)
    with pytest.raises(CacheError) as caught:
        get(7)
    hear(
        str(caught.value),
        "Free disk space, for example with 'automm cache --clear', or set AUTOMM_CACHE_DIR to another disk",
    )
    if way == "freed":
        is_freed.append(True)
    elif way == "cleared":
        del held  # its search has ended
        gc.collect()
        assert run("cache", "--clear")[0] == 0
    else:
        monkeypatch.setenv("AUTOMM_CACHE_DIR", str(tmp_path / "other"))
    assert len(get(7)[0]) == 7


@pytest.mark.parametrize("way", ["writable", "another folder"])
@advises("Make it writable, or set AUTOMM_CACHE_DIR to another folder")
def test_a_folder_that_cannot_be_written(tmp_path, monkeypatch, cache, way):
    real = os.open

    def denied(path, *more, **options):
        if str(path).startswith(str(cache)):
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return real(path, *more, **options)

    with monkeypatch.context() as patch:
        patch.setattr(os, "open", denied)  # a test may run as root, whom no mode stops
        with pytest.raises(CacheError) as caught:
            get(7)
        hear(str(caught.value), "Make it writable, or set AUTOMM_CACHE_DIR to another folder")
        if way == "another folder":
            patch.setenv("AUTOMM_CACHE_DIR", str(tmp_path / "other"))
            assert len(get(7)[0]) == 7
    assert len(get(7)[0]) == 7


@advises("Raise AUTOMM_CACHE_LIMIT")
def test_entries_in_use_above_the_limit(monkeypatch, caplog):
    held = [get(count, name * 32)[0] for count, name in ((7, "a"), (8, "b"))]
    monkeypatch.setenv("AUTOMM_CACHE_LIMIT", "400B")
    held.append(get(9, "c" * 32)[0])
    hear(caplog.text, "Raise AUTOMM_CACHE_LIMIT")
    caplog.clear()
    monkeypatch.setenv("AUTOMM_CACHE_LIMIT", "5GB")
    held.append(get(10, "d" * 32)[0])
    assert not caplog.text


@advises("Free disk space")
def test_a_disk_without_room_for_copies(tmp_path, monkeypatch, cache, caplog):
    assert get(7)[1] == list(range(7))
    gc.collect()
    older, usage = next(cache.rglob("*.npy")), shutil.disk_usage(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=100 if older.exists() else 10_000))
        assert get(8)[1] == list(range(8)), "all are encoded again"
        hear(caplog.text, "Free disk space")
    caplog.clear()
    gc.collect()
    assert get(9)[1] == [8]
    assert not caplog.text


@pytest.mark.parametrize(("way", "code"), [("writable", "EACCES"), ("freed", "ENOSPC"), ("another folder", "EACCES")])
@advises("Make the folder writable and free disk space, or set AUTOMM_CACHE_DIR to another folder")
def test_a_folder_of_converted_encoders_that_cannot_be_written(tmp_path, monkeypatch, cache, way, code):
    def failing(path, content):
        if path.is_relative_to(cache):
            raise OSError(getattr(errno, code), os.strerror(getattr(errno, code)), str(path))
        write_atomically(path, content)

    def keep():
        models = OnnxModels(cache_dir() / "onnx")
        models.keep_difference("f" * 32, 0.25)
        return models.difference("f" * 32)

    with monkeypatch.context() as patch:
        patch.setattr(onnx_models, "write_atomically", failing)
        with pytest.raises(CacheError, match=os.strerror(getattr(errno, code))) as caught:
            keep()
        hear(
            str(caught.value),
            "Make the folder writable and free disk space, or set AUTOMM_CACHE_DIR to another folder",
        )
        if way == "another folder":
            patch.setenv("AUTOMM_CACHE_DIR", str(tmp_path / "other"))
            assert keep() == 0.25
    assert keep() == 0.25
