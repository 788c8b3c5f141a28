"""The feature store survives crashes, two writers, damage, a full disk and eviction. Processes are real."""

import errno
import gc
import json
import logging
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from automm.data import checksums
from automm.data.inputs.items import item_digests
from automm.errors import CacheError, ConfigError
from automm.paths import cache_limit
from automm.search.features import store as module
from automm.search.features import store_folder, store_format
from automm.search.features.store import FeatureStore
from automm.search.features.store_format import About, Items

ROWS, FEATURES = 7, 5
SIZE = 128 + ROWS * (FEATURES * 4 + 16)
KEY = "k" * 32  # of a family


class Numbers:
    """Row r is r, r + 1, ...; in batches of two, in a shuffled order."""

    features = FEATURES

    def __init__(self, rows=ROWS):
        self.values = values(rows)

    def batches(self):
        order = np.random.default_rng(0).permutation(len(self.values))
        for start in range(0, len(order), 2):
            rows = order[start : start + 2]
            yield rows, self.values[rows]


def values(rows=ROWS):
    return (np.arange(rows, dtype=np.float32)[:, None] + np.arange(FEATURES)).astype(np.float32)


def about(rows=ROWS):
    return About("texts", "tiny", "numpy", rows, items=rows)


def items(numbers):
    """One item per number, with one row each."""
    return Items(item_digests(str(number).encode() for number in numbers), np.ones(len(numbers), np.int32))


def refuse():
    raise AssertionError("computed again")


class Alone:
    """An encoding of one entry, under its key."""

    def __init__(self, key, inner):
        self._key, self._inner, self.features = key, inner, {key: inner.features}

    def batches(self):
        for batch in self._inner.batches():
            yield {self._key: batch}


def get(store, key, about, open_encoding):
    """One entry of a family; its first rows are items 0, 1, ..."""
    return store.get({key: about}, items(range(about.rows)), lambda missing, unseen: Alone(key, open_encoding()))[key]


@pytest.fixture
def store(tmp_path):
    return FeatureStore(tmp_path / "features", 10**9)


def names(store):
    """The content of the files without their lists of items."""
    return sorted(path.name.partition("-")[2] for path in store.folder.iterdir())


def at(store, name, rows=ROWS):
    """The path of a file of the entry of a family with this number of rows."""
    family, dot, suffix = name.partition(".")
    return store.folder / f"{module._key(family, items(range(rows)))}{dot}{suffix}"


def families(store):
    return [entry["key"].partition("-")[2] for entry in store.entries()]


def test_a_stored_entry_equals_the_computation(store):
    first = get(store, KEY, about(), Numbers)
    again = get(store, KEY, about(), refuse)
    for array in (first, again):
        assert isinstance(array, np.memmap)
        assert not array.flags.writeable
        np.testing.assert_array_equal(array, values())
    assert names(store) == [f"{KEY}.json", f"{KEY}.npy"]
    np.testing.assert_array_equal(np.load(at(store, f"{KEY}.npy")), values())  # anybody can read it


@pytest.mark.parametrize("rows", [1, 2, 3000])
def test_any_number_of_rows(store, rows):
    np.testing.assert_array_equal(get(store, KEY, about(rows), lambda: Numbers(rows)), values(rows))


# ---- several entries of one pass


class Several:
    """Row r is r, r + 1, ... in every entry; families that start with 'long' have two rows per item."""

    def __init__(self, families, unseen):
        self.features, self.unseen = dict.fromkeys(families, FEATURES), unseen

    def batches(self):
        for place in self.unseen:
            yield {family: self.placed(family, place) for family in self.features}

    @staticmethod
    def placed(family, place):
        rows = np.array([2 * place, 2 * place + 1]) if family.startswith("long") else np.array([place])
        return rows, values(2 * ROWS)[rows]


PAIRS = Items(items(range(ROWS)).digests, np.full(ROWS, 2, np.int32))
LONG = About("texts", "tiny", "numpy", 2 * ROWS, items=ROWS, ragged=True)


