"""What several layouts read in the same way: tables without quotes, JSON objects, small files, ids that are made."""

import gzip
import hashlib
import json
import os
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from automm.data.changes import Change
from automm.data.files import read_file
from automm.data.images.root import AbsentError, OutsideError
from automm.data.layouts.base import Reading
from automm.data.records.field_values import is_empty
from automm.data.records.forms import ENCODING, UNREADABLE, Values, json_lines, lines_of, parse_json, parse_literal

FIRST_BYTES = 2**20
LARGEST_TEXT = 16 * 2**20
PROBED_FILES, PROBED_TEXTS = 1_000, 50  # files opened to decide on an encoding, and texts beyond ASCII

LISTS = ("train", "dev", "test")  # as papers call them
# The names of lists in the wild, and what automm calls them.
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
    """The split that a file or folder is named after, in whichever case; None if it is after none."""
    return SPLIT_NAMES.get(name.lower())


def objects(reading: Reading, file: Path, *, literals: bool = False) -> Iterator[tuple[str, str, Values]]:
    """The objects of a JSON Lines file, gzipped or not, as ("file:line", "file-line", values).

    Args:
        literals: old dumps hold Python's dicts instead of JSON's objects.
    """
    stem = file.name.removesuffix(".gz").rpartition(".")[0]
    if not usable(reading, file):
        return
    for number, values in json_lines(file, reading.encoding, reading.problems, literals=literals):
        yield f"{file.name}:{number}", f"{stem}-{number}", values


def with_pictures(
    reading: Reading,
    file: Path,
    urls: Callable[[Values], list[str]],
    texts: Sequence[str],
    *,
    literals: bool = False,
) -> Iterator[tuple[str, str, Values, list[str]]]:
    """What `objects` yields, and the URLs of each one's pictures.

    Those that are a rating alone are left out; without a picture where the option only_with_images says so.

    Args:
        texts: the columns of an object's text.
        urls: of an object; raises ValueError, which becomes a problem, where they are malformed.
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
    """The lines of a table without quotes, as (line, cells); blank lines are none."""
    if not usable(reading, file):
        return
    for number, line in enumerate(lines_of(file, reading.encoding, reading.problems), 1):
        if line.strip():
            yield number, [cell.strip() for cell in line.split(delimiter)]


def named_rows(reading: Reading, file: Path) -> Iterator[tuple[str, dict[str, str]]]:
    """The lines of a table without quotes after its header, as ("file:line", cells by their column)."""
    header: list[str] | None = None
    for number, cells in rows(reading, file):
        if header is None:
            header = cells
        elif len(cells) != len(header):
            reading.problem(f"{file.name}:{number}", f"{len(cells)} cells, expected {len(header)} as in the header")
        else:
            yield f"{file.name}:{number}", dict(zip(header, cells, strict=True))


def leads_out(folder: Path, file: Path) -> bool:
    """Whether a symbolic link takes a file out of the folder; the file itself may be what the manifest names."""
    if file == folder:
        return False
    inside = os.path.realpath(folder if folder.is_dir() else folder.parent)
    return not Path(os.path.realpath(file)).is_relative_to(inside)


def usable(reading: Reading, file: Path) -> bool:
    """Whether a file of a layout may be read; why not stands among the problems."""
    if leads_out(reading.path, file):
        reading.problem(file.name, f"leads out of '{reading.folder}'", "Move it inside, or name the real folder")
    elif not file.is_file():
        reading.problem(file.name, "not a file")
    else:
        return True
    return False


def small_text(reading: Reading, name: str, where: str) -> str | None:
    """The text of a file below the folder; None with the reason among the problems."""
    try:
        raw = read_file(reading.root.find(name), LARGEST_TEXT)
        if not isinstance(raw, bytes):
            with raw:
                size = f"{os.fstat(raw.fileno()).st_size / 2**20:.0f} MB, the limit is {LARGEST_TEXT // 2**20} MB"
            reading.problem(where, f"{name!r} is too large for a text: {size}")
            return None
        if reading.encoding.lower() in ("utf-8", "utf8"):
            return raw.decode("utf-8-sig")
        text = raw.decode(reading.encoding)
        if not _is_utf8(raw):
            reading.changes[Change.OTHER_ENCODING] += 1
        return text
    except UnicodeError:
        reading.problem(where, f"{name!r} is not {reading.encoding}", "Set encoding: in the manifest", ENCODING)
    except OutsideError:
        reading.problem(where, f"{name!r} leads out of '{reading.folder}'", "Move it inside")
    except AbsentError as error:
        reading.problem(where, f"{name!r}: {error}", "Add it, or remove what names it")
    except OSError as error:
        reading.problem(where, f"{name!r} cannot be read: {error.strerror or error}")
    return None


def is_utf8_folder(folder: Path, pattern: str) -> bool:
    """Whether most texts beyond ASCII in a folder's small files are valid UTF-8; False where all are ASCII.

    Files are taken at equal distances from all of them; one that cannot be read counts for nothing here.
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
    """The bytes of a small plain file in a folder; b"" of any other, which is a problem of the record that names it."""
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


def small_object(reading: Reading, name: str, where: str) -> Values | None:
    """The object of a JSON file below the folder; None with the reason among the problems."""
    text = small_text(reading, name, where)
    if text is None:
        return None
    parsed = parse_json(text, name, reading.problems)
    if isinstance(parsed, dict):
        return parsed
    if parsed is not UNREADABLE:
        reading.problem(name, f"expected an object {{...}}, got {type(parsed).__name__}")
    return None


def first_object(file: Path, folder: Path) -> Values:
    """The first object of a JSON Lines file below a folder, gzipped or not; {} where there is none. For `fits`."""
    if not file.is_file() or leads_out(folder, file):  # a pipe would hold the reader
        return {}
    try:
        with gzip.open(file) if file.suffix == ".gz" else file.open("rb") as lines:
            line = lines.readline(FIRST_BYTES).decode("utf-8-sig")
        parsed = parse_literal(line) if line.startswith(("{'", "{u'")) else json.loads(line)
    except (OSError, EOFError, zlib.error, ValueError, RecursionError):
        return {}
    return parsed if isinstance(parsed, dict) else {}


def matching(path: Path, *patterns: str) -> list[Path]:
    """The path itself if it is a file, else the files of a folder that match, sorted; [] where it cannot be read."""
    if path.is_file():
        return [path]
    try:
        return sorted({file for pattern in patterns for file in path.glob(pattern) if file.is_file()})
    except OSError:
        return []


def joined_key(values: Values, columns: Sequence[str]) -> str | None:
    """The values of some columns joined by "-"; None where one of them is missing: "None" would join strangers."""
    parts = [values.get(column) for column in columns]
    return None if any(map(is_empty, parts)) else "-".join(map(str, parts))


class Ids:
    """Ids for records that have none: their key; where another record has the same key, a number after it."""

    def __init__(self, changes: Counter[Change]):
        self._changes = changes
        self._seen: set[bytes] = set()  # of digests, because the records themselves would fill the memory
        self._count: Counter[str] = Counter()  # distinct records, by their key

    def take(self, key: str, content: object) -> str | None:
        """The id, or None for a record that was there before, which is counted."""
        digest = hashlib.blake2b(repr((key, content)).encode("utf-8", "surrogatepass"), digest_size=16).digest()
        if digest in self._seen:
            self._changes[Change.SAME_RECORD] += 1
            return None
        self._seen.add(digest)
        self._count[key] += 1
        return key if self._count[key] == 1 else f"{key}-{self._count[key]}"
