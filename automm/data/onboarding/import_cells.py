"""Import records whose cells hold the pictures themselves: write the pictures to files."""

import hashlib
import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from automm.data.change_kinds import Change
from automm.data.manifest import parse_manifest
from automm.data.onboarding.columns.names import names_portrait
from automm.data.onboarding.import_draft import (
    MANIFEST,
    PICTURES,
    PLACE,
    RECORDS_FILE,
    Imported,
    drafted,
    plain_name,
)
from automm.data.onboarding.init import guess_manifest, manifest_text
from automm.data.onboarding.reading import read_table_of
from automm.data.records.field_values import cell_pictures
from automm.data.records.forms import FORMS, Dialect
from automm.data.records.opening import read_files
from automm.data.sections import Fields
from automm.errors import AutommError


def holds_embedded(source: Path) -> bool:
    """Return whether a records file has a column of pictures in its cells; never raises."""
    try:
        return source.suffix.lower() in FORMS and bool(_columns(source)[0])
    except (AutommError, OSError):
        return False


def _columns(source: Path) -> tuple[list[str], dict[str, Any]]:
    """Return the columns of pictures, and how the file is written."""
    table = read_table_of([source])
    columns = [name for name, column in table.columns.items() if column.is_embedded and not names_portrait(name)]
    return columns, table.written


def import_cells(source: Path, to: Path, fields: Mapping[str, Any]) -> Imported:
    """Import a records file: each distinct picture becomes a file, named by its content."""
    columns, written = _columns(source)
    reading = Fields(images=tuple(columns), image_kind="base64")
    dialect = Dialect(written.get("delimiter"), written.get("quotes"))
    changes: Counter[Change] = Counter()
    files: set[str] = set()
    count = 0
    with drafted(to) as draft:
        (draft / PICTURES).mkdir()
        with (draft / RECORDS_FILE).open("w", encoding="utf-8", newline="\n") as lines:
            for record in read_files([source.absolute()], written.get("encoding", "utf-8"), dialect):
                values = dict(record.values)
                for column in columns:
                    names = []
                    for picture in cell_pictures(values, reading.model_copy(update={"images": (column,)})):
                        if picture.fault:
                            changes[Change.NOT_A_PICTURE] += 1
                            continue
                        name = hashlib.sha256(picture.content).hexdigest()[:32] + picture.suffix
                        if name not in files:
                            (draft / PICTURES / name).write_bytes(picture.content)
                            files.add(name)
                        names.append(name)
                    values[column] = names
                lines.write(json.dumps(values, ensure_ascii=False, default=str) + "\n")
                count += 1
        given = {"images": columns[0] if len(columns) == 1 else columns, **fields}
        guess = guess_manifest(draft / RECORDS_FILE, draft, given=given, near=draft)
        guess.content.update({"name": plain_name(source), "image_root": PICTURES})
        parse_manifest(guess.content, PLACE)
        (draft / MANIFEST).write_text(manifest_text(guess, source), encoding="utf-8")
    return Imported(to / MANIFEST, count, len(files), dict(changes), guess.reasons, guess.roles)
