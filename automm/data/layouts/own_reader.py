"""Run the user's own reader: the function that a manifest names as my_module:my_reader."""

import importlib
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from automm.data.layouts.own_modules import OwnModules
from automm.data.manifest import Manifest
from automm.data.records.source import Record, record_problem
from automm.errors import ConfigError, DataError, Problem

_END: Mapping[str, object] = {}

Reader = Callable[[Path, Mapping[str, Any]], Iterable[Mapping[str, object]]]


def own_records(manifest: Manifest, path: Path) -> Iterator[Record]:
    """Return the records that the function yields for a path and the manifest's options, numbered from 1.

    The function is imported immediately, and called when the first record is needed. Its module is a file beside the
    manifest, or an installed one.

    Raises:
        ConfigError: the function cannot be imported.
        DataError: the function fails (after the records before the failure), or yields malformed records (at the end).
    """
    name, _, attribute = manifest.format.partition(":")
    own = OwnModules(manifest.folder, name)
    where = f"{manifest.file.name}: format {manifest.format!r}"
    try:
        with own.importable():
            module = importlib.import_module(name)
    except Exception as error:  # the user's code may raise anything
        raise ConfigError(f"{where}: {name} cannot be imported: {type(error).__name__}: {error}") from error
    function: Reader | None = getattr(module, attribute, None)
    if not callable(function):
        raise ConfigError(f"{where}: {name} has no function {attribute!r}")
    return _rows(manifest, function, own, path)


def _rows(manifest: Manifest, function: Reader, own: OwnModules, path: Path) -> Iterator[Record]:
    short, number = manifest.format.rpartition(":")[2], 1
    problems: list[Problem] = []
    try:
        for values in _yielded(function, own, path, manifest.options):
            record = Record(f"{short}:{number}", values, f"{short}-{number}")
            if wrong := record_problem(record):
                problems.append(wrong)
            else:
                yield record
            number += 1
    except Exception as error:  # the user's code may raise anything
        frame = traceback.extract_tb(error.__traceback__)[-1]
        raise DataError(
            f"{short}:{number}: {manifest.format} failed in {Path(frame.filename).name}:{frame.lineno}: "
            f"{type(error).__name__}: {error}"
        ) from error
    if problems:
        raise DataError(problems)


def _yielded(function: Reader, own: OwnModules, path: Path, options: Mapping[str, Any]) -> Iterator[dict[str, object]]:
    """Yield what a function yields. The modules of its folder are importable only while it runs."""
    with own.importable():
        rows = iter(function(path, options))
    while True:
        with own.importable():
            values = next(rows, _END)
            if values is _END:
                return
            record = dict(values)
        yield record