def test_one_pass_fills_what_is_missing(store):
    asked = []

    def open_encoding(families, unseen):
        asked.append((sorted(families), unseen.tolist()))
        return Several(families, unseen)

    every = [*range(ROWS)]
    wanted = {"b": about(), "a": about(), "long": LONG}
    first = store.get({"a": about()}, PAIRS, open_encoding)
    found = store.get(wanted, PAIRS, open_encoding)
    assert asked == [(["a"], every), (["b", "long"], every)]
    assert list(found) == list(wanted)
    for family, array in found.items():
        np.testing.assert_array_equal(array, values(wanted[family].rows))
    np.testing.assert_array_equal(first["a"], found["a"])
    store.get(wanted, PAIRS, lambda families, unseen: refuse())
    at(store, "a.json").unlink()
    store.get(wanted, PAIRS, open_encoding)
    assert asked[2:] == [(["a"], every)]
    assert not any(name.endswith(".part") for name in names(store))


def test_half_precision(store):
    half = About("texts", "tiny", "numpy", ROWS, dtype="<f2", items=ROWS)
    assert get(store, KEY, half, Numbers).dtype == np.float16
    again = get(store, KEY, half, refuse)
    np.testing.assert_array_equal(again, values().astype(np.float16))
    assert again.nbytes == ROWS * FEATURES * 2
    del again
    assert get(store, KEY, about(), Numbers).dtype == np.float32  # another precision is no hit


def test_a_crash_while_writing_several_entries_leaves_none(store):
    class Broken(Several):
        def batches(self):
            yield next(iter(super().batches()))
            raise RuntimeError("out of memory")

    with pytest.raises(RuntimeError, match="out of memory"):
        store.get({"a": about(), "b": about()}, PAIRS, Broken)
    assert names(store) == []


# ---- damage


def flip(place):
    def damage(path):
        content = bytearray(path.read_bytes())
        content[place] ^= 1
        path.write_bytes(content)

    return damage


DAMAGE = {
    "truncated": ("npy", lambda path: os.truncate(path, SIZE - 40)),
    "lengthened": ("npy", lambda path: os.truncate(path, SIZE + 40)),
    "header cut": ("npy", lambda path: os.truncate(path, 50)),
    "empty": ("npy", lambda path: os.truncate(path, 0)),
    "flipped in the header": ("npy", flip(20)),
    "flipped in the first value": ("npy", flip(128)),
    "flipped in the last value": ("npy", flip(-1 - 16 * ROWS)),
    "flipped in what names its items": ("npy", flip(-1)),
    "no notes": ("json", Path.unlink),
    "notes cut": ("json", lambda path: os.truncate(path, 30)),
    "other notes": ("json", lambda path: path.write_text("[1]")),
}


@pytest.mark.parametrize("harm", DAMAGE)
def test_a_damaged_entry_is_logged_and_computed_again(store, harm, caplog):
    get(store, KEY, about(), Numbers)
    suffix, damage = DAMAGE[harm]
    damage(at(store, f"{KEY}.{suffix}"))
    opened = []
    np.testing.assert_array_equal(get(store, KEY, about(), lambda: opened.append(1) or Numbers()), values())
    assert opened == [1]
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert f"{KEY}.npy is unusable" in caplog.text
    get(store, KEY, about(), refuse)


def test_an_entry_with_another_number_of_rows_is_not_used(store):
    get(store, KEY, about(), Numbers)
    assert len(get(store, KEY, about(3), lambda: Numbers(3))) == 3


def test_a_mapped_array_survives_a_rewrite_of_its_damaged_file(store):
    before = get(store, KEY, about(), Numbers)
    at(store, f"{KEY}.json").unlink()
    after = get(store, KEY, about(), Numbers)
    np.testing.assert_array_equal(before, after)


