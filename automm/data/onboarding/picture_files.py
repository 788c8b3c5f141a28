"""Under which folder the pictures of a column lie: by the names that it holds, or by its values and a suffix."""

import math
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from automm.data.images.missing_hints import is_absolute
from automm.data.onboarding.column_roles import IDS, PICTURES, Column, names_no_column, spelt
from automm.data.sections import plain_value

SAMPLE = 50  # pictures whose files are looked for
PROBES = 8  # of a sample; where none of them is there, the others are not looked for
MOST_COLUMNS = 8
MOST_FOLDERS = 50
LONGEST_NAME = 200  # characters
SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".JPG", ".JPEG", ".PNG", ".WEBP")


@dataclass(frozen=True)
class Template:
    """Pictures that are named by a column and a suffix, and the share of them that is there."""

    column: str
    suffix: str
    root: Path
    there: float

    @property
    def entry(self) -> str:
        """As `fields.images` has it."""
        return f"{{{self.column}}}{self.suffix}"


def root_of(folder: Path, names: list[str]) -> tuple[Path, float]:
    """The folder that holds most of some pictures, and their share: the file's own, or one in it."""
    best, share = folder, 0.0
    for root in _folders(folder):
        there = _share(root, names)
        if there > share:
            best, share = root, there
    return best, share


def template_of(columns: list[Column], folder: Path) -> Template | None:
    """The column whose values, with a suffix, name most files; rather one that is called like pictures or ids."""
    found = []
    for column in sorted(filter(_may_name_files, columns), key=_likeliness, reverse=True)[:MOST_COLUMNS]:
        best = _best_template(column.name, _stems(column), folder)
        if best is not None:
            found.append(((best.there, *_likeliness(column)), best))
    return max(found, key=lambda pair: pair[0])[1] if found else None


def _best_template(column: str, stems: list[str], folder: Path) -> Template | None:
    found = []
    probes = stems[:: max(1, len(stems) // PROBES)][:PROBES]
    for root in islice(_folders(folder), MOST_FOLDERS):
        for suffix in SUFFIXES:
            if _share(root, [stem + suffix for stem in probes]):
                found.append(Template(column, suffix, root, _share(root, [stem + suffix for stem in stems])))
    best = max(found, key=lambda one: one.there, default=None)
    return best if best is not None and best.there > 0.5 else None


def _may_name_files(column: Column) -> bool:
    """Whether it has many short values; one that is called like ids may repeat, as those of products do."""
    if names_no_column(column.name) or "{" in column.name or "}" in column.name or column.distinct < 2:
        return False
    called = IDS.search(spelt(column.name)) or PICTURES.search(column.name)
    return bool(_stems(column)) and (called is not None or column.distinct >= 0.9 * column.records)


def _likeliness(column: Column) -> tuple[bool, bool, int]:
    return PICTURES.search(column.name) is not None, IDS.search(spelt(column.name)) is not None, column.distinct


def _stems(column: Column) -> list[str]:
    """A sample of the values, in the form that a template gives them."""
    cells = column.cells[:: max(1, len(column.cells) // SAMPLE)][:SAMPLE]
    values = [plain_value(one) for one in cells if isinstance(one, str | int | float) and not _infinite(one)]
    return [one for one in values if len(one) <= LONGEST_NAME and "\n" not in one and not one.startswith("..")]


def _infinite(cell: str | float) -> bool:
    return isinstance(cell, float) and math.isinf(cell)


def _folders(folder: Path) -> list[Path]:
    try:
        return [folder, *sorted(inner for inner in folder.iterdir() if inner.is_dir())]
    except OSError:
        return [folder]


def _share(root: Path, names: list[str]) -> float:
    return sum(not is_absolute(name) and _is_there(root, name) for name in names) / max(1, len(names))


def _is_there(root: Path, name: str) -> bool:
    try:
        return (root / name).is_file() or (root / name.replace("\\", "/")).is_file()
    except (OSError, ValueError):
        return False
