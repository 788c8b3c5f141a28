"""What is seen of a picture without keeping its pixels: its form, its size, and what it can be recognised by."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import chain
from pathlib import Path

import numpy as np
from PIL import Image

from automm.data.digests import digest_files
from automm.data.files import in_order, portions
from automm.data.images import MALFORMED, PictureError, open_picture, pixels_of

SIDE, THUMBNAIL = 32, 8
AT_ONCE = 16  # pictures that a thread takes
GREY = np.array([0.299, 0.587, 0.114])


@dataclass(frozen=True, slots=True)
class Look:
    """One picture.

    Attributes:
        form: what the file holds, such as "JPEG", whatever its name says.
        width, height: in pixels, before any turning.
        animated: whether it has more frames than the first, which is all that is ever read.
        contrast: the largest difference of two pixels in one channel, 0 to 255, at 32 x 32.
        hash: 64 bits, of which near duplicates differ in few.
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
    looked = in_order(look_at, portions(list(first.values()), AT_ONCE))
    outcomes = dict(zip(first, chain.from_iterable(looked), strict=True))
    faults = {digest: str(outcome) for digest, outcome in outcomes.items() if isinstance(outcome, PictureError)}
    bad |= {path: faults[digest] for path, digest in digests.items() if digest in faults}
    seen = {digest: outcome for digest, outcome in outcomes.items() if isinstance(outcome, Look)}
    return Looks(digests, bad, seen, {digest: first[digest] for digest in seen})


def look_at(paths: Sequence[Path]) -> list[Look | PictureError]:
    """Each picture, or the reason why it cannot be read: the same that a search would meet."""
    facts: list[tuple[str, int, int, bool] | PictureError] = []
    pixels: list[np.ndarray] = []
    for path in paths:
        try:
            with open_picture(path) as picture:
                fact = str(picture.format), picture.width, picture.height, _animated(picture)
                pixels.append(pixels_of(picture, SIDE, oversampling=1))
                facts.append(fact)
        except PictureError as error:
            facts.append(error)
    if not pixels:
        return [fact for fact in facts if isinstance(fact, PictureError)]
    # All at once: for one small picture numpy takes as long as the decoder.
    seen = np.stack(pixels)
    channels = seen.transpose(0, 3, 1, 2).reshape(len(seen), 3, -1)
    contrasts = (channels.max(axis=2) - channels.min(axis=2)).max(axis=1)
    step = SIDE // THUMBNAIL
    cells = seen.reshape(-1, THUMBNAIL, step, THUMBNAIL, step, 3).mean(axis=(2, 4))
    details = zip(contrasts.tolist(), perceptual_hashes(seen), cells.round().astype(np.uint8), strict=True)
    return [fact if isinstance(fact, PictureError) else Look(*fact, *next(details)) for fact in facts]


def perceptual_hashes(pixels: np.ndarray) -> list[int]:
    """Which of a picture's 64 lowest frequencies are in the upper half, constant ones left out.

    The pHash of C. Zauner, Implementation and Benchmarking of Perceptual Image Hash Functions, 2010.

    Args:
        pixels: (n, 32, 32, 3) uint8.

    Returns:
        n numbers of 64 bits.
    """
    waves = _waves()
    lowest = (waves @ (pixels @ GREY) @ waves.T).reshape(-1, 64)
    upper = lowest >= np.sort(lowest, axis=1)[:, 32:33]
    return [int.from_bytes(bits.tobytes(), "big") for bits in np.packbits(upper, axis=1)]


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
