"""Opens what a manifest names by `path:`: a native layout, or whatever a function of somebody's own reads."""

from collections.abc import Iterator
from pathlib import Path

from automm.data.layouts import find_layout, is_code, recognise
from automm.data.layouts.base import Layout, Reading
from automm.data.layouts.files import leads_out
from automm.data.layouts.own_reader import own_rows
from automm.data.manifest import Manifest
from automm.data.records.source import Record, Source, wrong_record
from automm.errors import DataError, NotFoundError

RECORD_FILES = (".csv", ".tsv", ".jsonl", ".parquet")  # .json is more often something else


def open_native(manifest: Manifest) -> Source:
    """The records under a manifest's `path`.

    Raises:
        NotFoundError: nothing is there, or not what the layout looks for.
        ConfigError: a function of somebody's own cannot be imported.
    """
    assert manifest.fields is not None  # the manifest has seen to it
    path = manifest.folder / str(manifest.path)
    if not path.exists():
        raise NotFoundError(f"{path}: no such file or folder (path in {manifest.file.name})")
    if is_code(manifest.format):
        return Source(path.name, own_rows(manifest, path), manifest.fields, _root(path, manifest))
    layout = find_layout(manifest.format)
    if not layout.fits(path):
        others = recognise(path)
        hint = f" It looks like format {others[0]}." if others else ""
        raise NotFoundError(
            f"{path}: format {manifest.format} is not found there. It looks for {layout.looks_for}.{hint}{_away(path)}"
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
    )


def records_there(path: Path) -> str:
    """What to say where a file, or one directly in a folder, is of records; "" where none is."""
    try:
        inside = sorted(path.iterdir()) if path.is_dir() else [path]
        found = [file for file in inside if file.suffix.lower() in RECORD_FILES and file.stem.lower() != "metadata"]
        files = sorted((file for file in found if file.is_file()), key=lambda file: -file.stat().st_size)
    except OSError:
        return ""
    return f"{files[0].name} may be records: 'automm init {files[0]}' writes a manifest for it." if files else ""


def _away(path: Path) -> str:
    """What else may be wrong with a folder that a layout does not find its files in."""
    if not path.is_dir():
        return ""
    try:
        links = sorted(one for one in path.iterdir() if one.is_symlink())
    except OSError as error:
        return f" The folder cannot be listed ({error.strerror}): see to its permissions."
    away = [one for one in links if leads_out(path, one)]
    return f" '{away[0].name}' leads out of it and is not read: move it inside." if away else ""


def _root(path: Path, manifest: Manifest) -> Path:
    return (path if path.is_dir() else path.parent) / manifest.image_root


def _native_rows(layout: Layout, reading: Reading) -> Iterator[Record]:
    for record in layout.read(reading):
        if wrong := wrong_record(record):
            reading.problems.append(wrong)
        else:
            yield record
    if reading.problems:
        raise DataError(reading.problems)
