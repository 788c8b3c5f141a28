"""Decode distinct pictures once into a memory-mapped file that later runs reuse."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import PIL

from automm.data.change_kinds import Change
from automm.data.images.decode import RECIPE
from automm.data.images.hash_cache import digest_files
from automm.data.images.pixel_cache import keep_within, mark_used
from automm.data.images.pixel_file import Notes, Progress, open_pictures, write_pictures
from automm.data.inputs.items import item_digests
from automm.data.records.reviews import Dataset, Review, has_no_content
from automm.errors import DataError, Problem


@dataclass(frozen=True)
class PictureStore:
    """The decoded pictures of a data set.

    Attributes:
        pixels: (k, size, size, 3) uint8, the distinct pictures, memory-mapped.
        row: the row of `pixels` of each path that could be read.
        bad: the reason, for each path that could not be read.
        digests: sha256 of the file, for each path whose bytes could be read.
        items: (k,) S16, a digest of each row of `pixels`, made from its file and the way of decoding.
    """

    pixels: np.ndarray
    row: dict[Path, int]
    bad: dict[Path, str]
    digests: dict[Path, str]
    items: np.ndarray


def prepare_pictures(
    paths: Sequence[Path],
    size: int,
    cache_dir: Path,
    progress: Progress | None = None,
    *,
    limit: int | None = None,
) -> PictureStore:
    """Decode each distinct picture once, or reuse it from the cache.

    Args:
        paths: pictures; repeated paths are allowed.
        size: the side of the decoded square.
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
        return PictureStore(np.zeros((0, size, size, 3), np.uint8), {}, bad, digests, item_digests([]))
    key = hashlib.sha256(json.dumps([RECIPE, PIL.__version__, size, list(files)]).encode()).hexdigest()
    store = folder / f"{key[:32]}.u8"
    notes, gone, pixels = _opened(store, files, size, progress)
    mark_used(store)
    if limit is not None:
        keep_within(folder, limit, store)
    reasons = notes.malformed | gone
    place = {digest: row for row, digest in enumerate(notes.digests)}
    return PictureStore(
        pixels=pixels,
        row={path: place[digest] for path, digest in digests.items() if digest in place},
        bad=bad | {path: reasons[digest] for path, digest in digests.items() if digest in reasons},
        digests=digests,
        items=item_digests(f"{notes.recipe}\0{size}\0{digest}".encode() for digest in notes.digests),
    )


def _opened(
    store: Path, files: dict[str, Path], size: int, progress: Progress | None
) -> tuple[Notes, dict[str, str], np.ndarray]:
    """Open a set of decoded pictures, and decode it if it is not in the cache.

    Returns:
        The notes, the reasons why some files are no longer reachable (by digest), and the pixels, memory-mapped.
    """
    notes, gone = open_pictures(store), dict[str, str]()
    while True:
        if notes is None or {*notes.digests, *notes.malformed} != files.keys():
            notes, gone = write_pictures(store, files, f"{RECIPE}, Pillow {PIL.__version__}", size, progress)
        if not notes.digests:
            return notes, gone, np.zeros((0, size, size, 3), np.uint8)
        try:
            return notes, gone, np.memmap(store, np.uint8, "r", shape=(len(notes.digests), size, size, 3))
        except FileNotFoundError:  # another process removed it to free space
            notes = None


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
