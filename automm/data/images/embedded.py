"""Pictures inside the cells of records: bytes, base64 text, data: URIs, {'bytes': ..., 'path': ...}, lists of these.

`EmbeddedFiles` writes each distinct picture to a file of the cache once. Later steps then read files as usual.
"""

import base64
import binascii
import hashlib
import os
import re
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote_to_bytes

from automm.data.files import FULL
from automm.data.images.decode import PictureError, open_picture
from automm.data.images.missing_hints import means_no_picture
from automm.errors import CacheError, CacheFolderError

SUFFIXES = {"JPEG": ".jpg", "MPO": ".jpg", "TIFF": ".tif"}  # of other formats it is the name
USED_AGAIN = 3600  # seconds after which a file that is used again is marked, and until which it is not removed
SHOWN = 40  # characters of a cell in a message

_BEGINS = ("/9j/", "iVBORw0KGgo", "R0lGOD", "UklGR", "SUkqA", "TU0AK", "AAAAIGZ0eXBhdmlm", "AAAAHGZ0eXBhdmlm")
_BASE64 = re.compile(r"[A-Za-z0-9+/_=\s-]+")
Item = tuple[bytes, str, str]  # content, suffix and fault of an `Embedded`

_LITERAL = ("b'", 'b"', "{'bytes'", '{"bytes"')  # bytes and structures that were written into a text


@dataclass(frozen=True)
class Embedded:
    """One picture of a cell.

    Attributes:
        name: the column, and the place in its list, such as "photo[2]".
        content: the bytes of a picture, in a format that can be read.
        suffix: the file extension of the format.
        fault: why there is no picture, or "".
    """

    name: str
    content: bytes = b""
    suffix: str = ""
    fault: str = ""


def is_embedded(cell: object) -> bool:
    """Return whether a cell, or an item of its list, is a picture rather than the name of one."""
    if isinstance(cell, bytes | bytearray):
        return True
    if isinstance(cell, Mapping):
        return isinstance(cell.get("bytes"), bytes | bytearray | str)
    if isinstance(cell, list | tuple):
        return any(map(is_embedded, cell))
    if not isinstance(cell, str):
        return False
    text = cell.lstrip(" \t\r\n['\"" if cell.lstrip().startswith("[") else None)
    if text[:11].lower() == "data:image/" or text.startswith(_LITERAL):
        return True
    return len(text) >= 64 and text.startswith(_BEGINS) and _BASE64.fullmatch(text[:64]) is not None


def embedded_pictures(cell: object, column: str, parse: Callable[[str], object]) -> list[Embedded]:
    """Return the pictures of a cell, in order; [] if it is empty.

    Args:
        cell: of any kind. A broken picture has a `fault`.
        column: for the names of the pictures.
        parse: returns the value of a text in JSON or Python syntax, and raises ValueError if it has none.
    """
    items = list(_items(cell, parse))
    several = len(items) > 1
    return [Embedded(f"{column}[{place}]" if several else column, *item) for place, item in enumerate(items, 1)]


def _items(cell: Any, parse: Callable[[str], object]) -> Iterator[Item]:
    """Yield each picture."""
    if cell is None or cell == "" or (isinstance(cell, float) and cell != cell):
        return
    if isinstance(cell, list | tuple):
        for item in cell:
            yield from _items(item, parse)
    elif isinstance(cell, Mapping):
        content = cell.get("bytes")
        if content:
            yield from _items(content, parse)
        elif any(value is not None for value in cell.values()):
            yield b"", "", f"is an object without bytes ({', '.join(map(str, list(cell)[:5]))})"
    elif isinstance(cell, bytes | bytearray):
        yield _checked(bytes(cell))
    elif isinstance(cell, str):
        yield from _of_text(cell.strip(), parse)
    else:
        yield b"", "", f"is {type(cell).__name__}, not a picture"


def _of_text(text: str, parse: Callable[[str], object]) -> Iterator[Item]:
    if means_no_picture(text):
        return
    if text.startswith(("[", "{", "b'", 'b"')):
        try:
            parsed = parse(text)
        except ValueError:
            yield b"", "", f"is neither base64 nor a list of pictures: {text[:SHOWN]!r}"
        else:
            yield from _items(parsed, parse)
        return
    if text[:5].lower() == "data:":
        head, comma, text = text.partition(",")
        if not comma:
            yield b"", "", f"is a data: URI without data: {head[:SHOWN]!r}"
            return
        if not head.lower().endswith(";base64"):
            yield _checked(unquote_to_bytes(text))
            return
        text = unquote_to_bytes(text).decode("ascii", "replace")
    content = _decoded(text)
    yield _checked(content) if content is not None else (b"", "", f"is not base64: {text[:SHOWN]!r}")


