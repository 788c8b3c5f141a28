"""Distinct pictures, decoded once into a memory-mapped file that later runs find again."""

import hashlib
import json
import os
import tempfile
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import PIL

from automm.data.images import RECIPE, PictureError, decode_many, file_digest, in_order
from automm.data.reviews import Dataset, Review, nothing_left
from automm.errors import DataError

Progress = Callable[[str, int, int], None]

BAD_PICTURE = "picture dropped: unreadable"
BAD_PICTURE_REVIEW = "dropped: unreadable picture"
NOTHING_LEFT = "dropped: empty text"


@dataclass(frozen=True)
class PictureStore:
    """The pictures of a data set.

    Attributes:
        pixels: (k, size, size, 3) uint8, the distinct pictures, memory-mapped.
        row: a row of `pixels` for each path that could be read.
        bad: why not, for each that could not.
        digests: sha256 of the file, for each path whose bytes could be read.
        fingerprint: names the content of `pixels`.
    """

    pixels: np.ndarray
    row: dict[Path, int]
    bad: dict[Path, str]
    digests: dict[Path, str]
    fingerprint: str


def prepare_pictures(
    paths: Sequence[Path], size: int, cache_dir: Path, progress: Progress | None = None
) -> PictureStore:
    """Decode each distinct picture once, or find it decoded.

    Args:
        paths: pictures, repetitions allowed.
        size: the side of the decoded square.
        cache_dir: its folder "pictures" keeps what was decoded.
        progress: called as ("pictures decoded", done, total).
    """
    digests, bad = digest_files(paths)
    first: dict[str, Path] = {}
    for path, digest in digests.items():
        first.setdefault(digest, path)
    distinct = sorted(first)  # by content, so that the order of the reviews does not matter
    recipe = json.dumps([RECIPE, PIL.__version__, size, distinct])
    key = hashlib.sha256(recipe.encode()).hexdigest()
    if not distinct:
        return PictureStore(np.zeros((0, size, size, 3), np.uint8), {}, bad, digests, key)
    store = cache_dir / "pictures" / f"{key[:32]}.u8"
    notes = _read_notes(store, size)
    if notes is None:
        notes = _decode_into(store, [first[digest] for digest in distinct], distinct, size, progress)
    unreadable: dict[str, str] = notes["bad"]
    place = {digest: number for number, digest in enumerate(d for d in distinct if d not in unreadable)}
    if place:
        pixels: np.ndarray = np.memmap(store, np.uint8, "r", shape=(len(place), size, size, 3))
    else:
        pixels = np.zeros((0, size, size, 3), np.uint8)
    return PictureStore(
        pixels=pixels,
        row={path: place[digest] for path, digest in digests.items() if digest in place},
        bad=bad | {path: unreadable[digest] for path, digest in digests.items() if digest in unreadable},
        digests=digests,
        fingerprint=key,
    )


def digest_files(paths: Sequence[Path]) -> tuple[dict[Path, str], dict[Path, str]]:
    """The digest of each distinct path, and the reason for each that cannot be read at all."""
    distinct = list(dict.fromkeys(paths))
    digests, bad = {}, {}
    for path, outcome in zip(distinct, in_order(_digest, distinct), strict=True):
        if isinstance(outcome, OSError):
            bad[path] = f"cannot be read: {outcome.strerror or outcome}"
        else:
            digests[path] = outcome
    return digests, bad


def treat_bad_pictures(dataset: Dataset, store: PictureStore) -> Dataset:
    """Apply the manifest's images.on_bad to pictures that could not be read.

    Raises:
        DataError: on_bad is `error`, or a review is left with neither text nor picture.
    """
    rule = dataset.manifest.images.on_bad
    kept: list[Review] = []
    problems: list[str] = []
    treated: list[str] = []
    for review in dataset.reviews:
        bad = [path for path in review.images if path in store.bad]
        if bad and rule == "error":
            problems += [
                f"{review.where}: picture '{path}': {store.bad[path]}. Replace it, or set images.on_bad: drop-image"
                for path in bad
            ]
        elif bad and rule == "drop-review":
            treated.append(BAD_PICTURE_REVIEW)
        elif bad:
            treated += [BAD_PICTURE] * len(bad)
            left = tuple(path for path in review.images if path not in store.bad)
            if not nothing_left(review.text, left):
                kept.append(replace(review, images=left))
            elif dataset.manifest.text.on_empty == "drop":
                treated.append(NOTHING_LEFT)
            else:
                problems.append(
                    f"{review.where}: neither text nor readable picture. Remove it, or set text.on_empty: drop"
                )
        else:
            kept.append(review)
    if not problems and not kept:
        problems.append(f"{dataset.manifest.file.name}: no review is left without its unreadable pictures")
    if problems:
        raise DataError(problems)
    return dataset.keep(kept, treated)


def _digest(path: Path) -> str | OSError:
    try:
        return file_digest(path)
    except OSError as error:
        return error


def _decode_into(
    store: Path, paths: list[Path], digests: list[str], size: int, progress: Progress | None
) -> dict[str, Any]:
    """Write the pixels, then the notes: only both together count as there."""
    store.parent.mkdir(parents=True, exist_ok=True)
    bad: dict[str, str] = {}
    checksum = 0
    handle, name = tempfile.mkstemp(prefix=store.stem, suffix=".tmp", dir=store.parent)
    temporary = Path(name)
    try:
        temporary.chmod(0o644)  # mkstemp makes it unreadable to the others of a shared cache
        with os.fdopen(handle, "wb") as file:
            for place, outcome in decode_many(paths, size):
                if isinstance(outcome, PictureError):
                    bad[digests[place]] = str(outcome)
                else:
                    raw = outcome.tobytes()
                    checksum = zlib.crc32(raw, checksum)
                    file.write(raw)
                if progress is not None:
                    progress("pictures decoded", place + 1, len(paths))
            file.flush()
            os.fsync(file.fileno())
        notes = {"size": size, "count": len(paths) - len(bad), "crc32": checksum, "bad": bad}
        temporary.replace(store)
        temporary.write_text(json.dumps(notes), encoding="utf-8")
        temporary.replace(_notes_file(store))
    finally:
        temporary.unlink(missing_ok=True)
    return notes


def _read_notes(store: Path, size: int) -> dict[str, Any] | None:
    """What is known of a stored file; None if it is absent, truncated or corrupt."""
    try:
        notes: dict[str, Any] = json.loads(_notes_file(store).read_text(encoding="utf-8"))
        sound = (
            isinstance(notes["bad"], dict)
            and notes["size"] == size
            and store.stat().st_size == notes["count"] * size * size * 3
            and _checksum(store) == notes["crc32"]
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return notes if sound else None


def _checksum(file: Path) -> int:
    checksum = 0
    with file.open("rb") as content:
        while chunk := content.read(2**22):
            checksum = zlib.crc32(chunk, checksum)
    return checksum


def _notes_file(store: Path) -> Path:
    return store.with_suffix(".json")
