"""A picture file becomes pixels, whatever its colour mode, or a named reason why not.

The table of pictures in docs/manifest.md is decided here, and by `image_root` where a name leads to no file.
"""

import errno
import io
import os
import struct
import threading
import warnings
import zlib
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image, UnidentifiedImageError

from automm.data.files import READ_WHOLE, NotAFileError, in_order, is_path_error, read_failure, read_file

RECIPE = "rgb-squash-bicubic-2"  # names what decode_picture does; another way of doing it needs another name
FORMATS = ("JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF", "AVIF")  # Pillow reads MPO as a kind of JPEG
MAX_BYTES = 50 * 2**20
MAX_PIXELS = 100_000_000
LARGE_PIXELS = 16_000_000  # pictures beyond it, once JPEG's draft mode has made them smaller, are read one at a time

# What Pillow raises on malformed files, found by feeding it such files. Of OSErrors only those that `_is_of_decoder`
# tells from the system's.
MALFORMED = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    IndexError,
    KeyError,
    AttributeError,
    OverflowError,
    NotImplementedError,
    RuntimeError,
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
_ONE_LARGE = threading.Lock()  # several at once could take gigabytes


class PictureError(ValueError):
    """A picture that cannot be read; the message is the reason in words."""


class UnreachableError(PictureError):
    """No file that may be read is at the path, which says nothing of a file with the same bytes elsewhere."""


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
        PictureError: empty, too large, truncated, malformed, or not a picture.
        UnreachableError: not there, no file, or no permission.
        DataError: the machine has failed to read it, such as for too many open files.
    """
    try:
        with open_picture(path) as picture:
            return pixels_of(picture, size)
    except (OSError, MemoryError) as error:
        raise read_failure(path, error) from error


@contextmanager
def open_picture(source: Path | bytes) -> Iterator[Image.Image]:
    """A picture file, or what it holds, opened and not yet decoded.

    Raises:
        PictureError: as `decode_picture`.
        OSError, MemoryError: the machine has failed to read it.
    """
    with quiet_pillow(), ExitStack() as opened:
        try:
            file = opened.enter_context(_file(source))
        except OSError as error:
            if not is_path_error(error):
                raise
            raise UnreachableError(_absence(error)) from error
        with malformed_named():
            picture = opened.enter_context(Image.open(file, formats=known_formats()))
        yield picture


@contextmanager
def malformed_named() -> Iterator[None]:
    """Around calls of Pillow that read a file: what it raises on malformed or too large ones becomes a PictureError.

    Raises:
        PictureError: see above.
        OSError, MemoryError: the machine has failed to read it.
    """
    try:
        yield
    except PictureError:
        raise
    except Image.DecompressionBombError as error:
        raise PictureError(f"too many pixels, the limit is {MAX_PIXELS // 10**6} million") from error
    except UnidentifiedImageError as error:
        raise PictureError(f"not a picture of a known format ({', '.join(known_formats())})") from error
    except MALFORMED as error:
        if isinstance(error, OSError) and not _is_of_decoder(error):
            raise
        if "out of memory" in str(error).lower():  # as Pillow's decoders say it, without MemoryError
            raise MemoryError(str(error)) from error
        reason = " ".join(str(error).split()) or type(error).__name__
        raise PictureError(f"truncated or malformed: {reason}") from error


def _is_of_decoder(error: OSError) -> bool:
    """Pillow's own have no number; EINVAL is of a malformed file that has Pillow seek to before its beginning."""
    return error.errno in (None, errno.EINVAL)


def _absence(error: OSError) -> str:
    if isinstance(error, NotAFileError):
        return str(error.strerror)
    if isinstance(error, PermissionError):
        return "no permission to read it"
    return "not there"


def _file(source: Path | bytes) -> BinaryIO:
    """Small files in memory: decoders read them in tens of small steps. Raises PictureError, OSError."""
    content = source if isinstance(source, bytes) else read_file(source, min(READ_WHOLE, MAX_BYTES))
    if not isinstance(content, bytes):
        length = os.fstat(content.fileno()).st_size
        if length > MAX_BYTES:
            content.close()
            raise PictureError(f"{length / 2**20:.0f} MB, the limit is {MAX_BYTES // 2**20} MB")
        return content
    if not content:
        raise PictureError("zero bytes")
    return io.BytesIO(content)


