"""The content of a column that may name pictures: names, other values, and how several names are separated."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from automm.data.download.urls import is_url
from automm.data.images.tree import PICTURES, UNREAD
from automm.data.onboarding.columns.column import Column
from automm.data.onboarding.columns.names import names_picture, names_thumbnail, snake_case
from automm.data.onboarding.columns.nearby import Located, Nearby
from automm.data.records.field_values import listed_names

SEPARATORS = ("\n", ",", ";", "|", " ")
_QUOTED = r"""(?:'[^']+'|"[^"]+")"""  # unambiguous, which prevents exponential backtracking
_SIDE_BY_SIDE = re.compile(rf"\[\s*{_QUOTED}(?:\s+{_QUOTED})+\s*\]")  # ['a.jpg' 'b.jpg'], an array of NumPy's
IN_QUOTES = re.compile(r"""(['"])(.+?)\1""")
_HOLDS_SUFFIX = re.compile("|".join(map(re.escape, (*PICTURES, *UNREAD))), re.IGNORECASE)
_ENDS_AS_PICTURE = re.compile(rf"[^?#]*[^?#/]({'|'.join(map(re.escape, PICTURES))})/*([?#]|$)", re.IGNORECASE)
_LARGE = re.compile(r"(^|_)(large|full|orig|original|hi|high|big|xl)(_|$)")
_NUMBER = re.compile(r"[ _.-]*[0-9]+")


@dataclass
class ImageColumn:
    """The content of a column that may name pictures.

    Attributes:
        name: of the column.
        separator: what separates several names in a cell.
        names: names of pictures.
        others: other values.
        unread: cells whose names cannot be read reliably.
        located: where the files are.
    """

    name: str
    separator: str | None = None
    names: list[str] = field(default_factory=list)
    others: list[str] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)
    located: Located = field(default_factory=lambda: Located(Path()))

    @property
    def share(self) -> float:
        """The share of the names that are files."""
        return self.located.share

    @property
    def root(self) -> Path:
        """The folder of the files."""
        return self.located.root

    @property
    def local(self) -> list[str]:
        """The names that are not URLs."""
        return [name for name in self.names if not is_url(name)]

    @property
    def rank(self) -> tuple[int, bool, int, bool]:
        """Columns whose files exist come first, then columns of URLs, then full pictures, then most names."""
        urls = len(self.local) < len(self.names)
        small, large = names_thumbnail(f"{self.name}/"), bool(_LARGE.search(snake_case(self.name)))
        return (2 if self.share else 1 if urls else 0), not small, len(self.names), large

    @property
    def stem(self) -> str:
        """The column's name without its number."""
        return _NUMBER.sub("", self.name).lower()


def read_column(column: Column, nearby: Nearby) -> ImageColumn:
    """Sort the cells of a column into names of pictures, other values, and cells that cannot be read."""
    likely = names_picture(column.name)

    def is_picture(name: str) -> bool:
        if is_url(name):
            return likely or _ENDS_AS_PICTURE.match(name) is not None
        # A name of a file may contain # or ?; one that was a URL may still end with its query.
        return name.lower().endswith((*PICTURES, *UNREAD)) or _ENDS_AS_PICTURE.match(name) is not None

    images, divided = ImageColumn(column.name), dict[str, list[tuple[str, list[str]]]]()
    for written in column.cells:
        listed = listed_names(written) if isinstance(written, str) else None
        cell = written if listed is None else listed
        if isinstance(cell, list):
            texts = [text for text in cell if isinstance(text, str)]
            images.names += [text for text in texts if is_picture(text)]
            images.others += [text for text in texts if not is_picture(text)]
        elif isinstance(cell, str) and not likely and not _HOLDS_SUFFIX.search(cell):
            images.others.append(cell.strip())
        elif isinstance(cell, str):
            cell = cell.strip()
            separated = _separated(cell, is_picture)
            if separated is not None:
                divided.setdefault(separated[0], []).append((cell, separated[1]))
            elif _is_one(cell, is_picture):
                images.names.append(cell)
            elif _SIDE_BY_SIDE.fullmatch(cell):
                parts = [name for _, name in IN_QUOTES.findall(cell) if is_picture(name)]
                images.names += parts
                (images.unread if parts else images.others).append(cell)
            else:
                images.others.append(cell)
    whole = [cell for cells in divided.values() for cell, _ in cells]
    if nearby.exist(whole):  # the names of files contain a comma or a space
        images.names += whole
    elif divided:
        images.separator = max(divided, key=lambda separator: len(divided[separator]))
        images.names += [name for cells in divided.values() for _, parts in cells for name in parts]
    return images


def _separated(cell: str, is_picture: Callable[[str], bool]) -> tuple[str, list[str]] | None:
    """Return the separator and the names if every part names a picture; URLs, which may hold commas, only if all do."""
    for separator in SEPARATORS:
        if separator in cell:
            parts = [part.strip() for part in cell.split(separator) if part.strip()]
            pictures = parts and all(is_picture(part) for part in parts)
            if pictures and (not is_url(cell) or all(is_url(part) for part in parts)):
                return separator, parts
    return None


def _is_one(cell: str, is_picture: Callable[[str], bool]) -> bool:
    """Return whether a cell is the name of one picture."""
    ends_with_url = any(mark in cell and is_url(cell.split(mark)[-1].strip()) for mark in SEPARATORS)
    return is_picture(cell) and not ends_with_url
