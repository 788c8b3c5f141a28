import errno
import json
import os
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngImageFile

from automm.data import checksums
from automm.data.images import decode as images
from automm.data.images.decode import PictureError, decode_many
from automm.data.images.inspect import inspect_all
from automm.data.images.pixels import pixel_file as picture_file
from automm.data.images.pixels import pixel_store as pictures
from automm.data.images.pixels.pixel_cache import picture_sets
from automm.data.images.pixels.pixel_file import notes_path
from automm.data.images.pixels.pixel_store import drop_bad_pictures
from automm.data.images.pixels.pixel_store import prepare_pictures as prepare_forms
from automm.data.images.resampling import PictureForm
from automm.data.manifest import parse_manifest
from automm.data.records.reviews import Dataset, Review
from automm.errors import CacheError, DataError


def prepare_pictures(paths, size, folder, *more, **options):
    """In the usual form of one size."""
    store = prepare_forms(paths, [PictureForm(size)], folder, *more, **options)
    return SimpleNamespace(**vars(store), **vars(store.forms[PictureForm(size)]))


@pytest.fixture
def paths(tmp_path):
    """a and copy are the same picture, b another, bad is none."""
    for name, colour in (("a", 10), ("copy", 10), ("b", 200)):
        Image.new("L", (8, 8), colour).save(tmp_path / f"{name}.png")
    (tmp_path / "bad.png").write_bytes(b"nothing")
    return {name: tmp_path / f"{name}.png" for name in ("a", "copy", "b", "bad")}


def decoded_nothing(*args, **kwargs):
    raise AssertionError("decoded again")


def test_distinct_pictures_are_decoded_once(paths, tmp_path):
    steps = []
    store = prepare_pictures(
        [*paths.values(), paths["a"]], 4, tmp_path / "cache", lambda *progress: steps.append(progress)
    )
    assert store.pixels.shape == (2, 4, 4, 3)
    assert isinstance(store.pixels, np.memmap)
    assert store.row[paths["a"]] == store.row[paths["copy"]] != store.row[paths["b"]]
    assert store.pixels[store.row[paths["b"]], 0, 0, 0] == 200
    assert list(store.bad) == [paths["bad"]]
    assert len(store.digests) == 4
    assert steps[-1] == ("pictures decoded", 3, 3)
    assert not list((tmp_path / "cache" / "pictures").glob("*.tmp"))


def test_a_cache_hit_equals_decoding_and_decodes_nothing(paths, tmp_path, monkeypatch):
    first = prepare_pictures(list(paths.values()), 4, tmp_path / "cache")
    monkeypatch.setattr(picture_file, "decode_forms", decoded_nothing)
    second = prepare_pictures(list(reversed(paths.values())), 4, tmp_path / "cache")
    assert np.array_equal(first.pixels, second.pixels)
    assert (first.row, first.bad, first.items.tolist()) == (second.row, second.bad, second.items.tolist())


@pytest.mark.parametrize("harm", ["truncate", "flip", "no notes", "notes"])
def test_damaged_pictures_are_decoded_again(paths, tmp_path, harm):
    first = np.array(prepare_pictures(list(paths.values()), 4, tmp_path / "cache").pixels)
    (file,) = (tmp_path / "cache" / "pictures").glob("*.u8")
    raw = file.read_bytes()
    if harm == "truncate":
        file.write_bytes(raw[:-1])
    elif harm == "flip":
        file.write_bytes(bytes([raw[0] ^ 1]) + raw[1:])
    elif harm == "notes":
        file.with_suffix(".json").write_text("[]")
    else:
        file.with_suffix(".json").unlink()
    assert np.array_equal(prepare_pictures(list(paths.values()), 4, tmp_path / "cache").pixels, first)
    assert file.read_bytes() == raw


