"""Find the folder of the pictures that a column names, by its values or by its values and a suffix."""

import math
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from automm.data.images.missing_hints import is_absolute
from automm.data.onboarding.column_roles import IDS, PICTURES, Column, is_nameless, snake_case
from automm.data.sections import plain_value

SAMPLE = 50  # pictures whose files are searched
PROBES = 8  # pictures of a sample that are searched first; if none is found, the others are not searched
MOST_COLUMNS = 8
MOST_FOLDERS = 50
LONGEST_NAME = 200  # characters
SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".JPG", ".JPEG", ".PNG", ".WEBP")


@dataclass(frozen=True)
class Template:
    """Pictures whose names are a column's values and a suffix.

    Attributes:
        column, suffix: "id" and ".jpg" name "17.jpg".
        root: the folder of the files.
        share: the share of the sampled names that are files.
    """

    column: str
    suffix: str
    root: Path
    share: float

    @property
    def entry(self) -> str:
        """The template as `fields.images` has it: "{id}.jpg"."""
        return f"{{{self.column}}}{self.suffix}"


def find_root(folder: Path, names: list[str]) -> tuple[Path, float]:
    """Find the folder that holds most of some pictures: `folder` or a folder in it.

    Returns:
        The folder, and the share of the names that are files in it.
    """
    best, largest = folder, 0.0
    for root in _folders(folder):
        share = _share(root, names)
        if share > largest:
            best, largest = root, share
    return best, largest


def find_template(columns: list[Column], folder: Path) -> Template | None:
    """Find the column whose values, with a suffix, name most files; names like pictures or ids break a draw."""
    templates = []
    for column in sorted(filter(_may_name_files, columns), key=_likeliness, reverse=True)[:MOST_COLUMNS]:
        best = _best_template(column.name, _stems(column), folder)
        if best is not None:
            templates.append(((best.share, *_likeliness(column)), best))
    return max(templates, key=lambda pair: pair[0])[1] if templates else None


def _best_template(column: str, stems: list[str], folder: Path) -> Template | None:
    templates = []
    probes = stems[:: max(1, len(stems) // PROBES)][:PROBES]
    for root in islice(_folders(folder), MOST_FOLDERS):
        for suffix in SUFFIXES:
            if _share(root, [stem + suffix for stem in probes]):
                templates.append(Template(column, suffix, root, _share(root, [stem + suffix for stem in stems])))
    best = max(templates, key=lambda template: template.share, default=None)
    return best if best is not None and best.share > 0.5 else None


def _may_name_files(column: Column) -> bool:
    """Return whether a column has many short values, or is named like ids or pictures (ids of products repeat)."""
    if is_nameless(column.name) or "{" in column.name or "}" in column.name or column.distinct < 2:
        return False
    likely = IDS.search(snake_case(column.name)) or PICTURES.search(column.name)
    return bool(_stems(column)) and (likely is not None or column.distinct >= 0.9 * column.records)


def _likeliness(column: Column) -> tuple[bool, bool, int]:
    return PICTURES.search(column.name) is not None, IDS.search(snake_case(column.name)) is not None, column.distinct


def _stems(column: Column) -> list[str]:
    """Return a sample of the values, in the form that a template gives them."""
    cells = column.cells[:: max(1, len(column.cells) // SAMPLE)][:SAMPLE]
    values = [plain_value(cell) for cell in cells if isinstance(cell, str | int | float) and not _infinite(cell)]
    return [value for value in values if len(value) <= LONGEST_NAME and "\n" not in value and value[:2] != ".."]


def _infinite(cell: str | float) -> bool:
    return isinstance(cell, float) and math.isinf(cell)


def _folders(folder: Path) -> list[Path]:
    try:
        return [folder, *sorted(inner for inner in folder.iterdir() if inner.is_dir())]
    except OSError:
        return [folder]


def _share(root: Path, names: list[str]) -> float:
    """Return the share of the names that are files below a folder."""
    return sum(not is_absolute(name) and _is_file(root, name) for name in names) / max(1, len(names))


def _is_file(root: Path, name: str) -> bool:
    try:
        return (root / name).is_file() or (root / name.replace("\\", "/")).is_file()
    except (OSError, ValueError):
        return False
