"""Import a data set in its native layout: write a records file and a manifest."""

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from automm.config.strict_yaml import write_yaml
from automm.data.change_kinds import change_lines
from automm.data.download.urls import is_url
from automm.data.images.root import ImageRoot
from automm.data.images.tree import fold
from automm.data.layouts import EMBEDDED, LAYOUTS, RECORDS, find_layout, is_code, listing, recognise, unknown_format
from automm.data.layouts.imagefolder import labels_are_folders
from automm.data.layouts.opening import records_there
from automm.data.manifest import Manifest, parse_manifest
from automm.data.onboarding.columns.names import names_portrait
from automm.data.onboarding.guess import Guess
from automm.data.onboarding.import_cells import holds_embedded, import_cells
from automm.data.onboarding.import_draft import (
    MANIFEST,
    PICTURES,
    PLACE,
    RECORDS_FILE,
    Imported,
    PictureCopies,
    check_no_options,
    drafted,
    plain_name,
)
from automm.data.onboarding.import_notes import ignored_files, layout_roles, use_splits
from automm.data.onboarding.import_tables import import_tables
from automm.data.onboarding.init import guess_manifest, manifest_text
from automm.data.onboarding.tables import plan_tables
from automm.data.onboarding.unpack import Unpacking, holds_pictures
from automm.data.records.field_values import cell_images, columns_of, is_empty
from automm.data.records.opening import open_source
from automm.data.records.source import Record, Source
from automm.data.sections import Fields
from automm.errors import ConfigError, DataError, NotFoundError, Problem, one_line

ID = "automm_id"  # column of ids that are added if a layout has none
AUTO = "auto"
IMAGEFOLDER = "imagefolder"
CELLS = "cells"  # of a file of records, which hold the pictures themselves
TABLES = "tables"  # of a folder, not in a native layout


class NoReviewsError(DataError):
    """A format found no record in a source; another format may."""


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
    """Write TO/reviews.jsonl and TO/manifest.yaml; they give the same reviews as the native layout.

    Args:
        name: a format; "auto" for the first format that recognises the source and finds records in it;
            my_module:my_reader; or "embedded" for Parquet files that hold the pictures themselves.
        source: a folder or a file.
        to: a new or an empty folder.
        options: options of the format.
        fields: keys of `fields` that override the format's or the guess; required for a custom reader.
        copy_images: copy the pictures to TO/images; otherwise the manifest points to the originals. Embedded pictures
            are always written there.
        allow_code: whether `name` may be a custom reader.

    Raises:
        ConfigError: an unknown format or option, or `to` is not empty.
        NotFoundError: the source does not exist, or does not fit the format.
        DataError: every problem of the records, one per line. Nothing is written then.
    """
    formats, to = _formats(name, source), to.absolute()
    empty: list[Problem] = []
    for chosen in formats:
        try:
            if chosen == EMBEDDED:
                return _unpack(source, to, options or {}, fields or {})
            if chosen == CELLS:
                check_no_options("a file of records", options or {})
                return import_cells(source, to, fields or {})
            if chosen == TABLES:
                check_no_options("a folder of tables", options or {})
                return import_tables(plan_tables(source), source, to, fields or {}, copy_images)
            content: dict[str, Any] = {"name": plain_name(source), "format": chosen, "path": str(source.absolute())}
            content |= {key: dict(value) for key, value in (("options", options), ("fields", fields)) if value}
            manifest = parse_manifest(content, PLACE, allow_code=allow_code)
            return _write(manifest, open_source(manifest), to, copy_images, fields or {})
        except NoReviewsError as error:
            empty += error.problems
    if others := [known for known in recognise(source) if known not in formats]:
        fix = f"To import it: automm import {others[0]} {source} --to DIR"
        empty.append(Problem("other_format", "", f"It also looks like format {others[0]}", fix))
    raise DataError(empty)