def test_only_new_pictures_are_decoded(paths, tmp_path, monkeypatch):
    """A look at a part first, or rows appended later, cost nothing twice; nor does a copy trust what is damaged."""
    prepare_pictures([paths["a"]], 4, tmp_path / "cache")
    (part,) = (tmp_path / "cache" / "pictures").glob("*.u8")
    decoded, real = [], picture_file.decode_forms
    monkeypatch.setattr(picture_file, "decode_forms", lambda path, forms: (decoded.append(path), real(path, forms))[1])
    whole = prepare_pictures([paths["a"], paths["b"]], 4, tmp_path / "cache")
    assert decoded == [paths["b"]]
    assert [whole.pixels[whole.row[paths[name]], 0, 0, 0] for name in "ab"] == [10, 200]
    prepare_pictures([paths["a"]], 8, tmp_path / "cache")  # another size shares nothing
    assert decoded == [paths["b"], paths["a"]]
    part.write_bytes(b"\0" * part.stat().st_size)
    part.with_suffix(".json").replace(tmp_path / "notes")
    for other in (tmp_path / "cache" / "pictures").glob("*.u8"):
        other.unlink()
    part.write_bytes(b"\0" * 4 * 4 * 3)
    (tmp_path / "notes").replace(part.with_suffix(".json"))
    whole = prepare_pictures([paths["a"], paths["b"]], 4, tmp_path / "cache")
    assert whole.pixels[whole.row[paths["a"]], 0, 0, 0] == 10
    assert len(decoded) == 4


def test_a_long_file_is_sampled_unless_it_was_written_to(paths, tmp_path, monkeypatch):
    for number in range(20):
        Image.new("L", (8, 8), number).save(tmp_path / f"{number}.png")
    many = [tmp_path / f"{number}.png" for number in range(20)]
    prepare_pictures(many, 4, tmp_path / "cache")
    (file,) = (tmp_path / "cache" / "pictures").glob("*.u8")
    monkeypatch.setattr(checksums, "CHECKED_WHOLE", 100)
    monkeypatch.setattr(checksums, "SAMPLED", 3 * 48)
    compared, real = [], checksums.portion_sum
    monkeypatch.setattr(checksums, "portion_sum", lambda *of: compared.append(of) or real(*of))
    prepare_pictures(many, 4, tmp_path / "cache")
    assert len(compared) == 3
    written = file.stat().st_mtime_ns
    os.utime(file, ns=(1, 1))
    prepare_pictures(many, 4, tmp_path / "cache")
    assert len(compared) == 23
    assert file.stat().st_mtime_ns == written  # all was compared: the next start may take samples again


def test_files_left_by_a_crash_are_removed_and_files_being_written_are_not(paths, tmp_path):
    folder = tmp_path / "cache" / "pictures"
    folder.mkdir(parents=True)
    for name in ("old.tmp", "new.tmp"):
        (folder / name).write_bytes(b"x")
    os.utime(folder / "old.tmp", (1, 1))
    prepare_pictures([paths["a"]], 4, tmp_path / "cache")
    assert [file.name for file in folder.glob("*.tmp")] == ["new.tmp"]


def test_a_folder_that_cannot_be_written_is_reported(paths, tmp_path):
    (tmp_path / "cache").write_bytes(b"")
    with pytest.raises(CacheError, match="AUTOMM_CACHE_DIR"):
        prepare_pictures([paths["a"]], 4, tmp_path / "cache")


def test_size_and_content_identify_a_picture(paths, tmp_path):
    whole = prepare_pictures([*paths.values()], 4, tmp_path / "c")
    assert len(whole.items) == len(whole.pixels) == len({*whole.items.tolist()}) == 2
    alone = prepare_pictures([paths["copy"]], 4, tmp_path / "c").items
    assert alone.tolist() == [whole.items[whole.row[paths["a"]]]]
    assert prepare_pictures([paths["a"]], 8, tmp_path / "c").items.tolist() != alone.tolist()


