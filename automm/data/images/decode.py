"""Decode a picture file of any colour mode to RGB pixels, or say why it cannot be read.

This module and `root.py` (names without a file) implement the table of pictures in docs/manifest.md.
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
from automm.data.images.resampling import PictureForm, square

DRAFTED = ("JPEG", "MPO")  # formats that can be decoded at a half, a quarter or an eighth of their size
FORMATS = ("JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF", "AVIF")  # Pillow reads MPO as a kind of JPEG
MAX_BYTES = 50 * 2**20
MAX_PIXELS = 100_000_000
OVERSAMPLING = 2  # a JPEG is decoded at this many times the wanted size or more, then reduced
LARGE_PIXELS = 16_000_000  # larger pictures, after JPEG's draft mode has shrunk them, are read one at a time

# What Pillow raises on malformed files, found by feeding it such files. `_is_of_decoder` distinguishes its OSErrors
# from the system's.
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
_HEIC = tuple(b"ftyp" + brand for brand in (b"heic", b"heix", b"heim", b"heis", b"hevc"))
_ORIENTATION = 0x0112
_ONE_LARGE = threading.Lock()  # several large pictures at once could take gigabytes


class PictureError(ValueError):
    """A picture cannot be read; the message is the reason in words."""


class UnreachableError(PictureError):
    """There is no readable file at a path. A file with the same bytes elsewhere may be fine."""


def decode_picture(path: Path, size: int) -> np.ndarray:
    """Decode one picture in the usual form: squashed to a square by bicubic interpolation.

    Returns:
        (size, size, 3) uint8 RGB.

    Raises:
        PictureError, UnreachableError, DataError: as `decode_forms`.
    """
    return decode_forms(path, [PictureForm(size)])[0]


def decode_forms(path: Path, forms: Sequence[PictureForm]) -> list[np.ndarray]:
    """Decode one picture in several forms; each is the same whichever others there are.

    The first frame of an animation is read and rotated by its EXIF orientation. Transparent parts become white. A
    picture is decoded once, but a JPEG once for forms of each size: smaller ones are decoded from fewer pixels.

    Args:
        path: a file in one of `FORMATS`, recognised by content.

    Returns:
        (size, size, 3) uint8 RGB each.

    Raises:
        PictureError: the file is empty, too large, truncated, malformed, or not a picture.
        UnreachableError: there is no file, or no permission to read it.
        DataError: the machine failed to read it, for example because of too many open files.
    """
    found: dict[PictureForm, np.ndarray] = {}
    try:
        while left := [form for form in forms if form not in found]:
            with open_picture(path) as picture:
                if picture.format in DRAFTED:
                    left = [form for form in left if form.draft(OVERSAMPLING) == left[0].draft(OVERSAMPLING)]
                found |= zip(left, _pixels_of(picture, left, OVERSAMPLING), strict=True)
    except (OSError, MemoryError) as error:
        raise read_failure(path, error) from error
    return [found[form] for form in forms]


@contextmanager
def open_picture(source: Path | bytes) -> Iterator[Image.Image]:
    """Open a picture file, or the bytes of one, without decoding it.

    Raises:
        PictureError: as `decode_picture`.
        OSError, MemoryError: the machine failed to read it.
    """
    with quiet_pillow(), ExitStack() as opened:
        try:
            file = opened.enter_context(_file(source))
        except OSError as error:
            if not is_path_error(error):
                raise
            raise UnreachableError(_absence(error)) from error
        with picture_errors():
            picture = opened.enter_context(Image.open(file, formats=known_formats()))
        yield picture


@contextmanager
def picture_errors() -> Iterator[None]:
    """Turn Pillow's errors about malformed or too large files into a PictureError; put it around calls that read.

    Raises:
        PictureError: see above.
        OSError, MemoryError: the machine failed to read the file.
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
        if "out of memory" in str(error).lower():  # Pillow's decoders say it like this, without MemoryError
            raise MemoryError(str(error)) from error
        reason = " ".join(str(error).split()) or type(error).__name__
        raise PictureError(f"truncated or malformed: {reason}") from error


def _is_of_decoder(error: OSError) -> bool:
    """Return whether Pillow raised it: without a number, or EINVAL from a seek to before the start of the file."""
    return error.errno in (None, errno.EINVAL)


def _absence(error: OSError) -> str:
    """Return why there is no readable file at a path."""
    if isinstance(error, NotAFileError):
        return str(error.strerror)
    if isinstance(error, PermissionError):
        return "no permission to read it"
    return "not found"


def _file(source: Path | bytes) -> BinaryIO:
    """Open a source; small files are read into memory first, because decoders read in tens of small steps.

    Raises:
        PictureError: it is empty or too large.
        OSError: it cannot be opened.
    """
    content = source if isinstance(source, bytes) else read_file(source, min(READ_WHOLE, MAX_BYTES))
    if not isinstance(content, bytes):
        length = os.fstat(content.fileno()).st_size
        if length > MAX_BYTES:
            content.close()
            raise PictureError(f"{length / 2**20:.0f} MB, the limit is {MAX_BYTES // 2**20} MB")
        return content
    if not content:
        raise PictureError("zero bytes")
    if content[4:12] in _HEIC:  # also of a phone's picture that was renamed .jpg
        raise PictureError("in the format HEIC, which is not read: convert it to JPEG or PNG")
    return io.BytesIO(content)