def decode_many(
    paths: Sequence[Path], size: int, workers: int | None = None
) -> Iterator[tuple[int, np.ndarray | PictureError]]:
    """Read pictures on several threads.

    Yields:
        The place in `paths` and the pixels or the reason why not, in order; only a few are held at a time.

    Raises:
        DataError: as `decode_picture`.
    """

    def attempt(path: Path) -> np.ndarray | PictureError:
        try:
            return decode_picture(path, size)
        except PictureError as error:
            return error

    with quiet_pillow():
        yield from enumerate(in_order(attempt, paths, workers))


def known_formats() -> list[str]:
    """Those of `FORMATS` that this Pillow reads: an older one knows fewer."""
    Image.init()
    return [name for name in FORMATS if name in Image.OPEN]


def pixels_of(picture: Image.Image, size: int, oversampling: int = 2) -> np.ndarray:
    """The pixels of an opened picture, as `decode_picture` gives them, which says how.

    A JPEG is decoded at least `oversampling` times as large as is asked for.
    """
    if picture.width * picture.height > MAX_PIXELS:
        raise PictureError(f"{picture.width} x {picture.height} pixels, the limit is {MAX_PIXELS // 10**6} million")
    whole = picture.width * picture.height
    with malformed_named():
        if picture.format in ("JPEG", "MPO"):  # decodes at a half, a quarter or an eighth of the size
            picture.draft("RGB", (oversampling * size, oversampling * size))
        # The decoder holds all of a progressive picture, however small it is decoded.
        held = whole if picture.info.get("progressive") else picture.width * picture.height
        with _ONE_LARGE if held > LARGE_PIXELS else nullcontext():
            _load(picture)
            turn = _TURNS.get(_orientation(picture))  # after load: some formats turn themselves there, and say so
            small = _small(picture, size)
    turned = small.transpose(turn) if turn is not None else small
    return np.frombuffer(turned.tobytes(), np.uint8).reshape(size, size, 3)  # asarray would copy them once more


def _load(picture: Image.Image) -> None:
    try:
        picture.load()
    # Pillow 13 seeks to where a TIFF says that its strips begin, be it at 3.5, and divides by the time scale of an
    # AVIF, be it 0.
    except (TypeError, ZeroDivisionError) as error:
        raise PictureError(f"truncated or malformed: {error}") from error


def _orientation(picture: Image.Image) -> int:
    """1 to 8; 1 (upright) where the EXIF data are absent or broken, which does not harm the pixels."""
    try:
        with malformed_named():
            value = picture.getexif().get(_ORIENTATION, 1)
    except PictureError:
        return 1
    return value if isinstance(value, int) else 1


def _small(picture: Image.Image, size: int) -> Image.Image:
    """RGB, squashed to a square."""
    mode = picture.mode
    if mode == "I" or mode.startswith("I;16"):
        # 16-bit grey: Pillow's own conversion clips everything over 255 to white.
        picture = Image.fromarray((np.clip(np.asarray(picture), 0, 65535) // 257).astype(np.uint8))
    elif mode == "F":
        values = np.nan_to_num(np.asarray(picture, np.float32), nan=0.0, posinf=255.0, neginf=0.0)
        scale = 255.0 if values.size and values.max() <= 1.0 else 1.0
        picture = Image.fromarray(np.clip(values * scale, 0, 255).astype(np.uint8))
    elif mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in picture.info:
        # Premultiplied modes have one way out, which is not to RGBA for La.
        straight = picture.convert("LA") if mode == "La" else picture
        rgba = _squashed(straight.convert("RGBA"), size)  # Pillow weighs colours by their opacity here
        white = Image.new("RGBA", rgba.size, (255, 255, 255, 255))
        return Image.alpha_composite(white, rgba).convert("RGB")
    return _squashed(picture if picture.mode == "RGB" else picture.convert("RGB"), size)


def _squashed(picture: Image.Image, size: int) -> Image.Image:
    if picture.size == (size, size):
        return picture
    return picture.resize((size, size), Image.Resampling.BICUBIC, reducing_gap=2.0)


class _Quiet:
    """How many threads are reading, and the warning filters to restore when none is."""

    lock = threading.Lock()
    users = 0
    stack = ExitStack()


@contextmanager
def quiet_pillow() -> Iterator[None]:
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
