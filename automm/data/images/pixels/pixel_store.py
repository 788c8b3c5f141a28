"""Decode distinct pictures once into a memory-mapped file that later runs reuse."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import PIL

from automm.data.change_kinds import Change
from automm.data.images.hash_cache import digest_files
from automm.data.images.pixels.pixel_cache import keep_within, mark_used
from automm.data.images.pixels.pixel_file import Notes, Progress, open_pictures, write_pictures
from automm.data.images.resampling import PictureForm
from automm.data.inputs.items import item_digests
from automm.data.records.reviews import Dataset, Review, has_no_content
from automm.errors import DataError, Problem


@dataclass(frozen=True)
class Pictures:
    """Distinct pictures in one form.

    Attributes:
        pixels: (k, size, size, 3) uint8, memory-mapped.
        items: (k,) S16, a digest of each picture, made from its file and the way of decoding: see `data/inputs/items`.
    """

    pixels: np.ndarray
    items: np.ndarray


@dataclass(frozen=True)
class PictureStore:
    """The decoded pictures of a data set.

    Attributes:
        forms: the distinct pictures in each form, in the same order.
        row: the row of each path that could be read.
        bad: the reason, for each path that could not be read.
        digests: sha256 of the file, for each path whose bytes could be read.
    """

    forms: dict[PictureForm, Pictures]
    row: dict[Path, int]
    bad: dict[Path, str]
    digests: dict[Path, str]


def prepare_pictures(
    paths: Sequence[Path],
    forms: Sequence[PictureForm],
    cache_dir: Path,
    progress: Progress | None = None,
    *,
    limit: int | None = None,
) -> PictureStore:
    """Decode each distinct picture once, or reuse it from the cache.

    Args:
        paths: pictures; repeated paths are allowed.
        forms: those in which the pictures are wanted.
        cache_dir: decoded pictures are cached in its folder "pictures".
        progress: called as ("pictures decoded", done, total).
        limit: bytes that all decoded pictures in the cache may take; these pictures are kept in any case.

    Raises:
        CacheError: the folder cannot be written, or its disk is full.
        DataError: the machine failed to read a picture, for example because of too many open files.
    """
    folder = cache_dir / "pictures"
    digests, bad = digest_files(paths, folder / "digests.sqlite")
    first: dict[str, Path] = {}
    for path, digest in digests.items():
        first.setdefault(digest, path)
    files = dict(sorted(first.items()))  # sorted by content: the order of the reviews does not matter
    if not files:
        return PictureStore({form: Pictures(_no_pixels(form), item_digests([])) for form in forms}, {}, bad, digests)
    stores = {form: folder / f"{_key(form, files)}.u8" for form in forms}
    opened, gone = _opened(stores, files, progress)
    for store in stores.values():
        mark_used(store)
    if limit is not None:
        keep_within(folder, limit, stores.values())
    notes, _ = opened[forms[0]]  # the others have the same pictures
    reasons = notes.malformed | gone
    place = {digest: row for row, digest in enumerate(notes.digests)}
    return PictureStore(
        forms={form: Pictures(pixels, _items(one)) for form, (one, pixels) in opened.items()},
        row={path: place[digest] for path, digest in digests.items() if digest in place},
        bad=bad | {path: reasons[digest] for path, digest in digests.items() if digest in reasons},
        digests=digests,
    )


def _key(form: PictureForm, files: Iterable[str]) -> str:
    content = [form.recipe, PIL.__version__, form.size, list(files)]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:32]


def _items(notes: Notes) -> np.ndarray:
    return item_digests(f"{notes.recipe}\0{notes.size}\0{digest}".encode() for digest in notes.digests)


def _no_pixels(form: PictureForm) -> np.ndarray:
    return np.zeros((0, form.size, form.size, 3), np.uint8)


def _opened(
    stores: Mapping[PictureForm, Path], files: dict[str, Path], progress: Progress | None
) -> tuple[dict[PictureForm, tuple[Notes, np.ndarray]], dict[str, str]]:
    """Open sets of decoded pictures, and decode those that are not in the cache.

    Returns:
        The notes and the pixels, memory-mapped, of each form, all with the same pictures in the same order; and by
        digest the reasons why some files are no longer reachable.
    """
    notes: dict[PictureForm, Notes] = {}
    for form, path in stores.items():
        found = open_pictures(path)
        if found is not None and {*found.digests, *found.malformed} == files.keys():
            notes[form] = found
    missing, gone = [form for form in stores if form not in notes], dict[str, str]()
    while True:
        if missing:
            written, gone = write_pictures({form: stores[form] for form in missing}, files, progress)
            notes |= written
        missing = list(stores)
        if len({one.digests for one in notes.values()}) > 1:  # one form can be read where another cannot
            continue
        try:
            return {form: (notes[form], _mapped(stores[form], form, len(notes[form].digests))) for form in stores}, gone
        except FileNotFoundError:  # another process removed it to free space
            continue


def _mapped(store: Path, form: PictureForm, count: int) -> np.ndarray:
    if not count:
        return _no_pixels(form)
    return np.memmap(store, np.uint8, "r", shape=(count, form.size, form.size, 3))


def drop_bad_pictures(dataset: Dataset, unreadable: Mapping[Path, str]) -> Dataset:
    """Apply the manifest's images.on_bad to pictures that cannot be read.

    Args:
        unreadable: the reason, for each picture that cannot be read.

    Raises:
        DataError: on_bad is `error`, or a review is left with neither text nor picture, or no review is left.
    """
    rule = dataset.manifest.images.on_bad
    kept: list[Review] = []
    problems: list[Problem] = []
    changes: list[Change] = []
    for review in dataset.reviews:
        bad = [path for path in review.images if path in unreadable]
        if bad and rule == "error":
            problems += [
                Problem(
                    "unreadable_picture",
                    review.where,
                    f"picture '{path}': {unreadable[path]}",
                    "Replace it, or set images.on_bad: drop-image",
                )
                for path in bad
            ]
        elif bad and rule == "drop-review":
            changes.append(Change.UNREADABLE_PICTURE_REVIEW)
        elif bad:
            changes += [Change.UNREADABLE_PICTURE] * len(bad)
            left = review.without(unreadable)
            if not has_no_content(left.text, left.images):
                kept.append(left)
            elif dataset.manifest.text.on_empty in ("drop", "drop-bare"):
                changes.append(Change.EMPTY_TEXT)
            else:
                fix = "Remove the review, or set text.on_empty: drop-bare"
                problems.append(Problem("no_content", review.where, "neither text nor a readable picture", fix))
        else:
            kept.append(review)
    if not problems and not kept:
        file = dataset.manifest.file.name
        text = f"no review is left: all were lost to unreadable pictures (images.on_bad: {rule})"
        problems.append(
            Problem(
                "nothing_left", file, text, "Run automm check to see which pictures and why, then correct the files"
            )
        )
    if problems:
        raise DataError(problems)
    return dataset.keep(kept, changes)
