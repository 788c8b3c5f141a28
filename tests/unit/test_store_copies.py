"""One more item costs one encoding: the others are copied from entries of the same family."""

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

from automm.data.inputs.items import item_digests
from automm.errors import CacheError
from automm.search.features import store_copies, store_files, store_folder, store_format
from automm.search.features.store import FeatureStore
from automm.search.features.store_format import About, Items

FEATURES = 3
KINDS = {"plain": ("<f4", False), "half": ("<f2", False), "ragged": ("<f2", True)}  # by family


def items(numbers):
    digests = item_digests(str(number).encode() for number in numbers)
    return Items(digests, np.array([1 + number % 4 for number in numbers], np.int32))


def values(numbers, kind):
    """Row j of item n is n, n + j, n + 2 j; one row where entries of the kind are not ragged."""
    dtype, ragged = KINDS[kind]
    rows = [[n, n + j, n + 2 * j] for n in numbers for j in range(1 + n % 4 if ragged else 1)]
    return np.array(rows, dtype).reshape(-1, FEATURES)


class Counted:
    """Encodes some of the numbers and lists them in `encoded`; three at a time, in a shuffled order."""

    def __init__(self, families, unseen, numbers, encoded):
        self.features, self.numbers = dict.fromkeys(families, FEATURES), numbers
        self.places = np.random.default_rng(len(numbers)).permutation(unseen)
        self.encoded = encoded

    def batches(self):
        for start in range(0, len(self.places), 3):
            some = self.places[start : start + 3]
            chosen = [self.numbers[place] for place in some]
            self.encoded += chosen
            rows = {family: items(self.numbers).rows(some, ragged=KINDS[family][1]) for family in self.features}
            yield {family: (rows[family], values(chosen, family).astype(np.float32)) for family in self.features}


def get(store, numbers, *families):
    """The entries of some families, and the items that were encoded for them."""
    encoded, of = [], items(numbers)
    wanted = {}
    for family in families or KINDS:
        dtype, ragged = KINDS[family]
        rows = int(of.starts[-1]) if ragged else len(of)
        wanted[family] = About(f"texts: {family}", "tiny", "numpy", rows, dtype=dtype, items=len(of), ragged=ragged)
    found = store.get(wanted, of, lambda missing, unseen: Counted(missing, unseen, numbers, encoded))
    for family, array in found.items():
        np.testing.assert_array_equal(array, values(numbers, family))
        assert array.dtype == KINDS[family][0]
    return found, sorted(encoded)


def encoded(store, numbers, *families):
    """The encoded items; the entries are not in use afterwards."""
    return get(store, numbers, *families)[1]


@pytest.fixture
def store(tmp_path):
    return FeatureStore(tmp_path / "features", 10**9)


def held(store):
    """How many items each entry has."""
    return sorted(entry["items"] for entry in store.entries())


ALL = [*range(9)]


def test_one_item_more_is_one_encoding(store, caplog):
    caplog.set_level(logging.INFO, "automm")
    assert encoded(store, ALL) == ALL
    assert encoded(store, [*ALL[:4], 50, *ALL[4:]]) == [50]
    assert "9 of 10 items are copied" in caplog.text
    assert held(store) == [10, 10, 10], "the older entries are not kept beside the newer ones"
    assert not list(store.folder.glob("*.part"))


@pytest.mark.parametrize("numbers", [[2, 5, 7], [8, *ALL[:8]], ALL[::-1], [4]])
def test_fewer_items_or_another_order_encode_nothing(store, numbers):
    encoded(store, ALL)
    assert encoded(store, numbers) == []
    assert encoded(store, numbers) == []
    assert encoded(store, ALL) == []


def test_items_come_from_several_entries(store):
    encoded(store, [0, 1, 2])
    encoded(store, [5, 4])
    assert encoded(store, [7, 5, 1, 0, 4]) == [7]
    assert held(store) == [3, 3, 3, 5, 5, 5], "only what is contained goes"


def test_the_number_of_open_entries_is_limited(store, monkeypatch):
    monkeypatch.setattr(store_copies, "MOST_SOURCES", 2)
    for number in (3, 0, 1, 2):
        encoded(store, [number], "plain")
        newest = max(store.folder.glob("*.json"), key=lambda notes: notes.stat().st_mtime)
        os.utime(newest, (1000 + number, 1000 + number))
    assert encoded(store, [*range(4)], "plain") == [0, 1], "the most recently used entries are the sources"
    assert held(store) == [4], "what is contained goes, copied or not"


def test_an_item_that_one_family_lacks_is_encoded(store):
    """One pass encodes all items that are not stored in every family."""
    encoded(store, [0, 1, 2], "plain")
    encoded(store, [1, 2, 3], "ragged")
    assert encoded(store, [0, 1, 2, 3], "plain", "ragged") == [0, 3]
    assert encoded(store, [0, 1, 2, 3, 4], "plain", "half") == [0, 1, 2, 3, 4]