def test_no_pictures_and_only_bad_ones(paths, tmp_path):
    none = prepare_pictures([], 4, tmp_path)
    assert (none.pixels.shape, none.items.shape) == ((0, 4, 4, 3), (0,))
    store = prepare_pictures([paths["bad"], tmp_path / "absent.png"], 4, tmp_path)
    assert store.pixels.shape == (0, 4, 4, 3)
    assert set(store.bad) == {paths["bad"], tmp_path / "absent.png"}


def dataset(paths, on_bad: str, on_empty: str = "keep", text: str = "t") -> Dataset:
    content = {
        "name": "x",
        "records": "r.jsonl",
        "fields": {"images": "p"},
        "images": {"on_bad": on_bad},
        "text": {"on_empty": on_empty},
    }
    manifest = parse_manifest(content, Path("manifest.yaml"))
    reviews = [
        Review("1", text, (paths["bad"],), "x", None, None, "r.jsonl:1"),
        Review("2", "t", (paths["a"], paths["bad"]), "x", None, None, "r.jsonl:2"),
        Review("3", "t", (paths["b"],), "y", None, None, "r.jsonl:3"),
    ]
    return Dataset(manifest, reviews, ("x", "y"), {"no_label": 2})


def test_unreadable_pictures_are_dropped_as_the_manifest_says(paths, tmp_path):
    store = prepare_pictures(list(paths.values()), 4, tmp_path / "cache")
    with pytest.raises(DataError) as caught:
        drop_bad_pictures(dataset(paths, "error"), store.bad)
    assert [line.split(": ")[0] for line in caught.value.lines] == ["r.jsonl:1", "r.jsonl:2"]
    thinner = drop_bad_pictures(dataset(paths, "drop-image"), store.bad)
    assert [len(review.images) for review in thinner.reviews] == [0, 1, 1]
    assert thinner.changes == {"no_label": 2, "unreadable_picture": 2}
    fewer = drop_bad_pictures(dataset(paths, "drop-review"), store.bad)
    assert [review.id for review in fewer.reviews] == ["3"]
    assert fewer.changes["unreadable_picture_review"] == 2


def test_a_review_without_text_and_readable_picture(paths, tmp_path):
    store = prepare_pictures(list(paths.values()), 4, tmp_path / "cache")
    with pytest.raises(DataError, match=r"r\.jsonl:1: neither text nor a readable picture"):
        drop_bad_pictures(dataset(paths, "drop-image", text=""), store.bad)
    changes = drop_bad_pictures(dataset(paths, "drop-image", "drop", text=""), store.bad).changes
    assert changes["empty_text"] == 1


def test_sets_that_were_not_used_for_longest_are_removed_first(paths, tmp_path):
    folder, size = tmp_path / "cache", 4
    one = 3 * size**2
    sets = [["a"], ["b"], ["a", "b"]]
    read = [prepare_pictures([paths[name] for name in names], size, folder) for names in sets]
    kept = np.array(read[1].pixels)
    for age, store in enumerate(reversed(picture_sets(folder / "pictures"))):
        os.utime(notes_path(store.path), (1000 + age, 1000 + age))
    prepare_pictures([paths["a"]], size, folder, limit=3 * one)  # used now, so that ["b"] is the oldest
    assert sorted(found.bytes for found in picture_sets(folder / "pictures")) == [one, 2 * one]
    assert np.array_equal(read[1].pixels, kept), "a set can be read after its removal"
    prepare_pictures([paths["a"], paths["b"]], size, folder, limit=0)
    assert [found.bytes for found in picture_sets(folder / "pictures")] == [2 * one], "the current set is kept"
    assert sum(path.suffix == ".json" for path in (folder / "pictures").iterdir()) == 1


def test_a_set_that_another_process_removes_as_it_is_opened_is_decoded_again(paths, tmp_path, monkeypatch):
    first = prepare_pictures([paths["a"]], 4, tmp_path)
    (store,) = (tmp_path / "pictures").glob("*.u8")
    look = pictures.open_pictures

    def removed(path):
        notes = look(path)
        store.unlink(missing_ok=True)
        return notes

    monkeypatch.setattr(pictures, "open_pictures", removed)
    again = prepare_pictures([paths["a"]], 4, tmp_path)
    assert np.array_equal(again.pixels, first.pixels)


