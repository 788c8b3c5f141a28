"""What is seen of a picture without keeping its pixels: its form, its size, and what it can be recognised by."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image

from automm.data.digests import digest_files
from automm.data.files import in_order
from automm.data.images import MALFORMED, PictureError, open_picture, pixels_of

SIDE, THUMBNAIL = 32, 8
GREY = np.array([0.299, 0.587, 0.114])


@dataclass(frozen=True, slots=True)
class Look:
    """One picture.

    Attributes:
        form: what the file holds, such as "JPEG", whatever its name says.
        width, height: in pixels, before any turning.
        size: of the file, in bytes.
        animated: whether it has more frames than the first, which is all that is ever read.
        contrast: the largest difference of two pixels in one channel, 0 to 255, at 32 x 32.
        hash: 64 bits, of which near duplicates differ in few.
        thumbnail: (8, 8, 3) uint8.
    """

    form: str
    width: int
    height: int
    size: int
    animated: bool
    contrast: int
    hash: int
    thumbnail: np.ndarray


@dataclass(frozen=True)
class Looks:
    """Many pictures.

    Attributes:
        digests: sha256 of the file, for each path whose bytes could be read.
        bad: why not, for each path that cannot be read as a picture.
        seen: what is seen of each readable picture, by digest.
        path: a file of each readable picture, by digest.
    """

    digests: Mapping[Path, str]
    bad: Mapping[Path, str]
    seen: Mapping[str, Look]
    path: Mapping[str, Path]


def look_at_all(paths: Sequence[Path]) -> Looks:
    """Decode each distinct picture once, small; repetitions allowed."""
    digests, bad = digest_files(paths)
    first: dict[str, Path] = {}
    for path, digest in digests.items():
        first.setdefault(digest, path)
    outcomes = dict(zip(first, in_order(look_at, list(first.values())), strict=True))
    faults = {digest: str(outcome) for digest, outcome in outcomes.items() if isinstance(outcome, PictureError)}
    bad |= {path: faults[digest] for path, digest in digests.items() if digest in faults}
    seen = {digest: outcome for digest, outcome in outcomes.items() if isinstance(outcome, Look)}
    return Looks(digests, bad, seen, {digest: first[digest] for digest in seen})


def look_at(path: Path) -> Look | PictureError:
    """One picture, or the reason why it cannot be read: the same that a search would meet."""
    try:
        size = path.stat().st_size
        with open_picture(path) as picture:
            form, (width, height) = str(picture.format), picture.size
            animated = _animated(picture)
            pixels = pixels_of(picture, SIDE)
    except PictureError as error:
        return error
    except OSError as error:
        return PictureError(f"cannot be read: {error.strerror or error}")
    flat = pixels.reshape(-1, 3)
    contrast = int((flat.max(axis=0) - flat.min(axis=0)).max())
    step = SIDE // THUMBNAIL
    cells = pixels.reshape(THUMBNAIL, step, THUMBNAIL, step, 3).mean(axis=(1, 3))
    return Look(form, width, height, size, animated, contrast, perceptual_hash(pixels), cells.round().astype(np.uint8))


def perceptual_hash(pixels: np.ndarray) -> int:
    """Which of a picture's 64 lowest frequencies are above their median, constant ones left out.

    The pHash of C. Zauner, Implementation and Benchmarking of Perceptual Image Hash Functions, 2010.

    Args:
        pixels: (32, 32, 3) uint8.
    """
    waves = _waves()
    lowest = (waves @ (pixels @ GREY) @ waves.T).ravel()
    return int.from_bytes(np.packbits(lowest > np.median(lowest)).tobytes(), "big")


@cache
def _waves() -> np.ndarray:
    """(8, 32): cosines of one to eight half periods."""
    places = (np.arange(SIDE) + 0.5) * np.pi / SIDE
    return np.cos(np.arange(1, 9)[:, None] * places)


def _animated(picture: Image.Image) -> bool:
    """Whether a second frame can be found. A phone's JPEG may hold a second picture (MPO), which is no animation."""
    if picture.format == "MPO":
        return False
    try:
        return bool(getattr(picture, "is_animated", False))
    except MALFORMED:  # of what lies behind the first frame, which is all that is read
        return False
