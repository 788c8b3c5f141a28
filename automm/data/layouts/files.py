"""Functions shared by layouts: read tables without quotes, JSON objects and small files, and make ids."""

import gzip
import hashlib
import json
import os
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from automm.data.change_kinds import Change
from automm.data.files import read_file
from automm.data.images.root import AbsentError, OutsideError
from automm.data.layouts.base import Reading
from automm.data.records.field_values import is_empty
from automm.data.records.forms import ENCODING, UNREADABLE, Values, json_lines, lines_of, parse_json, parse_literal

FIRST_BYTES = 2**20
LARGEST_TEXT = 16 * 2**20
PROBED_FILES, PROBED_TEXTS = 1_000, 50  # to decide on an encoding: files opened, and non-ASCII texts judged

LISTS = ("train", "dev", "test")  # the names in papers
# Names of splits in published data sets, and automm's names.
SPLIT_NAMES = {
    "train": "train",
    "training": "train",
    "validation": "validation",
    "valid": "validation",
    "val": "validation",
    "dev": "validation",
    "test": "test",
}


def split_named(name: str) -> str | None:
    """Return the split that a file or folder is named after, in any case; None if there is none."""
    return SPLIT_NAMES.get(name.lower())


def objects(reading: Reading, file: Path, *, literals: bool = False) -> Iterator[tuple[str, str, Values]]:
    """Yield the objects of a JSON Lines file, gzipped or not, as ("file:line", "file-line", values).

    Args:
        reading: notes the problems.
        file: the JSON Lines file.
        literals: also accept Python dicts, which old dumps contain instead of JSON objects.
    """
    stem = file.name.removesuffix(".gz").rpartition(".")[0]
    if not is_readable(reading, file):
        return
    for number, values in json_lines(file, reading.encoding, reading.problems, literals=literals):
        yield f"{file.name}:{number}", f"{stem}-{number}", values


def objects_with_pictures(
    reading: Reading,
    file: Path,
    urls: Callable[[Values], list[str]],
    texts: Sequence[str],
    *,
    literals: bool = False,
) -> Iterator[tuple[str, str, Values, list[str]]]:
    """Yield what `objects` yields, with the URLs of each object's pictures.

    Objects without text and picture are ignored; with the option only_with_images, all objects without a picture.

    Args:
        reading: notes problems and changes.
        file: the JSON Lines file.
        urls: returns the URLs of an object; raises ValueError, which becomes a problem, if they are malformed.
        texts: the columns of an object's text.
        literals: as in `objects`.
    """
    for where, fallback, values in objects(reading, file, literals=literals):
        try:
            pictures = urls(values)
        except ValueError as error:
            reading.problem(where, str(error))
            continue
        if reading.options.only_with_images and not pictures:
            reading.changes[Change.NO_PICTURE] += 1
        elif not pictures and all(is_empty(values.get(text)) for text in texts):
            reading.changes[Change.RATING_ALONE] += 1
        else:
            yield where, fallback, values, pictures


def rows(reading: Reading, file: Path, delimiter: str = "\t") -> Iterator[tuple[int, list[str]]]:
    """Yield the rows of a table without quotes, as (line, cells); blank lines are skipped."""
    if not is_readable(reading, file):
        return
    for number, line in enumerate(lines_of(file, reading.encoding, reading.problems), 1):
        if line.strip():
            yield number, [cell.strip() for cell in line.split(delimiter)]


