"""Write the pictures inside Parquet files, as Hugging Face's hub stores data sets, to files.

    [<split>-00000-of-00002].parquet      columns of bytes, or of {bytes, path}, or of lists of these, and other columns

The split is the file's name up to its number, or the name of its folder. Numbered labels get the names that the
metadata of the schema has for them (ClassLabel).
"""

import datetime
import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from automm.data.change_kinds import Change
from automm.data.images.decode import PictureError, open_picture
from automm.data.layouts.files import leads_out, split_named
from automm.data.records.tables.parquet import parquet_rows, parquet_schema
from automm.errors import DataError

if TYPE_CHECKING:
    import pyarrow as pa

SAMPLE = 16  # cells of a column; if one is a picture, it is a column of pictures
HEAD = 2**16  # bytes that suffice to recognise a picture
UNKNOWN = ".bin"  # suffix of bytes that are no picture; a check reports them
SUFFIXES = {"JPEG": ".jpg", "MPO": ".jpg", "TIFF": ".tif"}  # of other formats it is the name

_NUMBERED = re.compile(r"(.+?)-\d+-of-\d+(-[0-9a-f]+)?")


def holds_pictures(path: Path) -> bool:
    """Return whether a Parquet file, or one of the first three of a folder, has a column of pictures; never raises."""
    try:
        return any(_picture_columns(file) for file in parquet_files(path)[:3])
    except DataError:
        return False


def parquet_files(path: Path) -> list[Path]:
    """Return the path itself, or the sorted Parquet files below a folder, except those outside it (links)."""
    if path.is_file():
        return [path] if path.suffix.lower() == ".parquet" else []
    try:
        files = sorted(path.rglob("*.[pP][aA][rR][qQ][uU][eE][tT]"))
    except OSError:
        return []
    return [file for file in files if file.is_file() and not leads_out(path, file)]


class Unpacking:
    """Writes records as JSON Lines, and each distinct picture once to a folder.

    Args:
        source: a Parquet file, or a folder of them.
        pictures: the folder of pictures to create.

    Attributes:
        columns: the columns that hold pictures.
        records, pictures: how many were written.
        changes: what was dropped, and how often.
        splits: the values of the column `split`.
    """

    def __init__(self, source: Path, pictures: Path):
        self.source, self.folder = source, pictures
        self.columns: list[str] = []
        self.records = self.pictures = 0
        self.changes: Counter[Change] = Counter()
        self.splits: set[str] = set()
        self._written: dict[bytes, str] = {}

    def write(self, lines: IO[str]) -> None:
        """Read every file, and write every record.

        Raises:
            DataError: a file is not readable as Parquet, or none has pictures.
        """
        self.folder.mkdir(parents=True)
        files = parquet_files(self.source)
        # All files are inspected, because one of them may begin with malformed pictures.
        self.columns = list(dict.fromkeys(column for file in files for column in _picture_columns(file)))
        if not self.columns:
            raise DataError(f"{self.source}: no .parquet file with a column of pictures found. Name their folder")
        for file in files:
            for number, values in _rows(file):
                record = self._record(file, number, values, self.columns)
                try:
                    line = json.dumps(record, ensure_ascii=False)
                except (TypeError, ValueError) as error:
                    raise DataError(f"{file.name}: row {number} cannot be written as JSON: {error}") from error
                lines.write(line + "\n")
                self.records += 1

    def _record(self, file: Path, number: int, values: dict[str, Any], columns: list[str]) -> dict[str, Any]:
        place = file.name if file == self.source else file.relative_to(self.source).as_posix()
        stem = re.sub(r"[^\w.-]+", "_", place.removesuffix(file.suffix))
        record: dict[str, Any] = {}
        for column, cell in values.items():
            if column in columns:
                which = "" if len(columns) == 1 else f"-{columns.index(column) + 1}"
                record[column] = self._names(cell, f"{stem}-{number:07d}{which}")
            elif not _has_bytes(cell):
                record[column] = _plain(cell)
            else:
                self.changes[Change.NOT_A_PICTURE] += 1
        split = _split(file)
        if split is not None and "split" not in record:
            record["split"] = split
        self.splits.add(str(record.get("split")))
        return record

    def _names(self, cell: Any, name: str) -> list[str] | str | None:
        """Write the pictures of a cell to files, and return their names."""
        if isinstance(cell, list):
            names = [self._names(item, f"{name}-{place}") for place, item in enumerate(cell, 1)]
            return [item for item in names if isinstance(item, str)]
        content = cell.get("bytes") if isinstance(cell, dict) else cell
        if not isinstance(content, bytes) or not content:
            if cell is not None:
                self.changes[Change.PICTURE_OUTSIDE] += 1
            return None
        digest = hashlib.sha256(content)
        if digest.digest() not in self._written:
            self._written[digest.digest()] = self._put(name, _suffix(content), content, digest.hexdigest())
            self.pictures += 1
        return self._written[digest.digest()]

    def _put(self, name: str, suffix: str, content: bytes, digest: str) -> str:
        try:
            with (self.folder / f"{name}{suffix}").open("xb") as file:
                file.write(content)
        except FileExistsError:  # a name of another Parquet file becomes the same, such as "a b" and "a_b"
            name = f"{name}-{digest[:32]}"
            (self.folder / f"{name}{suffix}").write_bytes(content)
        return f"{name}{suffix}"


