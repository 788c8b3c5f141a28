"""Open the records of a manifest: the raw rows of its files, before they become reviews.

All problems of reading are collected and raised together at the end.
"""

import glob
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from automm.data.layouts import RECORDS
from automm.data.layouts.opening import open_native
from automm.data.manifest import Manifest
from automm.data.records.cells.nested import with_paths
from automm.data.records.field_values import columns_of
from automm.data.records.forms import DEFAULT_DIALECT, DELIMITERS, FORMS, Dialect, read_table
from automm.data.records.shape import MALFORMED
from automm.data.records.source import Record, Source
from automm.errors import DataError, NotFoundError, Problem

__all__ = ["Record", "Source", "open_records", "open_source", "read_files", "read_records", "record_files"]


def open_source(manifest: Manifest, records: Path | None = None) -> Source:
    """Open the records of a manifest of any format, or the file `records` with the same columns in their place."""
    if manifest.format == RECORDS or records is not None:
        return open_records(manifest, records)
    return open_native(manifest)


def read_records(manifest: Manifest, records: Path | None = None) -> Iterator[Record]:
    """Yield the records of a manifest, in order.

    Raises:
        NotFoundError: a file of records is missing.
        DataError: after the last readable record, all records that could not be read.
    """
    return open_source(manifest, records).rows


def open_records(manifest: Manifest, records: Path | None = None) -> Source:
    """Open format `records`: the files that the manifest names, or the file `records` in their place."""
    assert manifest.fields is not None  # the manifest is validated
    root = manifest.folder / manifest.image_root
    if records is not None and manifest.records is None:
        root = records.absolute().parent / manifest.image_root
    elif records is not None:  # the image root is relative to the new file as it was to the manifest's file
        own = (manifest.folder / str(manifest.records)).parent
        root = records.absolute().parent / os.path.relpath(root, own)
    files = record_files(manifest, records)
    name = files[0].name if len(files) == 1 else (manifest.records or "records")
    encoding = manifest.encoding or "utf-8"
    rows = read_files(files, encoding, Dialect(manifest.delimiter, manifest.quotes))
    named = [name for names in columns_of(manifest.fields, labelled=True).values() for name in names]
    paths = [name for name in (*named, manifest.splits.column, manifest.splits.time) if name and "." in name]
    rows = with_paths(rows, paths) if paths else rows
    return Source(name, rows, manifest.fields, root, encoding=encoding)


def record_files(manifest: Manifest, records: Path | None = None) -> list[Path]:
    """Return the files of records; the files of a glob are sorted.

    Raises:
        NotFoundError: there is none.
    """
    if records is not None:
        files = [records.absolute()]
    elif glob.has_magic(str(manifest.records)) and not (manifest.folder / str(manifest.records)).is_file():
        # Not Path.glob, which refuses patterns that begin with a slash or with `..`.
        names = glob.glob(str(manifest.records), root_dir=manifest.folder, recursive=True)  # noqa: PTH207
        files = [file for name in sorted(names) if (file := manifest.folder / name).is_file()]
        if not files:
            raise NotFoundError(f"{manifest.file}: records: no file matches {manifest.records!r}. Correct the pattern")
    else:
        files = [manifest.folder / str(manifest.records)]
    for file in files:
        if not file.is_file():
            fix = f"Correct records in {manifest.file.name}" if records is None else "Name an existing file"
            raise NotFoundError(f"{file}: no such file of records. {fix}")
    return files


def _fix_of_suffix(suffix: str) -> str:
    legal = f"Use one of {', '.join(FORMS)}"
    return f"Save the table as .xlsx or CSV. {legal}" if suffix in (".xls", ".xlsm", ".xlsb", ".ods") else legal


def read_files(files: list[Path], encoding: str, dialect: Dialect = DEFAULT_DIALECT) -> Iterator[Record]:
    """Yield the records of some files, in order.

    Args:
        files: each with a suffix of `FORMS`.
        encoding: of the text formats; a UTF-8 byte order mark is skipped.
        dialect: of CSV and TSV.

    Raises:
        DataError: at the end, everything that could not be read.
    """
    problems: list[Problem] = []
    base = Path(os.path.commonpath([file.parent for file in files]))
    stems = Counter(file.with_suffix("") for file in files)
    for file in files:
        name = file.relative_to(base)  # with its folder if files of several folders are read: ids must not collide
        suffix = file.suffix.lower()
        if suffix not in FORMS:
            problems.append(Problem(MALFORMED, file.name, f"unknown suffix {file.suffix!r}", _fix_of_suffix(suffix)))
            continue
        before, count = len(problems), 0
        stem = name.with_suffix("") if stems[file.with_suffix("")] == 1 else name
        table = suffix in DELIMITERS
        rows = read_table(file, encoding, problems, dialect) if table else FORMS[suffix](file, encoding, problems)
        for number, values in rows:
            count += 1
            yield Record(f"{name}:{number}", values, f"{stem}-{number}")
        if count == 0 and len(problems) == before:
            problems.append(Problem(MALFORMED, file.name, "no records in this file", "Add records, or remove it"))
    if problems:
        raise DataError(problems)