def test_a_long_file_is_sampled_unless_it_was_written_to(store, monkeypatch):
    """A flipped byte counts in any portion as soon as the time of the file has changed."""
    for place in (store_folder, store_format):
        monkeypatch.setattr(place, "PORTION", 64)
    monkeypatch.setattr(checksums, "CHECKED_WHOLE", 100)
    monkeypatch.setattr(checksums, "SAMPLED", 64)
    get(store, KEY, about(300), lambda: Numbers(300))
    read = []
    real = checksums.portion_sum
    monkeypatch.setattr(checksums, "portion_sum", lambda *of: read.append(of) or real(*of))
    get(store, KEY, about(300), refuse)
    assert len(read) == 1
    path = at(store, f"{KEY}.npy", 300)
    written = path.stat().st_mtime_ns
    flip(-1)(path)
    os.utime(path, ns=(written + 1, written + 1))
    assert get(store, KEY, about(300), lambda: Numbers(300))[-1, -1] == 303


# ---- crashes and processes

HEADER = f"""
import os, signal, sys
from pathlib import Path
sys.path.insert(0, {str(Path(__file__).parent)!r})
from test_store import KEY, SIZE, Numbers, about, get, values
from automm.errors import CacheError
from automm.search.features.store import FeatureStore
store = FeatureStore(Path(sys.argv[1]), 10**9)
"""

WRITER = """
class Waiting(Numbers):
    def batches(self):
        for number, batch in enumerate(super().batches()):
            yield batch
            if number == 1:
                print("half", flush=True)
                sys.stdin.readline()
found = get(store, KEY, about(), Waiting)  # in use until the process ends
print("whole", flush=True)
sys.stdin.readline()
"""


