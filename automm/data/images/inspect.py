"""Inspect pictures without keeping their pixels: format, size, contrast, perceptual hash and thumbnail."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image

from automm.data.files import digest_and_bytes, in_order, is_path_error, portions, read_failure
from automm.data.images.decode import PictureError, open_picture, picture_errors, pixels_of, quiet_pillow

SIDE, THUMBNAIL = 32, 8
AT_ONCE = 16  # pictures that a thread takes at a time
GREY = np.array([0.299, 0.587, 0.114])


@dataclass(frozen=True, slots=True)
class Inspection:
    """One picture as the checks see it.

    Attributes:
        form: its format by content, such as "JPEG", whatever its name says.
        width, height: in pixels, before any rotation.
        animated: whether it has more frames than the first, which is the only one that is read.
        contrast: the largest difference between two pixels in one channel, 0 to 255, at 32 x 32.
        hash: a perceptual hash of 64 bits; near duplicates differ in a few.
        thumbnail: (8, 8, 3) uint8.
    """

    form: str
    width: int
    height: int
    animated: bool
    contrast: int
    hash: int
    thumbnail: np.ndarray


@dataclass(frozen=True)
class Inspections:
    """The inspections of many pictures.

    Attributes:
        digests: sha256 of the file, for each path whose bytes could be read.
        bad: the reason, for each path that cannot be read as a picture.
        by_digest: the inspection of each readable picture.
        path: a file of each readable picture, by digest.
    """

    digests: Mapping[Path, str]
    bad: Mapping[Path, str]
    by_digest: Mapping[str, Inspection]
    path: Mapping[str, Path]


def inspect_all(paths: Sequence[Path]) -> Inspections:
    """Read each file once and inspect each distinct picture once; repeated paths are allowed.

    Raises:
        DataError: the machine failed to read a file, for example because of too many open files.
    """
    distinct = list(dict.fromkeys(paths))
    begun: set[str] = set()  # digests; if two threads begin one at the same time, their results are equal
    digests: dict[Path, str] = {}
    bad: dict[Path, str] = {}
    outcomes: dict[str, Inspection | PictureError] = {}
    with quiet_pillow():
        for by_path, by_digest in in_order(lambda some: _inspect_new(some, begun), portions(distinct, AT_ONCE)):
            outcomes |= by_digest
            for path, digest_or_error in by_path.items():
                if isinstance(digest_or_error, OSError):
                    bad[path] = f"cannot be read: {digest_or_error.strerror or digest_or_error}"
                else:
                    digests[path] = digest_or_error
    first: dict[str, Path] = {}
    for path, digest in digests.items():
        fault = outcomes[digest]
        if isinstance(fault, PictureError):
            bad[path] = str(fault)
        first.setdefault(digest, path)
    good = {digest: outcome for digest in first if isinstance(outcome := outcomes[digest], Inspection)}
    return Inspections(digests, bad, good, {digest: first[digest] for digest in good})


def _inspect_new(
    paths: Sequence[Path], begun: set[str]
) -> tuple[dict[Path, str | OSError], dict[str, Inspection | PictureError]]:
    """Inspect the pictures that no thread has begun.

    Args:
        begun: digests of pictures that were begun; updated.

    Returns:
        The digest of each file, or why it cannot be read; and the inspections of the new pictures, by digest.
    """
    digests: dict[Path, str | OSError] = {}
    new: list[str] = []

    def contents() -> Iterator[tuple[Path, bytes | None]]:  # one at a time: sixteen large files would fill memory
        for path in paths:
            try:
                digest, content = digest_and_bytes(path)
            except OSError as error:
                if not is_path_error(error):
                    raise read_failure(path, error) from error
                digests[path] = error
                continue
            digests[path] = digest
            if digest not in begun:
                begun.add(digest)
                new.append(digest)
                yield path, content

    inspections = inspect_images(contents())
    return digests, dict(zip(new, inspections, strict=True))


def inspect_images(sources: Iterable[tuple[Path, bytes | None]]) -> list[Inspection | PictureError]:
    """Inspect pictures.

    Args:
        sources: files, each with its bytes if they were read already.

    Returns:
        Per source its inspection, or why it cannot be read (the error that a search would report).

    Raises:
        DataError: the machine failed to read a file.
    """
    facts: list[tuple[str, int, int, bool] | PictureError] = []
    pixels: list[np.ndarray] = []
    for path, content in sources:
        try:
            with open_picture(path if content is None else content) as picture:
                fact = str(picture.format), picture.width, picture.height, _animated(picture)
                pixels.append(pixels_of(picture, SIDE, oversampling=1))
                facts.append(fact)
        except PictureError as error:
            facts.append(error)
        except (OSError, MemoryError) as error:
            raise read_failure(path, error) from error
    if not pixels:
        return [fact for fact in facts if isinstance(fact, PictureError)]
    # All pictures at once, along contiguous axes: one by one, numpy would take as long as the decoder.
    stack = np.stack(pixels)
    channels = np.ascontiguousarray(stack.reshape(len(stack), -1, 3).transpose(0, 2, 1))
    contrasts = (channels.max(axis=2) - channels.min(axis=2)).max(axis=1)
    step = SIDE // THUMBNAIL
    rows = stack.reshape(len(stack), THUMBNAIL, step, SIDE * 3).sum(axis=2, dtype=np.uint16)
    cells = rows.reshape(len(stack), THUMBNAIL, THUMBNAIL, step, 3).sum(axis=3, dtype=np.uint16) / step**2
    details = zip(contrasts.tolist(), perceptual_hashes(stack), cells.round().astype(np.uint8), strict=True)
    return [fact if isinstance(fact, PictureError) else Inspection(*fact, *next(details)) for fact in facts]


def perceptual_hashes(pixels: np.ndarray) -> list[int]:
    """Return a 64-bit perceptual hash of each picture.

    A bit says whether one of the 64 lowest non-constant frequencies is in the upper half. This is the pHash of
    C. Zauner, Implementation and Benchmarking of Perceptual Image Hash Functions, 2010.

    Args:
        pixels: (n, 32, 32, 3) uint8.

    Returns:
        n integers of 64 bits.
    """
    waves = _waves()
    lowest = (waves @ (pixels @ GREY) @ waves.T).reshape(-1, 64)
    upper = lowest >= np.sort(lowest, axis=1)[:, 32:33]
    return [int.from_bytes(bits.tobytes(), "big") for bits in np.packbits(upper, axis=1)]


@cache
def _waves() -> np.ndarray:
    """Return cosines of one to eight half periods, (8, 32)."""
    places = (np.arange(SIDE) + 0.5) * np.pi / SIDE
    return np.cos(np.arange(1, 9)[:, None] * places)


def _animated(picture: Image.Image) -> bool:
    """Return whether there is a second frame. The second picture in a phone's JPEG (MPO) is not one."""
    if picture.format == "MPO":
        return False
    try:
        with picture_errors():
            return bool(getattr(picture, "is_animated", False))
    except PictureError:  # the data after the first frame are malformed; only the first frame is read
        return False
