"""Write the tables of a folder as one records file: the splits below each other, with the columns of joined tables."""

import json
import os
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from automm.data.images.of_record import RecordPictures
from automm.data.images.root import ImageRoot
from automm.data.layouts.imagefolder import FOLDER
from automm.data.manifest import Manifest, parse_manifest
from automm.data.onboarding.columns.completed import PictureNames
from automm.data.onboarding.import_draft import (
    MANIFEST,
    PICTURES,
    PLACE,
    RECORDS_FILE,
    Imported,
    PictureCopies,
    drafted,
    plain_name,
)
from automm.data.onboarding.init import guess_manifest, manifest_text
from automm.data.onboarding.reading import read_table_of
from automm.data.onboarding.related import unlabelled_note
from automm.data.onboarding.tables import Plan
from automm.data.records.field_values import is_empty
from automm.data.records.forms import Dialect
from automm.data.records.opening import open_source, read_files
from automm.data.records.tables.excel import sheet_notes
from automm.data.sections import plain_value
from automm.errors import DataError

SPLIT = "split"  # the column that names the table's split


@dataclass
class TablesWriter:
    """Writes the records of a plan as JSON Lines.

    Attributes:
        plan: how the tables belong together.
        source: the folder that pictures are named relative to.
        records: how many were written.
        splits: the splits of the tables.
        columns: of the records.
        notes: what was joined and what was not, by key.
    """

    plan: Plan
    source: Path
    records: int = 0
    splits: set[str] = field(default_factory=set)
    columns: set[str] = field(default_factory=set)
    notes: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.names = PictureNames(self.source)

    def write(self, lines: IO[str]) -> None:
        """Write every record.

        Raises:
            DataError: a table cannot be read, or the key of a joined table repeats.
        """
        self.notes |= self.plan.notes
        for file in (*self.plan.parts, *self.plan.joins):
            if file.suffix.lower() == ".xlsx" and (note := sheet_notes(file)):
                self.notes[f"records of {file.name}"] = note
        joined = {file: self._rows_by_key(file, key) for file, key in self.plan.joins.items()}
        missing = dict.fromkeys(self.plan.joins, 0)
        several = len(self.plan.parts) > 1
        for file, split in self.plan.parts.items():
            for values in _rows(file):
                record = self.names.complete(values, file.parent, split)
                for other, key in self.plan.joins.items():
                    value = _key(values.get(key))
                    more = joined[other].get(value) if value else None
                    missing[other] += more is None
                    for name, cell in (more or {}).items():
                        record[name if name not in record else f"{other.stem}_{name}"] = cell
                if several and split is not None and SPLIT not in record:
                    record[SPLIT] = split
                    self.splits.add(split)
                self._put(record, file, lines)
        for other, key in self.plan.joins.items():
            without = f"; {missing[other]:,} records have no row there" if missing[other] else ""
            self.notes[f"joined: {other.name}"] = f"by column {key!r}{without}"
        if several:
            names = ", ".join(f"{file.name} ({split})" for file, split in self.plan.parts.items())
            self.notes["records"] = f"from {names}"

        if self.names.completed:
            self.notes["picture names"] = f"{self.names.completed:,} are completed with the folders of their files"

    def _put(self, record: Mapping[str, object], file: Path, lines: IO[str]) -> None:
        try:
            lines.write(json.dumps(record, ensure_ascii=False, default=str) + "\n")
        except (TypeError, ValueError) as error:
            raise DataError(f"{file.name}: a record cannot be written as JSON: {error}") from error
        self.records += 1
        self.columns.update(record)

    def _rows_by_key(self, file: Path, key: str) -> dict[str, dict[str, Any]]:
        rows: dict[str, dict[str, Any]] = {}
        for values in _rows(file):
            value = _key(values.get(key))
            if not value:  # a total, or a row that belongs to no record
                continue
            if value in rows:
                raise DataError(
                    f"{file.name}: {key!r} is {value!r} in several rows, so its rows cannot be joined. "
                    "Keep one row for each, or join the tables yourself"
                )
            rows[value] = {name: cell for name, cell in values.items() if name != key}
        return rows


def _rows(file: Path) -> Iterator[Mapping[str, object]]:
    written = read_table_of([file]).written
    dialect = Dialect(written.get("delimiter"), written.get("quotes"))
    for record in read_files([file.absolute()], written.get("encoding", "utf-8"), dialect):
        yield record.values


def _key(cell: object) -> str:
    return "" if is_empty(cell) else plain_value(cell)


def import_tables(plan: Plan, source: Path, to: Path, fields: Mapping[str, Any], copy_images: bool) -> Imported:
    """Import the tables of a folder as one records file; the manifest is guessed except for `fields`."""
    copied = 0
    with drafted(to) as draft:
        writer, records = TablesWriter(plan, source), draft / RECORDS_FILE
        with records.open("w", encoding="utf-8", newline="\n") as lines:
            writer.write(lines)
        if (column := writer.names.of_classes) is not None and FOLDER not in writer.columns:
            writer.names.add_folders(records, column)
            writer.notes[f"column {FOLDER!r}"] = f"the folders of the pictures in {column!r}"
        guess = guess_manifest(records, draft, given=fields, near=source, records=RECORDS_FILE)
        guess.reasons.update(writer.notes)
        for file in plan.unlabelled:
            guess.reasons[f"not read: {file.name}"] = unlabelled_note(file, guess.inputs)
        guess.content["name"] = plain_name(source)
        parse_manifest(guess.content, PLACE)
        if copy_images:
            copied = _copy_pictures(parse_manifest(guess.content, draft / MANIFEST), draft / PICTURES)
            guess.content["image_root"] = PICTURES
        elif "image_root" in guess.content:
            root = (draft / guess.content["image_root"]).resolve()
            guess.content["image_root"] = os.path.relpath(root, os.path.realpath(to))
        (draft / MANIFEST).write_text(manifest_text(guess, source), encoding="utf-8")
    return Imported(to / MANIFEST, writer.records, copied, {}, guess.reasons, guess.roles)


def _copy_pictures(manifest: Manifest, to: Path) -> int:
    """Copy the pictures that the records of a manifest name, and return how many."""
    source = open_source(manifest)
    root = ImageRoot(source.image_root)
    pictures, copies = RecordPictures(manifest, source, root, [], [], Counter()), PictureCopies(root, to)
    pictures.learn(lambda: open_source(manifest).rows)
    for record in source.rows:
        try:
            named = pictures.named(record.values)
        except ValueError:  # check reports the cell
            continue
        for name in named:
            if isinstance(name, str):
                copies.add(name, record.where)
    copies.check()
    return len(copies)