def test_an_older_entry_in_use_is_kept(store):
    before, _ = get(store, ALL, "plain")
    assert encoded(store, [*ALL, 9], "plain") == [9]
    assert held(store) == [9, 10]
    np.testing.assert_array_equal(before["plain"], values(ALL, "plain"))
    del before
    gc.collect()
    assert encoded(store, [*ALL, 9, 10], "plain") == [10]
    assert held(store) == [11]


def test_entries_of_other_families_are_not_removed(store):
    encoded(store, ALL, "plain")
    encoded(store, ALL, "half")
    assert held(store) == [9, 9]


# ---- damage


@pytest.fixture
def portions(monkeypatch):
    """Checksums over 64 bytes, so that few values have several checksums."""
    for place in (store_copies, store_folder, store_format):
        monkeypatch.setattr(place, "PORTION", 64)


def flip(path, place):
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)


def only(store, suffix):
    (path,) = store.folder.glob(f"*.{suffix}")
    return path


def change_notes(store, **changes):
    file = only(store, "json")
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))


HARM = {
    "a value": lambda store: flip(only(store, "npy"), 128),
    "the header": lambda store: flip(only(store, "npy"), 20),
    "a digest": lambda store: flip(only(store, "npy"), -1),
    "its length": lambda store: os.truncate(only(store, "npy"), 200),
    "its notes": lambda store: os.truncate(only(store, "json"), 30),
    "no notes": lambda store: only(store, "json").unlink(),
}


@pytest.mark.parametrize("what", HARM)
def test_damaged_rows_are_not_copied(store, portions, what, caplog):
    encoded(store, ALL, "plain")
    HARM[what](store)
    assert encoded(store, [*ALL, 9], "plain") == [*ALL, 9]
    assert ("damaged and not reused" in caplog.text) == ("notes" not in what)


WRONG = {
    "dtype": ["<f5", "", None, "<f8", ["<f4"]],
    "rows": ["9", None, 9.0, -9, True],
    "items": ["9", [9], -1],
    "features": [{}, 0.5],
    "ragged": [0, "false"],
    "what": [None, 1],
    "bytes": [float("inf"), "many", None],
    "written": [None, []],
    "sums": [None, ["x"], 1],
}


@pytest.mark.parametrize(("key", "value"), [(key, value) for key, values in WRONG.items() for value in values])
def test_notes_with_a_wrong_value_are_damaged_notes(store, key, value):
    """In the entry itself, in a source entry, and in a listed entry."""
    encoded(store, ALL, "plain")
    change_notes(store, **{key: value})
    assert [entry["what"] for entry in store.entries()] == ["unknown"]
    assert encoded(store, [*ALL, 9], "plain") == [*ALL, 9]
    assert encoded(store, ALL, "plain") == []


def test_damage_matters_only_in_copied_portions(store, portions):
    encoded(store, [*range(30)], "plain")
    flip(only(store, "npy"), 128 + 8 * 3 * 4)  # item 8
    assert encoded(store, [20, 3], "plain") == []
    assert encoded(store, [20, 8, 25], "plain") == [8, 25]


def test_an_entry_of_an_older_format_is_listed_and_never_used(store):
    encoded(store, ALL, "plain")
    notes = json.loads(only(store, "json").read_text())
    for key in ("items", "ragged"):
        del notes[key]
    only(store, "json").write_text(json.dumps({**notes, "format": 1}))
    np.save(only(store, "npy"), values(ALL, "plain"))
    (entry,) = store.entries()
    assert (entry["what"], entry["rows"], entry["items"]) == ("texts: plain", 9, 0)
    assert encoded(store, [*ALL, 9], "plain") == [*ALL, 9]
    assert store.clear().entries == 2


def test_an_entry_that_is_removed_meanwhile_is_left_out(store, monkeypatch):
    encoded(store, ALL, "plain")
    path = only(store, "npy")
    real = store_copies.fcntl.flock

    def removed_before_it_is_held(file, operation):
        path.unlink(missing_ok=True)
        real(file, operation)

    monkeypatch.setattr(store_copies.fcntl, "flock", removed_before_it_is_held)
    assert encoded(store, ALL[:3], "plain") == ALL[:3]


def test_an_entry_of_another_user_that_cannot_be_read_is_left_out(store, monkeypatch):
    encoded(store, ALL, "plain")
    private = only(store, "npy")
    real = Path.open

    def denied(path, *arguments, **options):
        if path == private:
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return real(path, *arguments, **options)

    monkeypatch.setattr(Path, "open", denied)  # a test may run as root, whom no mode stops
    assert encoded(store, [*ALL, 9], "plain") == [*ALL, 9]