def _unpack(source: Path, to: Path, options: Mapping[str, Any], fields: Mapping[str, Any]) -> Imported:
    """Import Parquet files that hold the pictures themselves; the manifest is guessed except for `fields`."""
    check_no_options(f"format {EMBEDDED}", options)
    with drafted(to) as draft:
        unpacking, records = Unpacking(source, draft / PICTURES), draft / RECORDS_FILE
        with records.open("w", encoding="utf-8", newline="\n") as lines:
            unpacking.write(lines)
        if not unpacking.records:
            raise NoReviewsError(f"{source}: no reviews found in format {EMBEDDED}")
        columns = [name for name in unpacking.columns if not names_portrait(name)] or unpacking.columns
        given = {"images": columns[0] if len(columns) == 1 else columns, **fields}
        guess = guess_manifest(records, draft, given=given)
        known = {"name": plain_name(source), "records": RECORDS_FILE, "image_root": PICTURES}
        guess = replace(guess, content=known | {key: part for key, part in guess.content.items() if key not in known})
        _without_labels(guess, records)
        parse_manifest(guess.content, PLACE)
        text = manifest_text(guess, source)
        if "splits" not in guess.content:
            named = guess.content["fields"].get("label")
            column = named.get("column") if isinstance(named, dict) else named
            comment, aside = use_splits(records, to, "split", column)
            guess.reasons.update(aside)
            text += comment
        (draft / MANIFEST).write_text(text, encoding="utf-8")
    return Imported(
        to / MANIFEST, unpacking.records, unpacking.pictures, dict(unpacking.changes), guess.reasons, guess.roles
    )


def _without_labels(guess: Guess, records: Path) -> None:
    """Drop records without a label in the manifest; drop the splits, too, if train or test has no labels."""
    label = guess.content["fields"].get("label")
    if not isinstance(label, str):
        return
    splits, without = set[object](), 0
    with records.open(encoding="utf-8") as lines:
        for line in lines:
            values = json.loads(line)
            if is_empty(values.get(label)):
                without += 1
            else:
                splits.add(values.get("split"))
    if without:
        guess.content["labels"] = {"on_missing": "drop"}
        guess.reasons["labels"] = f"{without:,} records without a label are dropped"
        if "splits" in guess.content and not {"train", "test"} <= splits:
            del guess.content["splits"]
            guess.reasons["splits.column"] = "not used: its train or test split has no record with a label"


def _formats(name: str, source: Path) -> list[str]:
    """Return the named format, or the formats that recognise the source."""
    if name == RECORDS:
        raise ConfigError("a records file needs no import. To write a manifest for it: automm init FILE")
    if name not in (AUTO, EMBEDDED, *LAYOUTS) and not is_code(name):
        raise ConfigError(unknown_format(name))
    if not source.exists():
        raise NotFoundError(f"{source}: no such file or folder")
    if name != AUTO:
        return [name]
    found = [*recognise(source), *([EMBEDDED] if holds_pictures(source) else [])]
    if IMAGEFOLDER in found and labels_are_folders(source):
        with suppress(NotFoundError):
            plan_tables(source)
            found[found.index(IMAGEFOLDER)] = TABLES
    if not found and source.is_file() and holds_embedded(source):
        return [CELLS]
    if not found and source.is_dir():
        with suppress(NotFoundError):
            plan_tables(source)
            found = [TABLES]
    if not found:
        message = f"{source}: no known format. Known ones, and what each looks for:\n{listing()}"
        raise NotFoundError(f"{message}\n{records_there(source)}".rstrip())
    return found