def _rows(file: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield row numbers and rows, with the names of labels instead of their numbers."""
    names = _class_names(parquet_schema(file))
    for number, values in parquet_rows(file):
        for column in names.keys() & values.keys():
            values[column] = _label(values[column], names[column], f"{file.name}: row {number}: {column!r}")
        yield number, values


def _picture_columns(file: Path) -> list[str]:
    """Return the columns that the schema declares as images, and columns of bytes with a picture in a first cell."""
    schema = parquet_schema(file)
    columns = [field.name for field in schema if _may_hold_bytes(field.type)]
    named = [column for column, feature in _features(schema).items() if feature.get("_type") == "Image"]
    first: dict[str, list[bytes]] = {column: [] for column in columns if column not in named}
    for _, values in parquet_rows(file, list(first)) if first else ():
        for column, cell in values.items():
            if len(first[column]) < SAMPLE and (content := _first_bytes(cell)):
                first[column].append(content[:HEAD])
        if all(len(contents) == SAMPLE for contents in first.values()):
            break
    return [column for column in columns if column in named or any(_suffix(head) != UNKNOWN for head in first[column])]


def _suffix(content: bytes) -> str:
    try:
        with open_picture(content) as picture:
            form = str(picture.format)
            return SUFFIXES.get(form, f".{form.lower()}")
    except PictureError:
        return UNKNOWN


def _may_hold_bytes(kind: "pa.DataType") -> bool:
    import pyarrow as pa

    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        return True
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return _may_hold_bytes(kind.value_type)
    fields = [kind.field(number) for number in range(kind.num_fields)] if pa.types.is_struct(kind) else []
    return any(field.name == "bytes" and _may_hold_bytes(field.type) for field in fields)


def _first_bytes(cell: Any) -> bytes | None:
    if isinstance(cell, list):
        return next((content for one in cell if (content := _first_bytes(one))), None)
    content = cell.get("bytes") if isinstance(cell, dict) else cell
    return content if isinstance(content, bytes) else None


def _has_bytes(cell: Any) -> bool:
    if isinstance(cell, list | tuple):
        return any(map(_has_bytes, cell))
    return isinstance(cell, bytes) or (isinstance(cell, dict) and any(map(_has_bytes, cell.values())))


def _features(schema: "pa.Schema") -> dict[str, dict[str, Any]]:
    """Return Hugging Face's metadata of each column; of a list, the metadata of its elements."""
    try:
        features = json.loads((schema.metadata or {})[b"huggingface"])["info"]["features"]
        elements = {column: feature.get("feature", feature) for column, feature in features.items()}
        return {column: feature for column, feature in elements.items() if isinstance(feature, dict)}
    except (KeyError, ValueError, TypeError, AttributeError):
        return {}


def _class_names(schema: "pa.Schema") -> dict[str, list[str]]:
    """Return the names of numbered labels, by column."""
    return {
        column: [str(name) for name in feature["names"]]
        for column, feature in _features(schema).items()
        if feature.get("_type") == "ClassLabel" and isinstance(feature.get("names"), list)
    }


def _label(cell: Any, names: list[str], where: str) -> Any:
    """Return the name of a numbered label; None for -1, which means no label."""
    if isinstance(cell, list):
        return [_label(number, names, where) for number in cell]
    if isinstance(cell, bool) or not isinstance(cell, int):
        return cell
    if not -1 <= cell < len(names):
        raise DataError(
            f"{where} is {cell}, but the schema names {len(names)} labels (0 to {len(names) - 1}). Correct one of them"
        )
    return names[cell] if cell >= 0 else None


def _split(file: Path) -> str | None:
    """Return the split that the name of a file or of its folder means."""
    numbered = _NUMBERED.fullmatch(file.stem)
    names = (numbered[1] if numbered else file.stem, file.parent.name)
    return next((split for name in names if (split := split_named(name))), None)


def _plain(cell: Any) -> Any:
    """Return a cell as JSON can hold it."""
    if isinstance(cell, datetime.date | datetime.time):
        return cell.isoformat()
    if isinstance(cell, datetime.timedelta):
        return cell.total_seconds()
    if isinstance(cell, Decimal):
        if cell.is_finite() and cell == cell.to_integral_value():
            return int(cell)
        return float(cell) if Decimal(str(float(cell))) == cell else str(cell)
    if isinstance(cell, Mapping):
        return {str(key): _plain(one) for key, one in cell.items()}
    if isinstance(cell, list | tuple):
        return [_plain(one) for one in cell]
    return cell