def _decoded(text: str) -> bytes | None:
    """Return the bytes of base64 text, also with line breaks, in the URL alphabet or unpadded; None if invalid."""
    plain = "".join(text.split()).translate(str.maketrans("-_", "+/")).rstrip("=")
    try:
        return base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)
    except (binascii.Error, ValueError):
        return None


def _checked(content: bytes) -> Item:
    """Return bytes with their suffix if they begin like a picture, else the fault."""
    if not content:
        return b"", "", "is empty"
    with suppress(UnicodeDecodeError):  # base64 text as bytes
        if _BASE64.fullmatch(content[:64].decode("ascii")) and (inner := _decoded(content.decode("ascii"))):
            content = inner
    try:
        return content, picture_suffix(content), ""
    except PictureError as error:
        return b"", "", f"is {error}"


def picture_suffix(content: bytes) -> str:
    """Return the file extension of a picture's format.

    Raises:
        PictureError: it has none of the known formats.
    """
    with open_picture(content) as picture:
        form = str(picture.format)
        return SUFFIXES.get(form, f".{form.lower()}")


class EmbeddedFiles:
    """Writes pictures to files of the cache, named by their content.

    Args:
        cache_dir: the files are in its folder "embedded".
        limit: bytes that all files may take; those that this object wrote or found are kept in any case.
    """

    def __init__(self, cache_dir: Path, limit: int):
        self.folder, self.limit = cache_dir / "embedded", limit
        self._used: set[str] = set()
        self._written = False

    def path_of(self, picture: Embedded) -> Path:
        """Return the file of a picture, and write it if it is not there.

        Raises:
            CacheError: the folder cannot be written, or its disk is full.
        """
        digest = hashlib.sha256(picture.content).hexdigest()
        path = self.folder / digest[:2] / f"{digest}{picture.suffix}"
        if path.name in self._used:
            return path
        try:
            try:
                state = path.stat()
            except FileNotFoundError:
                state = None
            if state is None or state.st_size != len(picture.content):
                self._write(path, picture.content)
            elif time.time() - state.st_mtime > USED_AGAIN:
                with suppress(OSError):  # the cache may belong to another user and be read-only
                    os.utime(path)
        except OSError as error:
            text = f"cannot write the pictures of the records to {self.folder}: {error.strerror or error}"
            if error.errno in FULL:
                raise CacheError(f"{text}. Free disk space, or set AUTOMM_CACHE_DIR to another disk") from error
            raise CacheFolderError(
                f"{text}. Make the folder writable, or set AUTOMM_CACHE_DIR to another folder"
            ) from error
        self._used.add(path.name)
        return path

    def _write(self, path: Path, content: bytes) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=".new-")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
            Path(name).chmod(0o644)
            Path(name).replace(path)
        finally:
            Path(name).unlink(missing_ok=True)
        self._written = True

    def trim(self) -> None:
        """Remove the files that were not used for longest until all together take at most the limit."""
        if not self._written:
            return
        self._written = False
        files = sorted(embedded_files(self.folder), key=lambda file: (file[1], file[0]))
        total = sum(size for _, _, size in files)
        for path, used, size in files:
            if total <= self.limit or time.time() - used < USED_AGAIN:
                break
            if path.name not in self._used:
                with suppress(OSError):
                    path.unlink()
                total -= size


def embedded_files(folder: Path) -> Iterator[tuple[Path, float, int]]:
    """Yield the path, the time of the last use, and the bytes of each file."""
    for path in folder.glob("??/*"):
        with suppress(OSError):
            state = path.stat()
            yield path, state.st_mtime, state.st_size


def clear_embedded(folder: Path) -> tuple[int, int]:
    """Remove all files, and return their number and their bytes."""
    files = list(embedded_files(folder))
    for path, _, _ in files:
        path.unlink(missing_ok=True)
    return len(files), sum(size for _, _, size in files)
