"""Opens what a manifest names by `path:`: a native layout, or whatever a function of somebody's own reads."""

import importlib
import importlib.util
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from automm.data.formats import find_layout, is_code, recognise
from automm.data.formats.files import leads_out
from automm.data.formats.layout import Layout, Reading
from automm.data.manifest import Manifest
from automm.data.source import Record, Source
from automm.data.surrogates import HALF, holds_half
from automm.errors import ConfigError, DataError, NotFoundError, Problem

RECORD_FILES = (".csv", ".tsv", ".jsonl", ".parquet")  # .json is more often something else

Reader = Callable[[Path, Mapping[str, Any]], Iterable[Mapping[str, object]]]


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
        rows = _own_rows(manifest.format, _function(manifest), path, manifest.options)
        return Source(path.name, rows, manifest.fields, _root(path, manifest))
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
        treated=reading.treated,
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
        if holds_half(record.values) or holds_half(record.fallback_id):
            reading.problems.append(_half(record))
        else:
            yield record
    if reading.problems:
        raise DataError(reading.problems)


def _half(record: Record) -> Problem:
    column = next((repr(name) for name, value in record.values.items() if holds_half([name, value])), "name")
    where = record.where.encode("utf-8", "backslashreplace").decode()
    return Problem("surrogate", where, f"{column} {HALF}", "Correct or remove it")


def _function(manifest: Manifest) -> Reader:
    name, _, attribute = manifest.format.partition(":")
    where = f"{manifest.file.name}: format {manifest.format!r}"
    try:
        module = _module(name, manifest.folder / f"{name.replace('.', '/')}.py")
    except Exception as error:
        raise ConfigError(f"{where}: {name} cannot be imported: {type(error).__name__}: {error}") from error
    function = getattr(module, attribute, None)
    if not callable(function):
        raise ConfigError(f"{where}: {name} has no function {attribute!r}")
    reader: Reader = function
    return reader


def _module(name: str, beside: Path) -> ModuleType:
    """The file beside the manifest, else the installed module."""
    if not beside.is_file():
        return importlib.import_module(name)
    spec = importlib.util.spec_from_file_location(name, beside)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _own_rows(name: str, function: Reader, path: Path, options: Mapping[str, Any]) -> Iterator[Record]:
    """What the function yields, numbered from 1."""
    short, number = name.rpartition(":")[2], 1
    problems: list[Problem] = []
    try:
        for values in function(path, options):
            record = Record(f"{short}:{number}", dict(values), f"{short}-{number}")
            if holds_half(record.values):
                problems.append(_half(record))
            else:
                yield record
            number += 1
    except Exception as error:
        frame = traceback.extract_tb(error.__traceback__)[-1]
        raise DataError(
            f"{short}:{number}: {name} failed in {Path(frame.filename).name}:{frame.lineno}: "
            f"{type(error).__name__}: {error}"
        ) from error
    if problems:
        raise DataError(problems)