def decode_many(
    paths: Sequence[Path], forms: Sequence[PictureForm], workers: int | None = None
) -> Iterator[tuple[int, list[np.ndarray] | PictureError]]:
    """Decode pictures in several threads, with only a few in memory at a time.

    Yields:
        The place in `paths`, in order, and the pixels in each form or the reason why there are none.

    Raises:
        DataError: as `decode_forms`.
    """

    def attempt(path: Path) -> list[np.ndarray] | PictureError:
        try:
            return decode_forms(path, forms)
        except PictureError as error:
            return error

    with quiet_pillow():
        yield from enumerate(in_order(attempt, paths, workers))


def known_formats() -> list[str]:
    """Return the `FORMATS` that the installed version of Pillow reads."""
    Image.init()
    return [name for name in FORMATS if name in Image.OPEN]


def pixels_of(picture: Image.Image, size: int, oversampling: int = OVERSAMPLING) -> np.ndarray:
    """Return the pixels of an opened picture as `decode_picture` describes.

    Args:
        size: the side of the result in pixels.
        oversampling: a JPEG is decoded at this many times the size or more, then reduced.

    Raises:
        PictureError: too many pixels, truncated or malformed.
    """
    return _pixels_of(picture, [PictureForm(size)], oversampling)[0]


def _pixels_of(picture: Image.Image, forms: Sequence[PictureForm], oversampling: int) -> list[np.ndarray]:
    """Return the pixels in several forms, which a JPEG may be decoded smaller for in the same way."""
    if picture.width * picture.height > MAX_PIXELS:
        raise PictureError(f"{picture.width} x {picture.height} pixels, the limit is {MAX_PIXELS // 10**6} million")
    whole = picture.width * picture.height
    with picture_errors():
        side = forms[0].draft(oversampling)
        if picture.format in DRAFTED and side is not None:
            picture.draft("RGB", (side, side))
        # The decoder holds a whole progressive picture in memory, even to decode it small.
        held = whole if picture.info.get("progressive") else picture.width * picture.height
        with _ONE_LARGE if held > LARGE_PIXELS else nullcontext():
            _load(picture)
            turn = _TURNS.get(_orientation(picture))  # after load: some formats rotate there and reset the orientation
            small = [_small(picture, form.size if form.is_usual else None) for form in forms]
    return [_in_form(one, turn, form) for one, form in zip(small, forms, strict=True)]


def _in_form(picture: Image.Image, turn: Image.Transpose | None, form: PictureForm) -> np.ndarray:
    turned = picture.transpose(turn) if turn is not None else picture
    # asarray would make one more copy
    pixels = np.frombuffer(turned.tobytes(), np.uint8).reshape(turned.height, turned.width, 3)
    if form.is_usual:
        return pixels
    squares = square(pixels, form.size, interpolation=form.interpolation, antialias=form.antialias, fit=form.fit)
    return np.ascontiguousarray(squares)


def _load(picture: Image.Image) -> None:
    try:
        picture.load()
    # Pillow 13 seeks to the offset of a TIFF's strips even if it is 3.5, and divides by the time scale of an AVIF even
    # if it is 0.
    except (TypeError, ZeroDivisionError) as error:
        raise PictureError(f"truncated or malformed: {error}") from error


def _orientation(picture: Image.Image) -> int:
    """Return the EXIF orientation, 1 to 8; 1 (upright) if the EXIF data are absent or malformed."""
    try:
        with picture_errors():
            value = picture.getexif().get(_ORIENTATION, 1)
    except PictureError:
        return 1
    return value if isinstance(value, int) else 1


def _small(picture: Image.Image, size: int | None) -> Image.Image:
    """Return the picture in RGB, squashed to a square; None keeps its size."""
    mode = picture.mode
    if mode == "I" or mode.startswith("I;16"):
        # 16-bit grey: Pillow's conversion would clip everything over 255 to white.
        picture = Image.fromarray((np.clip(np.asarray(picture), 0, 65535) // 257).astype(np.uint8))
    elif mode == "F":
        values = np.nan_to_num(np.asarray(picture, np.float32), nan=0.0, posinf=255.0, neginf=0.0)
        scale = 255.0 if values.size and values.max() <= 1.0 else 1.0
        picture = Image.fromarray(np.clip(values * scale, 0, 255).astype(np.uint8))
    elif mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in picture.info:
        # Pillow converts the premultiplied mode La to LA only.
        straight = picture.convert("LA") if mode == "La" else picture
        rgba = _squashed(straight.convert("RGBA"), size)  # Pillow weights colours by their opacity here
        white = Image.new("RGBA", rgba.size, (255, 255, 255, 255))
        return Image.alpha_composite(white, rgba).convert("RGB")
    return _squashed(picture if picture.mode == "RGB" else picture.convert("RGB"), size)


def _squashed(picture: Image.Image, size: int | None) -> Image.Image:
    if size is None or picture.size == (size, size):
        return picture
    return picture.resize((size, size), Image.Resampling.BICUBIC, reducing_gap=2.0)


class _Quiet:
    """The number of threads that read, and the warning filters to restore when the last one is done."""

    lock = threading.Lock()
    users = 0
    stack = ExitStack()


@contextmanager
def quiet_pillow() -> Iterator[None]:
    """Ignore Pillow's warnings (large pictures, malformed EXIF data) while any thread reads.

    Warning filters belong to the process: the first thread sets them, and the last one restores them.
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