def _write(manifest: Manifest, source: Source, to: Path, copy_images: bool, given: Mapping[str, Any]) -> Imported:
    """Write records and manifest of a native layout.

    Args:
        given: keys of `fields` that the user has set and no guess replaces.
    """
    root = ImageRoot(source.image_root)
    fields = source.fields if source.fields.id is not None else source.fields.model_copy(update={"id": ID})
    split = None if is_code(manifest.format) else find_layout(manifest.format).split
    count = 0
    columns, named = set[str](), set[str]()
    with drafted(to) as draft:
        copies = PictureCopies(root, draft / PICTURES) if copy_images else None
        with (draft / RECORDS_FILE).open("w", encoding="utf-8", newline="\n") as lines:
            for record in source.rows:
                count += 1
                columns |= record.values.keys()
                line = _line(record, fields is not source.fields)
                lines.write(line + "\n")
                with suppress(ValueError):  # check reports it
                    named |= {fold(name) for name in cell_images(record.values, fields) if not is_url(name)}
                if copies is not None:
                    for name in _names(record, fields):
                        copies.add(name, record.where)
        if not count:
            raise NoReviewsError(_no_reviews(manifest, source))
        fields, reasons = _complete(fields, columns, draft / RECORDS_FILE, given)
        roles = layout_roles(draft / RECORDS_FILE, columns, fields, reasons, given)
        if not is_code(manifest.format):
            reasons = reasons | ignored_files(
                manifest.folder / str(manifest.path), manifest.format, source.opened, named
            )
        image_root = PICTURES if copy_images else os.path.relpath(root.path, os.path.realpath(to))
        text = _manifest(manifest, fields, source, image_root, reasons)
        if split is not None:
            label = fields.label.column if fields.label is not None else None
            comment, aside = use_splits(draft / RECORDS_FILE, to, split, label)
            text, reasons = text + comment, reasons | aside
        (draft / MANIFEST).write_text(text, encoding="utf-8")
        if copies is not None:
            copies.check()
    copied = 0 if copies is None else len(copies)
    return Imported(to / MANIFEST, count, copied, dict(source.changes), reasons, roles)


def _no_reviews(manifest: Manifest, source: Source) -> str:
    expected = "" if is_code(manifest.format) else f". It looks for {find_layout(manifest.format).looks_for}"
    changes = "".join(f". {line}" for line in change_lines(source.changes))
    return f"{manifest.path}: no reviews found in format {manifest.format}{expected}{changes}"


def _complete(
    fields: Fields, columns: set[str], records: Path, given: Mapping[str, Any]
) -> tuple[Fields, dict[str, str]]:
    """Guess text or label if the layout's columns for them are in no record; return the fields and the reasons."""
    named = columns_of(fields, labelled=True)
    absent = [key for key in ("text", "label") if key not in given and not columns >= set(named[f"fields.{key}"])]
    if not absent:
        return fields, {}
    known = fields.model_dump(exclude_defaults=True, mode="json")
    # Pictures are guessed again: a column from which the layout makes names of pictures must not become the text.
    absent += ["id"] if fields.id == ID else []
    settled = {key: value for key, value in known.items() if key not in (*absent, "images")}
    try:
        guess = guess_manifest(records, records.parent, given=settled, near=records.parent, ignore=(ID,))
    except ConfigError:  # no column can be guessed; check will report the absent columns
        return fields, {}
    guessed = {key: guess.content["fields"][key] for key in absent if key in guess.content["fields"]}
    reasons = {key: guess.reasons[key] for key in (f"fields.{name}" for name in absent) if key in guess.reasons}
    return Fields.model_validate(known | guessed), reasons


def _line(record: Record, with_id: bool) -> str:
    """Return a record as a line of JSON."""
    values = record.values | {ID: record.fallback_id} if with_id else record.values
    try:
        line = json.dumps(values, ensure_ascii=False)
        line.encode()
    except (TypeError, ValueError) as error:
        raise DataError(f"{record.where}: cannot be written as JSON: {error}") from error
    return line


def _names(record: Record, fields: Fields) -> list[str]:
    try:
        return cell_images(record.values, fields)
    except ValueError as error:
        raise DataError(f"{record.where}: {error}") from error


def _manifest(manifest: Manifest, fields: Fields, source: Source, image_root: str, reasons: Mapping[str, str]) -> str:
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
    lines = [f"# Imported from {manifest.path}, format {manifest.format}."]
    lines += [f"# {key}: {reason}" for key, reason in reasons.items()]
    text = "".join(f"{one_line(line)}\n" for line in lines)
    return text + write_yaml(content)
