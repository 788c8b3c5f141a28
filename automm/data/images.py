"""A picture file becomes pixels, whatever its colour mode, or a named reason why not."""

import errno
import hashlib
import os
import stat
import struct
import threading
import warnings
import zlib
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from io import BufferedReader
from pathlib import Path
from typing import TypeVar

import numpy as np
from PIL import Image, UnidentifiedImageError

RECIPE = "rgb-squash-bicubic-1"  # names what decode_picture does; another way of doing it needs another name
FORMATS = ("JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF", "AVIF", "MPO")
MAX_BYTES = 50 * 2**20
MAX_PIXELS = 100_000_000

# What Pillow's decoders raise on malformed files, found by feeding them such files.
_MALFORMED = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    IndexError,
    KeyError,
    TypeError,
    AttributeError,
    AssertionError,
    OverflowError,
    NotImplementedError,
    RuntimeError,
    MemoryError,
    struct.error,
    zlib.error,
)

_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_ORIENTATION = 0x0112

T = TypeVar("T")


class PictureError(ValueError):
    """A picture that cannot be read; the message is the reason in words."""


def decode_picture(path: Path, size: int) -> np.ndarray:
    """Read one picture.

    The first frame of an animation; turned as its EXIF data say; transparency on white; squashed to a
    square by bicubic interpolation.

    Args:
        path: a file of one of `FORMATS`, recognised by its content.
        size: the side of the result.

    Returns:
        (size, size, 3) uint8 RGB.

    Raises:
        PictureError: not there, empty, too large, truncated, malformed, or not a picture.
    """
    with _quiet_pillow():
        try:
            if path.is_symlink() or not path.is_file():
                raise PictureError("not a file")
            with _open_file(path) as file:
                length = os.fstat(file.fileno()).st_size
                if length == 0:
                    raise PictureError("zero bytes")
                if length > MAX_BYTES:
                    raise PictureError(f"{length / 2**20:.0f} MB, the limit is {MAX_BYTES // 2**20} MB")
                with _open(file) as picture:
                    return _pixels(picture, size)
        except PictureError:
            raise
        except Image.DecompressionBombError as error:
            raise PictureError(f"too many pixels, the limit is {MAX_PIXELS // 10**6} million") from error
        except UnidentifiedImageError as error:
            raise PictureError(f"not a picture of a known format ({', '.join(FORMATS)})") from error
        except PermissionError as error:
            raise PictureError("no permission to read it") from error
        except _MALFORMED as error:
            reason = " ".join(str(error).split()) or type(error).__name__
            raise PictureError(f"truncated or malformed: {reason}") from error


def decode_many(
    paths: Sequence[Path], size: int, workers: int | None = None
) -> Iterator[tuple[int, np.ndarray | PictureError]]:
    """Read pictures on several threads.

    Yields:
        The place in `paths` and the pixels or the reason why not, in order; only a few are held at a time.
    """

    def attempt(path: Path) -> np.ndarray | PictureError:
        try:
            return decode_picture(path, size)
        except PictureError as error:
            return error

    yield from enumerate(in_order(attempt, paths, workers))


def in_order(function: Callable[[Path], T], paths: Sequence[Path], workers: int | None = None) -> Iterator[T]:
    """`function` of each path, in order, computed on threads a bounded way ahead."""
    threads = workers or min(32, (os.cpu_count() or 1) + 4)
    with ThreadPoolExecutor(threads) as pool:
        waiting: deque[Future[T]] = deque()
        try:
            for path in paths:
                waiting.append(pool.submit(function, path))
                if len(waiting) > 2 * threads:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def file_digest(path: Path) -> str:
    """sha256 of a file's bytes, hexadecimal. Raises OSError."""
    with _open_file(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _open_file(path: Path) -> BufferedReader:
    """A regular file. Whoever named it has looked where its links lead, so a link met here is refused.

    Raises:
        OSError: not there, not readable, a folder, a pipe, a symbolic link.
    """
    # O_NONBLOCK: a pipe put in its place must not block the reader. Not every platform has each flag.
    flags = os.O_RDONLY
    for name in ("O_NOFOLLOW", "O_NONBLOCK", "O_CLOEXEC", "O_BINARY"):
        flags |= getattr(os, name, 0)
    handle = os.open(path, flags)
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise OSError(errno.EINVAL, "not a regular file", str(path))
    return os.fdopen(handle, "rb")


def _open(file: object) -> Image.Image:
    Image.init()  # an older Pillow knows fewer formats, and refuses a list with an unknown one
    return Image.open(file, formats=[name for name in FORMATS if name in Image.OPEN])  # type: ignore[arg-type]


def _pixels(picture: Image.Image, size: int) -> np.ndarray:
    if picture.width * picture.height > MAX_PIXELS:
        raise PictureError(f"{picture.width} x {picture.height} pixels, the limit is {MAX_PIXELS // 10**6} million")
    if picture.format in ("JPEG", "MPO"):
        picture.draft("RGB", (2 * size, 2 * size))  # decodes at a half, a quarter or an eighth of the size
    picture.load()
    turn = _TURNS.get(_orientation(picture))  # after load: some formats turn themselves there, and say so
    small = _rgb(picture).resize((size, size), Image.Resampling.BICUBIC, reducing_gap=2.0)
    turned = small.transpose(turn) if turn is not None else small
    return np.array(turned, np.uint8)


def _orientation(picture: Image.Image) -> int:
    """1 to 8; 1 (upright) where the EXIF data are absent or broken, which does not harm the pixels."""
    try:
        value = picture.getexif().get(_ORIENTATION, 1)
    except _MALFORMED:
        return 1
    return value if isinstance(value, int) else 1


def _rgb(picture: Image.Image) -> Image.Image:
    mode = picture.mode
    if mode == "I" or mode.startswith("I;16"):
        # 16-bit grey: Pillow's own conversion clips everything over 255 to white.
        picture = Image.fromarray((np.clip(np.asarray(picture, np.float64), 0, 65535) / 257).astype(np.uint8))
    elif mode == "F":
        values = np.nan_to_num(np.asarray(picture, np.float64), nan=0.0, posinf=255.0, neginf=0.0)
        scale = 255.0 if values.size and values.max() <= 1.0 else 1.0
        picture = Image.fromarray(np.clip(values * scale, 0, 255).astype(np.uint8))
    elif mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in picture.info:
        # Premultiplied modes have one way out, which is not to RGBA for La.
        straight = picture.convert("LA") if mode == "La" else picture
        rgba = straight.convert("RGBA")
        white = Image.new("RGBA", rgba.size, (255, 255, 255, 255))
        picture = Image.alpha_composite(white, rgba)
    return picture.convert("RGB")


class _Quiet:
    """How many threads are reading, and the warning filters to restore when none is."""

    lock = threading.Lock()
    users = 0
    stack = ExitStack()


@contextmanager
def _quiet_pillow() -> Iterator[None]:
    """Pillow's warnings (large pictures, broken EXIF data) are ignored while any thread reads.

    The filters belong to the process, so that only the first thread sets them and the last restores them.
    """
    with _Quiet.lock:
        _Quiet.users += 1
        if _Quiet.users == 1:
            _Quiet.stack.enter_context(warnings.catch_warnings())
            warnings.filterwarnings("ignore", module=r"PIL\.")
    try:
        yield
    finally:
        with _Quiet.lock:
            _Quiet.users -= 1
            if _Quiet.users == 0:
                _Quiet.stack.close()
