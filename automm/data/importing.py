"""A data set in its native layout becomes a records file and its manifest."""

import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import yaml

from automm.data.cells import cell_images
from automm.data.embedded import Unpacking, holds_pictures
from automm.data.formats import EMBEDDED, LAYOUTS, RECORDS, find_layout, is_code, listing, recognise, unknown_format
from automm.data.guessing import guess_manifest, manifest_text
from automm.data.image_root import AbsentError, ImageRoot, OutsideError
from automm.data.manifest import Manifest, parse_manifest
from automm.data.records import open_source
from automm.data.sections import Fields
from automm.data.source import Record, Source
from automm.data.urls import is_url, local_name
from automm.errors import ConfigError, DataError, NotFoundError

RECORDS_FILE, PICTURES = "reviews.jsonl", "images"
ID = "automm_id"  # of records whose layout gives them none
AUTO = "auto"
PLACE = Path("command line")  # where the messages about options say that they stand


@dataclass(frozen=True)
class Imported:
    """What was written: the manifest, how many records and pictures, what was left out, what was guessed and why."""

    manifest: Path
    records: int
    pictures: int
    treated: dict[str, int]
    reasons: dict[str, str] = field(default_factory=dict)


def import_data(
    name: str,
    source: Path,
    to: Path,
    *,
    options: Mapping[str, Any] | None = None,
    fields: Mapping[str, Any] | None = None,
    copy_images: bool = False,
    allow_code: bool = False,
) -> Imported:
    """Write TO/reviews.jsonl and TO/manifest.yaml; read again, they give the same reviews as the layout in place.

    Args:
        name: a format, "auto" for the one that the source looks like, my_module:my_reader, or "embedded" for Parquet
            files that hold the pictures themselves.
        source: a folder, or a file.
        to: a new or an empty folder.
        options: of the format.
        fields: over those of the format, or of the guess; needed by a reader of somebody's own.
        copy_images: copy the pictures to TO/images; else the manifest points to where they are. Embedded ones are
            always written there.
        allow_code: whether `name` may be a reader of somebody's own.

    Raises:
        ConfigError: an unknown format or option, or `to` holds something already.
        NotFoundError: the source is not there, or is not what the format looks for.
        DataError: every problem of the records, a line each. Nothing is written then.
    """
    chosen, to = _chosen(name, source), to.absolute()
    if chosen == EMBEDDED:
        if options:
            raise ConfigError(f"{PLACE}: format {EMBEDDED} has no options, got {', '.join(options)}")
        with _draft(to) as draft:
            written = _unpack(source, draft, fields or {})
        return replace(written, manifest=to / "manifest.yaml")
    content: dict[str, Any] = {"name": _plain(source), "format": chosen, "path": str(source.absolute())}
    content |= {key: dict(value) for key, value in (("options", options), ("fields", fields)) if value}
    manifest = parse_manifest(content, PLACE, allow_code=allow_code)
    with _draft(to) as draft:
        written = _write(manifest, open_source(manifest), draft, to, copy_images)
    return replace(written, manifest=to / "manifest.yaml")


@contextmanager
def _draft(to: Path) -> Iterator[Path]:
    """A folder that gets the name `to` when all has gone well, and is gone when not."""
    if to.exists() and not (to.is_dir() and not any(to.iterdir())):
        raise ConfigError(f"{to} exists and is not an empty folder. Name a new one: --to DIR")
    to.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{to.name}-", dir=to.parent) as scratch:
        draft = Path(scratch) / "data"
        draft.mkdir()
        yield draft
        if to.exists():
            to.rmdir()
        draft.rename(to)


def _unpack(source: Path, draft: Path, fields: Mapping[str, Any]) -> Imported:
    """Records whose pictures lie inside; their manifest is guessed, but for what `fields` says."""
    unpacking = Unpacking(source, draft / PICTURES)
    records = draft / RECORDS_FILE
    with records.open("w", encoding="utf-8", newline="\n") as lines:
        unpacking.write(lines)
    columns = unpacking.columns
    given = {"images": columns[0] if len(columns) == 1 else columns, **fields}
    guess = guess_manifest(records, draft, given=given)
    known = {"name": _plain(source), "records": RECORDS_FILE, "image_root": PICTURES}
    guess = replace(guess, content=known | {key: part for key, part in guess.content.items() if key not in known})
    parse_manifest(guess.content, PLACE)
    manifest = draft / "manifest.yaml"
    manifest.write_text(manifest_text(guess, source), encoding="utf-8")
    return Imported(manifest, unpacking.records, unpacking.pictures, dict(unpacking.treated), guess.reasons)


