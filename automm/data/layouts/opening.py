"""Open the data set at a manifest's `path:`, by a native layout or by the user's own function."""

from collections.abc import Iterator
from pathlib import Path

from automm.data.layouts import find_layout, is_code, recognise
from automm.data.layouts.base import Layout, Reading
from automm.data.layouts.files import leads_out
from automm.data.layouts.own_reader import own_records
from automm.data.manifest import Manifest
from automm.data.records.source import Record, Source, record_problem
from automm.errors import DataError, NotFoundError

RECORD_FILES = (".csv", ".tsv", ".jsonl", ".parquet")  # .json often is something else


def open_native(manifest: Manifest) -> Source:
    """Open the records under a manifest's `path`.

    Raises:
        NotFoundError: the path does not exist, or lacks the files of the layout.
        ConfigError: the user's own function cannot be imported.
    """
    assert manifest.fields is not None  # the manifest is validated
    path = manifest.folder / str(manifest.path)
    if not path.exists():
        raise NotFoundError(f"{path}: no such file or folder. Correct path in {manifest.file.name}")
    if is_code(manifest.format):
        return Source(path.name, own_records(manifest, path), manifest.fields, _root(path, manifest))
    layout = find_layout(manifest.format)
    if not layout.fits(path):
        others = recognise(path)
        hint = f" The files match format {others[0]}." if others else ""
        raise NotFoundError(
            f"{path}: not in format {manifest.format}, which needs {layout.looks_for}.{hint}{_away(path)}"
            f" {records_there(path)}".rstrip()
        )
    options = layout.options.model_validate(manifest.options)
    encoding = manifest.encoding or (layout.encoding if isinstance(layout.encoding, str) else layout.encoding(path))
    reading = Reading(path, options, encoding)
    return Source(
        path.name,
        _native_rows(layout, reading),
        manifest.fields,
        _root(path, manifest),
        label_optional=layout.label_optional,
        changes=reading.changes,
        encoding=encoding,
        opened=reading.opened,
    )


def records_there(path: Path) -> str:
    """Return a hint if a file, or the largest file directly in a folder, may hold records; "" without any."""
    try:
        inside = sorted(path.iterdir()) if path.is_dir() else [path]
        named = [file for file in inside if file.suffix.lower() in RECORD_FILES and file.stem.lower() != "metadata"]
        files = sorted((file for file in named if file.is_file()), key=lambda file: -file.stat().st_size)
    except OSError:
        return ""
    return f"If {files[0].name} holds the records, write a manifest: automm init {files[0]}" if files else ""


def _away(path: Path) -> str:
    """Return a hint if a folder cannot be listed, or has a link to a place outside; else ""."""
    if not path.is_dir():
        return ""
    try:
        links = sorted(one for one in path.iterdir() if one.is_symlink())
    except OSError as error:
        return f" The folder cannot be listed ({error.strerror}). Change its permissions."
    outside = [one for one in links if leads_out(path, one)]
    if not outside:
        return ""
    return f" The link '{outside[0].name}' leads out of the folder and is not read. Move its target inside."


def _root(path: Path, manifest: Manifest) -> Path:
    return (path if path.is_dir() else path.parent) / manifest.image_root


def _native_rows(layout: Layout, reading: Reading) -> Iterator[Record]:
    for record in layout.read(reading):
        if wrong := record_problem(record):
            reading.problems.append(wrong)
        else:
            yield record
    if reading.problems:
        raise DataError(reading.problems)
