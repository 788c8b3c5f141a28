"""What is seen of a picture without keeping its pixels: its form, its size, and what it can be recognised by."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image

from automm.data.files import digest_and_bytes, in_order, is_path_error, portions, read_failure
from automm.data.images.decode import PictureError, malformed_named, open_picture, pixels_of, quiet_pillow

SIDE, THUMBNAIL = 32, 8
AT_ONCE = 16  # pictures that a thread takes
GREY = np.array([0.299, 0.587, 0.114])


@dataclass(frozen=True, slots=True)
class Inspection:
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
class Inspections:
    """Many pictures.

    Attributes:
        digests: sha256 of the file, for each path whose bytes could be read.
        bad: why not, for each path that cannot be read as a picture.
        seen: what is seen of each readable picture, by digest.
        path: a file of each readable picture, by digest.
    """

    digests: Mapping[Path, str]
    bad: Mapping[Path, str]
    seen: Mapping[str, Inspection]
    path: Mapping[str, Path]


def inspect_all(paths: Sequence[Path]) -> Inspections:
    """Read each file once and decode each distinct picture once, small; repetitions allowed.

    Raises:
        DataError: the machine has failed to read a file, such as for too many open files.
    """
    distinct = list(dict.fromkeys(paths))
    begun: set[str] = set()  # which digests; two threads that begin one at once see the same
    digests: dict[Path, str] = {}
    bad: dict[Path, str] = {}
    seen: dict[str, Inspection | PictureError] = {}
    with quiet_pillow():
        for of_paths, of_digests in in_order(lambda some: _look_at_new(some, begun), portions(distinct, AT_ONCE)):
            seen |= of_digests
            for path, outcome in of_paths.items():
                if isinstance(outcome, OSError):
                    bad[path] = f"cannot be read: {outcome.strerror or outcome}"
                else:
                    digests[path] = outcome
    first: dict[str, Path] = {}
    for path, digest in digests.items():
        fault = seen[digest]
        if isinstance(fault, PictureError):
            bad[path] = str(fault)
        first.setdefault(digest, path)
    good = {digest: look for digest in first if isinstance(look := seen[digest], Inspection)}
    return Inspections(digests, bad, good, {digest: first[digest] for digest in good})


def _look_at_new(
    paths: Sequence[Path], begun: set[str]
) -> tuple[dict[Path, str | OSError], dict[str, Inspection | PictureError]]:
    """The digest of each file, or why it cannot be read, and a look at those that nobody has begun to look at."""
    digests: dict[Path, str | OSError] = {}
    new: list[str] = []

    def contents() -> Iterator[tuple[Path, bytes | None]]:  # one at a time: sixteen large ones would fill memory
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

    looks = inspect_images(contents())
    return digests, dict(zip(new, looks, strict=True))


def inspect_images(sources: Iterable[tuple[Path, bytes | None]]) -> list[Inspection | PictureError]:
    """Each picture, or the reason why it cannot be read: the same that a search would meet.

    Args:
        sources: a file, and its bytes where they have been read.

    Raises:
        DataError: the machine has failed to read a file.
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
    # All at once, and along what lies side by side: numpy would take as long for each as the decoder.
    seen = np.stack(pixels)
    channels = np.ascontiguousarray(seen.reshape(len(seen), -1, 3).transpose(0, 2, 1))
    contrasts = (channels.max(axis=2) - channels.min(axis=2)).max(axis=1)
    step = SIDE // THUMBNAIL
    rows = seen.reshape(len(seen), THUMBNAIL, step, SIDE * 3).sum(axis=2, dtype=np.uint16)
    cells = rows.reshape(len(seen), THUMBNAIL, THUMBNAIL, step, 3).sum(axis=3, dtype=np.uint16) / step**2
    details = zip(contrasts.tolist(), perceptual_hashes(seen), cells.round().astype(np.uint8), strict=True)
    return [fact if isinstance(fact, PictureError) else Inspection(*fact, *next(details)) for fact in facts]


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
        with malformed_named():
            return bool(getattr(picture, "is_animated", False))
    except PictureError:  # of what lies behind the first frame, which is all that is read
        return False