def _chosen(name: str, source: Path) -> str:
    """The format by its name, or the one that the source looks like."""
    if name == RECORDS:
        raise ConfigError("records need no import: 'automm init FILE' writes a first manifest for them")
    if name not in (AUTO, EMBEDDED, *LAYOUTS) and not is_code(name):
        raise ConfigError(unknown_format(name))
    if not source.exists():
        raise NotFoundError(f"{source}: no such file or folder")
    if name == AUTO:
        found = recognise(source) or ([EMBEDDED] if holds_pictures(source) else [])
        if not found:
            raise NotFoundError(f"{source}: no known format. Known ones, and what each looks for:\n{listing()}")
        return found[0]
    return name


def _plain(source: Path) -> str:
    return re.sub(r"[^\w.-]+", "-", source.absolute().name).strip("-.") or "imported"


def _write(manifest: Manifest, source: Source, draft: Path, to: Path, copy_images: bool) -> Imported:
    root = ImageRoot(source.image_root)
    fields = source.fields if source.fields.id is not None else source.fields.model_copy(update={"id": ID})
    count, copied = 0, set[str]()
    with (draft / RECORDS_FILE).open("w", encoding="utf-8", newline="\n") as lines:
        for record in source.rows:
            count += 1
            line = _line(record, fields is not source.fields)
            lines.write(line + "\n")
            if copy_images:
                for name in cell_images(record.values, fields):
                    _copy(root, local_name(name) if is_url(name) else name, draft / PICTURES, copied, record.where)
    if not count:
        raise DataError(f"{source.name}: no reviews in it")
    image_root = PICTURES if copy_images else os.path.relpath(root.path, os.path.realpath(to))
    (draft / "manifest.yaml").write_text(_manifest(manifest, fields, source, image_root), encoding="utf-8")
    if copy_images:
        (draft / PICTURES).mkdir(exist_ok=True)
    return Imported(draft / "manifest.yaml", count, len(copied), dict(source.treated))


def _line(record: Record, with_id: bool) -> str:
    values = record.values | {ID: record.fallback_id} if with_id else record.values
    try:
        line = json.dumps(values, ensure_ascii=False)
        line.encode()
    except (TypeError, ValueError) as error:
        raise DataError(f"{record.where}: cannot be written as JSON: {error}") from error
    return line


def _copy(root: ImageRoot, name: str, to: Path, copied: set[str], where: str) -> None:
    """Copy a picture that is there; what is absent is so in the copy, too, and found when that is read."""
    if name in copied:
        return
    try:
        file = root.find(name)
    except (AbsentError, OutsideError):
        return
    inside = os.path.normpath(name)
    if inside.startswith(".."):  # out of the folder and back into it, which the copy's name would not be
        raise DataError(f"{where}: picture {name!r} leads out of '{root.path}' on its way. Name it from inside")
    target = to / inside
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(file, target)
    copied.add(name)


def _manifest(manifest: Manifest, fields: Fields, source: Source, image_root: str) -> str:
    columns = fields.model_dump(exclude_defaults=True, mode="json")
    if columns.get("label", {}).keys() == {"column"}:
        columns["label"] = columns["label"]["column"]
    content: dict[str, Any] = {
        "name": manifest.name,
        "records": RECORDS_FILE,
        "image_root": image_root,
        "fields": {
            key: value[0] if isinstance(value, list) and len(value) == 1 else value for key, value in columns.items()
        },
    }
    if source.label_optional:
        content["labels"] = {"on_missing": "drop"}
    text = f"# Imported from {manifest.path}, format {manifest.format}.\n"
    text += yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=110)
    split = None if is_code(manifest.format) else find_layout(manifest.format).split
    if split is not None:
        text += f"# The layout has splits of its own. To use them:\n# splits: {{column: {split}}}\n"
    return text
