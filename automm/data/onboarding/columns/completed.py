"""Complete the names of pictures of tables that become one file, and find classes in the names of their folders."""

import json
import os
from collections import Counter, defaultdict
from collections.abc import Mapping
from pathlib import Path

from automm.data.images.tree import is_picture
from automm.data.layouts.imagefolder import FOLDER, label_folder
from automm.data.onboarding.columns.folders import are_classes
from automm.data.onboarding.columns.image_column import SEPARATORS
from automm.data.onboarding.columns.nearby import Nearby, is_of_split
from automm.data.records.field_values import listed_names

LONGEST_CELL = 10_000  # characters


class PictureNames:
    """The names of pictures in the tables of a folder.

    Without their folders, equal names in tables of several splits (images/train/1.jpg, images/val/1.jpg) would share
    pictures, or fit several.

    Args:
        source: the folder that names are relative to.

    Attributes:
        completed: how many names were completed with their folders.
    """

    def __init__(self, source: Path):
        self.source = source.resolve()
        self.nearby = Nearby(source)
        self.completed = 0
        self._folders: dict[str, Counter[str]] = defaultdict(Counter)  # of each column's pictures

    def complete(self, values: Mapping[str, object], folder: Path, split: str | None) -> dict[str, object]:
        """Return a record whose names of pictures are relative to `source`, as far as exactly one file is meant.

        Args:
            values: the cells by column.
            folder: the folder of the record's table.
            split: the split that the table is named after.
        """
        record = dict(values)
        for column, cell in values.items():
            names = _names_in(cell)
            if not names:
                continue
            files = [self._file(name, folder.resolve(), split) for name in names]
            if all(files) and files != names:
                record[column] = files[0] if isinstance(cell, str) and cell.strip() == names[0] else files
                self.completed += len(files)
            if folder_name := self._folder(files[0] or names[0]):
                self._folders[column][folder_name] += 1
        return record

    def _file(self, name: str, folder: Path, split: str | None) -> str:
        """Return the path of a name relative to `source`; "" if it is found by its name alone, or not at all."""
        path = Path(os.path.normpath(folder / name))
        if folder != self.source and path.is_file() and path.resolve().is_relative_to(self.source):
            return path.relative_to(self.source).as_posix()
        if split is None:
            return ""
        own = [one for one in self._fitting(name) if is_of_split(one.rpartition("/")[0], split)]
        return own[0] if len(own) == 1 else ""

    def _fitting(self, name: str) -> list[str]:
        """Return the files below `source` that a name fits, relative to it."""
        below = f"{self.source.as_posix()}/"
        return [file.removeprefix(below) for file in self.nearby.ending_with(name) if file.startswith(below)]

    def _folder(self, name: str) -> str:
        """Return the folder of the one file that a name fits; "" if its name can be no class, or several files fit."""
        files = self._fitting(name)
        return label_folder(files[0]) if len(files) == 1 else ""

    @property
    def of_classes(self) -> str | None:
        """The first column whose pictures are in folders that may be classes; None without any."""
        return next((column for column, folders in self._folders.items() if are_classes(folders)), None)

    def add_folders(self, records: Path, column: str) -> None:
        """Write the folder of each record's first picture into a column `folder` of the records file."""
        draft = records.with_suffix(".draft")
        with records.open(encoding="utf-8") as lines, draft.open("w", encoding="utf-8", newline="\n") as out:
            for line in lines:
                values = json.loads(line)
                folder = next((self._folder(name) or None for name in _names_in(values.get(column))), None)
                out.write(json.dumps({**values, FOLDER: folder}, ensure_ascii=False) + "\n")
        draft.replace(records)


def _names_in(cell: object) -> list[str]:
    """Return the names of pictures in a cell; [] if it holds anything else."""
    if isinstance(cell, str) and len(cell) <= LONGEST_CELL and is_picture(cell.rstrip("\"'] \n")):
        listed = listed_names(cell)
        parts = [cell.strip()] if listed is None else [name.strip() for name in listed]
        for separator in SEPARATORS[:-1] if listed is None else ():
            several = [part.strip() for part in cell.split(separator) if part.strip()]
            if len(several) > 1 and all(map(is_picture, several)):
                parts = several
                break
    elif isinstance(cell, list):
        parts = [part for part in cell if isinstance(part, str)]
    else:
        return []
    return parts if parts and all(map(is_picture, parts)) else []