def start(store, code):
    return subprocess.Popen(
        [sys.executable, "-c", HEADER + code, str(store.folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.fixture
def writer(store):
    """A process that has written half of an entry, and continues when it reads a line."""
    process = start(store, WRITER)
    assert process.stdout.readline() == "half\n", process.stderr.read()
    yield process
    process.kill()
    process.communicate()


def test_a_killed_writer_leaves_no_entry(store, writer):
    assert names(store) == [f"{KEY}.npy.part"]
    writer.send_signal(signal.SIGKILL)
    writer.wait()
    assert store.entries() == []
    np.testing.assert_array_equal(get(store, KEY, about(), Numbers), values())
    assert names(store) == [f"{KEY}.json", f"{KEY}.npy"]


def test_files_of_a_killed_writer_are_removed_by_the_next_writer(store, writer):
    get(store, "other", about(), Numbers)
    assert f"{KEY}.npy.part" in names(store)  # it lives
    writer.send_signal(signal.SIGKILL)
    writer.wait()
    get(store, "third", about(), Numbers)
    assert f"{KEY}.npy.part" not in names(store)


def test_a_longer_part_of_a_crashed_writer_is_overwritten(store):
    store.folder.mkdir()
    at(store, f"{KEY}.npy.part").write_bytes(b"x" * 3 * SIZE)
    get(store, KEY, about(), Numbers)
    assert at(store, f"{KEY}.npy").stat().st_size == SIZE


def test_an_entry_that_is_removed_while_it_is_opened_is_computed_again(store, monkeypatch):
    get(store, KEY, about(), Numbers)
    path = at(store, f"{KEY}.npy")
    real = module.fcntl.flock

    def removed_before_it_is_held(file, operation):
        if operation == module.fcntl.LOCK_SH and not opened:
            path.unlink()
        real(file, operation)

    opened = []
    monkeypatch.setattr(module.fcntl, "flock", removed_before_it_is_held)
    found = get(store, KEY, about(), lambda: opened.append(1) or Numbers())
    np.testing.assert_array_equal(found, values())
    assert path.exists()


def test_notes_without_an_entry_are_removed(store):
    """A crash after the notes were written, before the entry was renamed."""
    get(store, KEY, about(), Numbers)
    at(store, f"{KEY}.npy").unlink()
    get(store, "other", about(), Numbers)
    assert names(store) == ["other.json", "other.npy"]


READER = """
import logging
logging.getLogger("automm").addHandler(logging.StreamHandler(sys.stdout))
logging.getLogger("automm").setLevel(logging.INFO)
def refuse():
    raise SystemExit("encoded again")
found = get(store, KEY, about(), refuse)
assert (found == values()).all()
print("found", flush=True)
"""


def test_the_second_writer_waits_for_the_first_to_finish_its_entry_and_encodes_nothing(store, writer):
    """It does not wait for the first process to end, which keeps its entry in use."""
    second = start(store, READER)
    assert "waiting" in second.stdout.readline()
    writer.stdin.write("\n")
    writer.stdin.flush()
    assert writer.stdout.readline() == "whole\n"
    out, err = second.communicate(timeout=30)
    assert (out, err, second.returncode) == ("found\n", "", 0)
    assert writer.poll() is None
    assert names(store) == [f"{KEY}.json", f"{KEY}.npy"]


OVERLAPPING = """
from test_store import PAIRS, Several
import logging
logging.getLogger("automm").addHandler(logging.StreamHandler(sys.stdout))
logging.getLogger("automm").setLevel(logging.INFO)
wanted = {KEY: about(), "a": about()}
found = store.get(wanted, PAIRS, lambda missing, unseen: print(*missing, flush=True) or Several(missing, unseen))
assert all((array == values()).all() for array in found.values())
"""


def test_two_writers_of_the_same_entries_do_not_deadlock(store, writer):
    """One process writes KEY; another holds 'a', which sorts before it, and waits for KEY; a third waits for 'a'."""
    second, third = start(store, OVERLAPPING), None
    try:
        assert "waiting" in second.stdout.readline()
        third = start(store, OVERLAPPING)
        assert "waiting" in third.stdout.readline()
        writer.stdin.write("\n")
        writer.stdin.flush()
        said = [process.communicate(timeout=30) for process in (second, third)]
        assert [process.returncode for process in (second, third)] == [0, 0], said
        assert sorted(line for out, _ in said for line in out.splitlines() if "waiting" not in line) == ["a"]
    finally:
        for process in (second, third):
            if process is not None:
                process.kill()
                process.communicate()


def test_the_second_writer_takes_over_from_one_that_is_killed(store, writer):
    second = start(store, READER.replace("refuse)", "Numbers)"))
    assert "waiting" in second.stdout.readline()
    writer.send_signal(signal.SIGKILL)
    out, err = second.communicate(timeout=30)
    assert (out, err, second.returncode) == ("found\n", "", 0)
    np.testing.assert_array_equal(get(store, KEY, about(), refuse), values())


def test_one_of_several_waiting_writers_takes_over_from_one_that_is_killed(store, writer):
    several = [
        start(store, READER.replace("refuse)", "lambda: print('encoded', flush=True) or Numbers())")) for _ in range(3)
    ]
    try:
        assert all("waiting" in process.stdout.readline() for process in several)
        writer.send_signal(signal.SIGKILL)
        said = [process.communicate(timeout=30) for process in several]
        assert [(err, process.returncode) for process, (_, err) in zip(several, said, strict=True)] == [("", 0)] * 3
        assert [line for out, _ in said for line in out.splitlines()].count("encoded") == 1
    finally:
        for process in several:
            process.kill()
            process.communicate()


def test_many_processes_at_once_all_succeed(store):
    code = """
import logging
logging.disable()  # warnings about the limit while other processes use their entries
for _ in range(8):
    small = FeatureStore(store.folder, int(SIZE * 2.5))
    for key in "abcd":
        assert (get(small, key, about(), Numbers) == values()).all()
"""
    processes = [start(store, code) for _ in range(3)]
    for process in processes:
        assert process.communicate(timeout=60)[1] == ""
        assert process.returncode == 0
    assert {path.suffix for path in store.folder.iterdir()} == {".npy", ".json"}
    for family in families(store):
        np.testing.assert_array_equal(get(store, family, about(), refuse), values())


def test_an_encoder_that_fails_leaves_nothing(store):
    class Broken(Numbers):
        def batches(self):
            yield next(super().batches())
            raise OSError("the encoder's own")

    with pytest.raises(OSError, match="the encoder's own"):
        get(store, KEY, about(), Broken)
    assert names(store) == []


# ---- a full disk, and a folder that cannot be written


def test_a_full_disk_is_an_error_before_encoding(store, monkeypatch):
    class Untouched(Numbers):
        def batches(self):
            refuse()
            yield

    usage = shutil.disk_usage(store.folder.parent)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=100))
    with pytest.raises(CacheError) as caught:
        get(store, KEY, about(), Untouched)
    for part in (str(store.folder), f"{SIZE} bytes", "100 bytes are free", "automm cache --clear", "AUTOMM_CACHE_DIR"):
        assert part in str(caught.value)
    assert names(store) == []


def test_a_full_disk_drops_old_entries_first(store, monkeypatch):
    get(store, "old", about(), Numbers)
    gc.collect()
    usage = shutil.disk_usage(store.folder)
    monkeypatch.setattr(
        shutil, "disk_usage", lambda _: usage._replace(free=0 if at(store, "old.npy").exists() else SIZE)
    )
    get(store, KEY, about(), Numbers)
    assert families(store) == [KEY]


def test_the_system_cannot_allocate(store):
    """A limit on the file size simulates a full disk: the same code, another error number."""
    code = f"""
import resource
resource.setrlimit(resource.RLIMIT_FSIZE, ({SIZE - 1}, {SIZE - 1}))
class Untouched(Numbers):
    def batches(self):
        raise AssertionError("encoded before the disk was asked for room")
try:
    get(store, KEY, about(), Untouched)
except CacheError as error:
    print(error)
"""
    out, err = start(store, code).communicate(timeout=30)
    assert err == ""
    assert str(store.folder) in out
    assert f"{SIZE} bytes" in out
    assert names(store) == []


def test_the_disk_becomes_full_while_writing(store, monkeypatch):
    """If the file system cannot allocate in advance, a write fails with an error, not with a bus error."""
    calls = []

    def full(descriptor, content, offset):
        calls.append(offset)
        if len(calls) == 4:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(descriptor, content[:13], offset)  # short writes are gone on with

    real = os.pwrite
    monkeypatch.setattr(os, "posix_fallocate", unsupported)
    monkeypatch.setattr(os, "pwrite", full)
    with pytest.raises(CacheError, match=f"{SIZE} bytes of features"):
        get(store, KEY, about(), Numbers)
    assert len(calls) == 4
    assert names(store) == []


def unsupported(*_):
    raise OSError(errno.EOPNOTSUPP, "not here")


def test_short_writes_and_no_allocation(store, monkeypatch):
    real = os.pwrite
    monkeypatch.setattr(os, "posix_fallocate", unsupported)
    monkeypatch.setattr(os, "pwrite", lambda descriptor, content, offset: real(descriptor, content[:13], offset))
    np.testing.assert_array_equal(get(store, KEY, about(), Numbers), values())


def test_a_cache_folder_that_cannot_be_created(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(CacheError, match=r"cannot write to .*file/features.*AUTOMM_CACHE_DIR"):
        get(FeatureStore(tmp_path / "file" / "features", 10**9), KEY, about(), Numbers)


def test_a_read_only_cache_folder(store, monkeypatch):
    """Existing entries are used; new ones cannot be written."""
    get(store, KEY, about(), Numbers)

    def denied(path, *_, **__):
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(os, "open", denied)  # a test may run as root, whom no mode stops
    monkeypatch.setattr(os, "utime", denied)
    np.testing.assert_array_equal(get(store, KEY, about(), refuse), values())
    with pytest.raises(CacheError, match=r"Permission denied\. Make it writable, or set AUTOMM_CACHE_DIR"):
        get(store, "other", about(), Numbers)


def test_a_disk_that_has_no_room_for_a_folder(store, monkeypatch):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "mkdir", full)
    with pytest.raises(CacheError, match=r"is full: [0-9,]+ bytes are free"):
        get(store, KEY, about(), Numbers)


# ---- the limit


def fill(store, *keys):
    """Entries that were used in this order, long ago, and are not in use."""
    for age, key in enumerate(keys):
        get(store, key, about(), Numbers)
        os.utime(at(store, f"{key}.json"), (1000 + age, 1000 + age))
    gc.collect()


def test_the_least_recently_used_entry_is_removed_first(store, caplog):
    caplog.set_level(logging.INFO, "automm")
    fill(store, "a", "b", "c")
    get(store, "a", about(), refuse)  # used again
    gc.collect()
    small = FeatureStore(store.folder, SIZE * 3)
    get(small, "d", about(), Numbers)
    assert families(store) == ["d", "a", "c"]
    assert "removed the features of 7 texts" in caplog.text
    assert not [name for name in names(store) if name.startswith("b.")]


def test_entries_in_use_are_kept_above_the_limit(store, caplog):
    get(store, "a", about(), Numbers)
    gc.collect()
    held = get(store, "a", about(), refuse)
    view = get(store, "b", about(), Numbers)[2:4, 1]  # a view holds it too
    fill(store, "c")
    small = FeatureStore(store.folder, SIZE)
    get(small, "d", about(), Numbers)
    gc.collect()
    assert sorted(families(store)) == ["a", "b", "d"]
    assert "exceeds the limit" in caplog.text
    del held, view
    gc.collect()
    get(small, "e", about(), Numbers)
    assert families(store) == ["e"]


def test_an_entry_that_another_process_uses_is_kept(store):
    process = start(store, "held = get(store, KEY, about(), Numbers)\nprint('held', flush=True)\nsys.stdin.readline()")
    try:
        assert process.stdout.readline() == "held\n"
        get(FeatureStore(store.folder, 1), "other", about(), Numbers)
        assert f"{KEY}.npy" in names(store)
        process.kill()
        process.communicate()
        get(FeatureStore(store.folder, 1), "third", about(), Numbers)
        assert f"{KEY}.npy" not in names(store)
    finally:
        process.kill()
        process.communicate()


def test_clear(store, writer):
    held = get(store, "held", about(), Numbers)
    fill(store, "a", "b")
    cleared = store.clear()
    assert (cleared.entries, cleared.bytes, cleared.in_use) == (2, 2 * SIZE, 2)
    assert names(store) == ["held.json", "held.npy", f"{KEY}.npy.part"]
    np.testing.assert_array_equal(held, values())


def test_entries_have_descriptions(store):
    fill(store, "a", "b")
    (store.folder / "c.npy").write_bytes(b"of another version")
    newest, *rest = store.entries()
    assert (newest["key"], newest["what"], newest["bytes"]) == ("c", "unknown", 18)
    assert rest == [
        {
            "key": at(store, f"{family}.npy").stem,
            "what": "texts",
            "encoder": "tiny",
            "engine": "numpy",
            "rows": ROWS,
            "features": FEATURES,
            "dtype": "<f4",
            "items": ROWS,
            "ragged": False,
            "bytes": SIZE,
            "last_used": used,
        }
        for family, used in (("b", 1001.0), ("a", 1000.0))
    ]
    assert json.loads(at(store, "a.json").read_text())["sums"]


def test_an_absent_folder_is_empty(tmp_path):
    store = FeatureStore(tmp_path / "none", 1)
    assert store.entries() == []
    assert store.clear().entries == 0
    assert not store.folder.exists()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        *[("", 20 * 10**9), ("5GB", 5 * 10**9), ("1.5 tb", 15 * 10**11), ("300", 300), ("7 MB", 7 * 10**6), ("0", 0)],
        *[("1.5", 1), ("0.5KB", 500), ("2kb", 2000), (" 1.5GB ", 15 * 10**8)],
        *[("10 GiB", 10 * 2**30), ("500M", 500 * 10**6), ("1.5G", 15 * 10**8), ("5 G", 5 * 10**9)],
    ],
)
def test_the_limit_is_read(monkeypatch, text, expected):
    monkeypatch.setenv("AUTOMM_CACHE_LIMIT", text)
    assert cache_limit() == expected


@pytest.mark.parametrize(
    "text", ["much", "-1GB", "1e3", "GB", "1,5GB", "1.2.3GB", "5GB or so", "5 GX", "inf", "9" * 400, "9" * 400 + "GB"]
)
def test_a_limit_that_is_not_a_size(monkeypatch, text):
    monkeypatch.setenv("AUTOMM_CACHE_LIMIT", text)
    with pytest.raises(ConfigError, match="AUTOMM_CACHE_LIMIT"):
        cache_limit()