# ---- what the machine fails at says nothing of a picture


def failing_once(monkeypatch, place, name, error):
    """A function that raises at its first call."""
    real, errors = getattr(place, name), [error]

    def function(*args, **kwargs):
        if errors:
            raise errors.pop()
        return real(*args, **kwargs)

    monkeypatch.setattr(place, name, function)


MACHINE = {
    "too many open files": (os, "open", OSError(errno.EMFILE, "Too many open files"), "ulimit -n"),
    "a failing disk": (os, "read", OSError(errno.EIO, "Input/output error"), "Check the disk"),
    "memory, as Python says it": (PngImageFile, "load", MemoryError(), "Cannot allocate memory. Free memory"),
    "memory, as Pillow says it": (
        PngImageFile,
        "load",
        OSError("out of memory when reading image file"),
        "Free memory",
    ),
    "another decoder's number": (PngImageFile, "load", OSError(errno.ENFILE, "Too many files"), "Close other programs"),
}


@pytest.mark.parametrize("way", ["search", "check", "predict"])
@pytest.mark.parametrize("what", MACHINE)
def test_a_failure_of_the_machine_is_an_error_and_drops_no_picture(paths, tmp_path, monkeypatch, what, way):
    place, name, error, remedy = MACHINE[what]
    ways = {
        "search": lambda: [*prepare_pictures([paths["a"]], 4, tmp_path / "cache").row],
        "check": lambda: [*inspect_all([paths["a"]]).path.values()],
        "predict": lambda: [
            paths["a"] for _, one in decode_many([paths["a"]], [PictureForm(4)]) if isinstance(one, list)
        ],
    }
    Image.init()  # before os.open fails
    failing_once(monkeypatch, place, name, error)
    with pytest.raises(DataError, match=rf"a\.png could not be read: .*{remedy}"):
        ways[way]()
    assert ways[way]() == [paths["a"]]


def test_a_failure_between_hashing_and_decoding_is_not_stored(paths, tmp_path, monkeypatch):
    """Whatever raised it, the next run has the picture: nothing is kept that the bytes do not prove."""
    wanted = [paths["a"], paths["b"]]
    for error in (FileNotFoundError(errno.ENOENT, "gone"), PermissionError(errno.EACCES, "not now")):
        cache = tmp_path / error.strerror
        with monkeypatch.context() as patch:
            failing_once(patch, images, "read_file", error)
            first = prepare_pictures(wanted, 4, cache)
            assert len(first.row) == 1
            assert len(first.bad) == 1
        decoded, real = [], picture_file.decode_forms
        with monkeypatch.context() as patch:
            patch.setattr(picture_file, "decode_forms", lambda *of: (decoded.append(of), real(*of))[1])  # noqa: B023
            second = prepare_pictures(wanted, 4, cache)
        assert (list(second.row), second.bad) == (wanted, {})
        assert [path for path, _ in decoded] == [*first.bad], "what was decoded is copied"


def test_reasons_in_older_notes_are_ignored(paths, tmp_path, monkeypatch):
    """They may be of the machine. Good pictures are copied, those said to be bad are decoded again."""
    wanted = list(paths.values())
    first = prepare_pictures(wanted, 4, tmp_path / "cache")
    (file,) = (tmp_path / "cache" / "pictures").glob("*.json")
    notes = json.loads(file.read_text())
    reasons = notes.pop("malformed")
    lost = first.row[paths["a"]]
    reasons[notes["digests"].pop(lost)] = "truncated or malformed: [Errno 24] Too many open files"
    del notes["sums"][lost]
    pixels = file.with_suffix(".u8")
    pixels.write_bytes(np.delete(first.pixels, lost, axis=0).tobytes())
    file.write_text(json.dumps({**notes, "bad": reasons}))
    decoded, real = [], picture_file.decode_forms
    monkeypatch.setattr(picture_file, "decode_forms", lambda path, forms: (decoded.append(path), real(path, forms))[1])
    second = prepare_pictures(wanted, 4, tmp_path / "cache")
    assert (second.row, second.bad) == (first.row, first.bad)
    assert set(decoded) == {paths["a"], paths["bad"]}
    prepare_pictures(wanted, 4, tmp_path / "cache")
    assert len(decoded) == 2