# ---- the limit and the disk


def test_source_entries_are_not_evicted_before_copying(store):
    """Both together exceed the limit; the older one is removed afterwards."""
    encoded(store, ALL, "plain")
    size = store.entries()[0]["bytes"]
    assert encoded(FeatureStore(store.folder, size + 50), [*ALL, 9], "plain") == [9]
    assert held(store) == [10]


def test_the_limit_holds_after_copying(store, caplog):
    encoded(store, ALL, "plain")
    size = store.entries()[0]["bytes"]
    assert encoded(FeatureStore(store.folder, size + 50), [*ALL[1:], 9], "plain") == [9]
    assert [(entry["items"], entry["bytes"]) for entry in store.entries()] == [(9, size)]
    assert "exceeds the limit" not in caplog.text


def test_a_disk_without_room_for_both_encodes_again(store, monkeypatch, caplog):
    encoded(store, ALL, "plain")
    older = only(store, "npy")
    usage = shutil.disk_usage(store.folder)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=100 if older.exists() else 10_000))
    assert encoded(store, [*ALL, 9], "plain") == [*ALL, 9]
    assert "the disk is too full to reuse" in caplog.text
    assert held(store) == [10]


def test_a_full_disk_keeps_existing_entries(store, monkeypatch):
    before, _ = get(store, ALL, "plain")
    usage = shutil.disk_usage(store.folder)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=100))
    with pytest.raises(CacheError, match="100 bytes are free"):
        encoded(store, [*ALL, 9], "plain")
    assert held(store) == [9]
    assert not list(store.folder.glob("*.part"))
    np.testing.assert_array_equal(before["plain"], values(ALL, "plain"))


# ---- processes

PROGRAM = f"""
import sys
from pathlib import Path
sys.path.insert(0, {str(Path(__file__).parent)!r})
from test_store_copies import ALL, Counted, encoded
from automm.search.features.store import FeatureStore
store = FeatureStore(Path(sys.argv[1]), 10**9)
"""


def start(store, code, *arguments):
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    return subprocess.Popen([sys.executable, "-c", PROGRAM + code, str(store.folder), *arguments], text=True, **pipes)


HALF_WAY = """
real = Counted.batches
def halting(self):
    for batch in real(self):
        yield batch
        print("half", flush=True)
        sys.stdin.readline()
Counted.batches = halting
encoded(store, [*ALL, *range(20, 30)], "plain")
"""


def test_a_killed_writer_leaves_its_source_entries(store):
    encoded(store, ALL, "plain")
    process = start(store, HALF_WAY)
    try:
        assert process.stdout.readline() == "half\n"
    finally:
        process.send_signal(signal.SIGKILL)
        process.communicate()
    assert held(store) == [9]
    assert encoded(store, [*ALL, 20], "plain") == [20]
    assert not list(store.folder.glob("*.part"))


def test_an_entry_that_another_process_copies_from_is_kept(store):
    encoded(store, ALL, "plain")
    process = start(store, HALF_WAY)
    try:
        assert process.stdout.readline() == "half\n"
        cleared = store.clear()
        assert (cleared.entries, cleared.in_use) == (0, 2)  # what is read, and what is written
        assert process.communicate("\n" * 9, timeout=60)[1] == ""
        assert process.returncode == 0
    finally:
        process.kill()
        process.communicate()
    assert held(store) == [19]
    assert encoded(store, [*ALL, *range(20, 30)], "plain") == []


def test_processes_with_overlapping_items(store):
    """All request one set after the other at the same time; values are right, and no files are left over."""
    code = """
import random
import logging
rng = random.Random(int(sys.argv[2]))
logging.disable()
print("ready", flush=True)
sys.stdin.readline()
for _ in range(25):
    begin = rng.randrange(20)
    encoded(store, [*range(begin, begin + rng.randrange(1, 12))], "plain", "ragged")
"""
    processes = [start(store, code, str(seed)) for seed in range(3)]
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        process.stdin.write("\n")
        process.stdin.flush()
    for process in processes:
        assert process.communicate(timeout=60)[1] == ""
        assert process.returncode == 0
    assert {path.suffix for path in store.folder.iterdir()} == {".npy", ".json"}
    assert len(encoded(store, [*range(32)], "plain", "ragged")) < 32
    assert held(store) == [32, 32]
    assert encoded(store, [*range(5, 20)], "plain", "ragged") == []


def test_rows_are_written_in_runs(tmp_path, monkeypatch):
    written = []

    def write(descriptor, content, place):
        written.append((place, len(content)))

    monkeypatch.setattr(store_files, "write_at", write)
    rows = np.array([4, 5, 6, 9, 1, 2])
    store_files.write_rows(0, rows, np.zeros((6, 2), np.float32), 100)
    assert written == [(132, 24), (172, 8), (108, 16)]
