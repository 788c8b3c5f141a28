"""What the folders of pictures say: the value of another column, as in "{split}/{file}", or a class."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from automm.data.images.tree import fold
from automm.data.layouts.imagefolder import label_folder
from automm.data.onboarding.columns.column import Column
from automm.data.onboarding.columns.names import has_braces
from automm.data.onboarding.columns.nearby import MOST_NAMES, Located, Nearby
from automm.data.records.field_values import is_empty
from automm.data.sections import plain_value

MOST_FOLDERS = 2_000  # different values of a column
MOST_CLASSES, LEAST_OF_CLASS = 1_000, 5  # folders that are classes; records of a folder, on average
LEAST = 0.9  # of the share of names that are found without the folders


def find_folders(
    name: str, columns: Mapping[str, Column], rows: Sequence[Mapping[str, Any]], nearby: Nearby
) -> tuple[str, Located] | None:
    """Return the column after which the folders of the pictures are named, and where they are; None if there is none.

    Args:
        name: the column with the names of pictures, one in a cell.
        columns: all columns, by name.
        rows: the records of the sample.
        nearby: the picture files near the records.
    """
    folders = {fold(part) for file in nearby.pictures for part in nearby.relative(file).split("/")[:-1]}
    best: tuple[str, Located] | None = None
    for column in columns.values():
        if column.name == name or has_braces(column.name) or not 2 <= column.distinct <= MOST_FOLDERS:
            continue
        if 2 * sum(fold(value) in folders for value in column.values) <= len(column.values):
            continue
        pairs = [(row.get(column.name), row.get(name)) for row in rows]
        named = [f"{plain_value(folder)}/{plain_value(file)}" for folder, file in pairs if _are_plain(folder, file)]
        if 2 * len(named) <= len(pairs):  # most names have folders of their own
            continue
        located = nearby.locate(named[:: len(named) // MOST_NAMES + 1])
        if not located.rivals and located.share > (best[1].share if best is not None else 0):
            best = column.name, located
    return best


def are_classes(folders: Counter[str]) -> bool:
    """Return whether folders may be classes, by the number of records that have a picture there."""
    return 2 <= len(folders) <= MOST_CLASSES and folders.total() >= LEAST_OF_CLASS * len(folders)


def class_folders(column: Column, nearby: Nearby) -> list[str]:
    """Return the folders of the pictures that a column names, if they may be classes; [] if not."""
    names = [cell for cell in column.cells if isinstance(cell, str)]
    files = [nearby.ending_with(name) for name in names[:: len(names) // MOST_NAMES + 1]]
    folders = Counter(label_folder(nearby.relative(one[0])) for one in files if len(one) == 1)
    del folders[""]
    return sorted(folders) if are_classes(folders) else []


def _are_plain(*cells: Any) -> bool:
    return all(isinstance(cell, str | int) and not is_empty(cell) and "/" not in str(cell) for cell in cells)