class TestSeveralForms:
    """Each encoder reads its own form; a file is decoded once for all."""

    SMALL, LARGE = PictureForm(4), PictureForm(6, fit="crop")

    @pytest.fixture
    def photos(self, tmp_path):
        rng = np.random.default_rng(0)
        paths = [tmp_path / f"{number}.jpg" for number in range(3)]
        for path in paths:
            Image.fromarray(rng.integers(0, 256, (40, 60, 3), dtype=np.uint8)).save(path)
        (tmp_path / "bad.jpg").write_bytes(b"no picture")
        return [*paths, tmp_path / "bad.jpg"]

    def test_a_form_does_not_depend_on_the_others(self, photos, tmp_path):
        both = prepare_forms(photos, [self.SMALL, self.LARGE], tmp_path / "both")
        assert list(both.row) == photos[:3]
        assert list(both.bad) == photos[3:]
        for form in (self.SMALL, self.LARGE):
            alone = prepare_forms(photos, [form], tmp_path / "alone")
            assert alone.row == both.row
            np.testing.assert_array_equal(alone.forms[form].pixels, both.forms[form].pixels)
            np.testing.assert_array_equal(alone.forms[form].items, both.forms[form].items)
        assert not {*both.forms[self.SMALL].items} & {*both.forms[self.LARGE].items}

    def test_each_file_is_decoded_once(self, photos, tmp_path, monkeypatch):
        decoded, real = [], picture_file.decode_forms
        monkeypatch.setattr(
            picture_file, "decode_forms", lambda path, forms: (decoded.append((path, len(forms))), real(path, forms))[1]
        )
        prepare_forms(photos, [self.SMALL, self.LARGE], tmp_path / "cache")
        assert sorted(decoded) == [(path, 2) for path in sorted(photos)]
        decoded.clear()
        prepare_forms(photos, [self.LARGE], tmp_path / "cache")
        assert not decoded
        third = PictureForm(5)
        prepare_forms(photos[:3], [third, self.SMALL], tmp_path / "cache")  # the others are copied
        assert sorted(decoded) == [(path, 1) for path in sorted(photos[:3])]

    def test_a_picture_that_one_form_cannot_read_is_in_none(self, photos, tmp_path, monkeypatch):
        first = prepare_forms(photos, [self.SMALL], tmp_path / "cache")
        real = picture_file.decode_forms

        def fails(path, forms):
            if path == photos[1] and self.LARGE in forms:
                raise PictureError("too wide")
            return real(path, forms)

        monkeypatch.setattr(picture_file, "decode_forms", fails)
        both = prepare_forms(photos, [self.SMALL, self.LARGE], tmp_path / "cache")
        assert both.bad == first.bad | {photos[1]: "too wide"}
        for form, one in both.forms.items():
            assert len(one.pixels) == len(one.items) == 2
            for path in (photos[0], photos[2]):
                np.testing.assert_array_equal(one.pixels[both.row[path]], real(path, [form])[0])

    def test_crop_keeps_the_aspect_ratio(self, tmp_path):
        wide = np.zeros((8, 24, 3), np.uint8)
        wide[:, 8:16] = 200
        Image.fromarray(wide).save(tmp_path / "a.png")
        cropped = prepare_forms([tmp_path / "a.png"], [PictureForm(8, fit="crop")], tmp_path / "cache")
        assert (cropped.forms[PictureForm(8, fit="crop")].pixels == 200).all()