def named_rows(reading: Reading, file: Path) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield the rows of a table without quotes after its header, as ("file:line", cells by column)."""
    header: list[str] | None = None
    for number, cells in rows(reading, file):
        if header is None:
            header = cells
        elif len(cells) != len(header):
            text = f"{len(cells)} cells, expected {len(header)} as in the header"
            reading.problem(f"{file.name}:{number}", text, "Correct the row")
        else:
            yield f"{file.name}:{number}", dict(zip(header, cells, strict=True))


def leads_out(folder: Path, file: Path) -> bool:
    """Return whether a symbolic link leads a file out of the folder; false for the path that the manifest names."""
    if file == folder:
        return False
    inside = os.path.realpath(folder if folder.is_dir() else folder.parent)
    return not Path(os.path.realpath(file)).is_relative_to(inside)


def is_readable(reading: Reading, file: Path) -> bool:
    """Return whether a file of a layout can be read; if not, note the problem."""
    if leads_out(reading.path, file):
        fix = "Move the file into the folder, or name the real folder"
        reading.problem(file.name, f"link to a file outside '{reading.folder}'", fix)
    elif not file.is_file():
        reading.problem(file.name, "not found, or not a file", "Add the file")
    else:
        reading.opened.add(file.resolve())
        return True
    return False


def read_small_text(reading: Reading, name: str, where: str) -> str | None:
    """Return the text of a small file below the folder; if that fails, note the problem and return None."""
    try:
        file = reading.root.find(name)
        reading.opened.add(file)
        raw = read_file(file, LARGEST_TEXT)
        if not isinstance(raw, bytes):
            with raw:
                size = f"{os.fstat(raw.fileno()).st_size / 2**20:.0f} MB, the limit is {LARGEST_TEXT // 2**20} MB"
            reading.problem(where, f"{name!r} is too large for a text file: {size}")
            return None
        if reading.encoding.lower() in ("utf-8", "utf8"):
            return raw.decode("utf-8-sig")
        text = raw.decode(reading.encoding)
        if not _is_utf8(raw):
            reading.changes[Change.OTHER_ENCODING] += 1
        return text
    except UnicodeError:
        reading.problem(where, f"{name!r} is not {reading.encoding}", "Set encoding in the manifest", ENCODING)
    except OutsideError:
        reading.problem(where, f"{name!r} is outside '{reading.folder}'", "Move it inside")
    except AbsentError as error:
        reading.problem(where, f"{name!r}: {error}", "Add the file, or remove the entry that names it")
    except OSError as error:
        reading.problem(where, f"{name!r} cannot be read: {error.strerror or error}")
    return None


def is_utf8_folder(folder: Path, pattern: str) -> bool:
    """Return whether most non-ASCII texts in a folder's small files are valid UTF-8; False if all are ASCII.

    The files are sampled at equal distances. A file that cannot be read is skipped here.
    """
    files, inside = sorted(map(str, folder.glob(pattern))), os.path.realpath(folder)
    judged: list[bool] = []
    for file in files[:: len(files) // PROBED_FILES + 1]:
        raw = _small_bytes(os.path.realpath(file), inside)
        if not raw.isascii():
            judged.append(_is_utf8(raw))
        if len(judged) == PROBED_TEXTS:
            break
    return 2 * sum(judged) > len(judged)


def _small_bytes(file: str, inside: str) -> bytes:
    """Return the bytes of a small regular file in a folder, else b"": the record that names it will have a problem."""
    try:
        raw = read_file(Path(file), FIRST_BYTES) if file.startswith(inside + os.sep) else b""
    except OSError:
        return b""
    if isinstance(raw, bytes):
        return raw
    raw.close()
    return b""


def _is_utf8(raw: bytes) -> bool:
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def read_small_object(reading: Reading, name: str, where: str) -> Values | None:
    """Return the object of a JSON file below the folder; if that fails, note the problem and return None."""
    text = read_small_text(reading, name, where)
    if text is None:
        return None
    parsed = parse_json(text, name, reading.problems)
    if isinstance(parsed, dict):
        return parsed
    if parsed is not UNREADABLE:
        reading.problem(name, f"expected an object {{...}}, got {type(parsed).__name__}")
    return None


def first_object(file: Path, folder: Path) -> Values:
    """Return the first object of a JSON Lines file below a folder, gzipped or not; {} without any. For `fits`."""
    if not file.is_file() or leads_out(folder, file):  # a pipe would block the reader
        return {}
    try:
        with gzip.open(file) if file.suffix == ".gz" else file.open("rb") as lines:
            line = lines.readline(FIRST_BYTES).decode("utf-8-sig")
        parsed = parse_literal(line) if line.startswith(("{'", "{u'")) else json.loads(line)
    except (OSError, EOFError, zlib.error, ValueError, RecursionError):
        return {}
    return parsed if isinstance(parsed, dict) else {}


def matching(path: Path, *patterns: str) -> list[Path]:
    """Return the path itself if it is a file, else the sorted matching files of a folder; [] if it cannot be listed."""
    if path.is_file():
        return [path]
    try:
        return sorted({file for pattern in patterns for file in path.glob(pattern) if file.is_file()})
    except OSError:
        return []


def joined_key(values: Values, columns: Sequence[str]) -> str | None:
    """Return the values of some columns joined by "-"; None if one is missing: "None" would match other records."""
    parts = [values.get(column) for column in columns]
    return None if any(map(is_empty, parts)) else "-".join(map(str, parts))


class Ids:
    """Make ids for records without: their key, followed by a number if another record has the same key."""

    def __init__(self, changes: Counter[Change]):
        self._changes = changes
        self._seen: set[bytes] = set()  # digests, because the records themselves would fill the memory
        self._count: Counter[str] = Counter()  # distinct records by key

    def take(self, key: str, content: object) -> str | None:
        """Return the id; None for a repeated record, which is counted."""
        digest = hashlib.blake2b(repr((key, content)).encode("utf-8", "surrogatepass"), digest_size=16).digest()
        if digest in self._seen:
            self._changes[Change.SAME_RECORD] += 1
            return None
        self._seen.add(digest)
        self._count[key] += 1
        return key if self._count[key] == 1 else f"{key}-{self._count[key]}"
