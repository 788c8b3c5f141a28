"""The definition of a native layout, and what its reader gets.

A reader yields records with the columns of its data set and added columns that a review needs: an id, picture names
relative to the folder, a label, a split. The layout's `fields` name these columns. Keys of a manifest's `fields`
override them one by one. `data/layouts/__init__` lists the layouts, and says how to add one.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from automm.config.schema import Section
from automm.data.change_kinds import Change
from automm.data.images.root import ImageRoot
from automm.data.records.source import Record
from automm.data.sections import Fields
from automm.errors import Problem


class NoOptions(Section):
    """The options of a layout without any."""


@dataclass(frozen=True)
class Reading:
    """The input of a reader, and its notes of problems and changes.

    Attributes:
        path: the folder (or the file) that the manifest names.
        options: the manifest's `options`, an instance of the layout's model.
        encoding: of the texts.
        problems: what could not be read; if there is any, DataError is raised at the end.
        changes: how often content was dropped or altered, by kind.
        opened: the files that were read.
    """

    path: Path
    options: Any
    encoding: str
    problems: list[Problem] = field(default_factory=list)
    changes: Counter[Change] = field(default_factory=Counter)
    opened: set[Path] = field(default_factory=set)

    def problem(self, where: str, text: str, fix: str = "", code: str = "malformed") -> None:
        """Note something that could not be read; the arguments are those of `Problem`."""
        self.problems.append(Problem(code, where, text, fix))

    @cached_property
    def folder(self) -> Path:
        """The folder that picture names are relative to."""
        return self.path if self.path.is_dir() else self.path.parent

    @cached_property
    def root(self) -> ImageRoot:
        """Finds files by name inside the folder."""
        return ImageRoot(self.folder)


@dataclass(frozen=True)
class Layout:
    """A native layout.

    Attributes:
        looks_for: the files that it needs, in words.
        fits: returns whether a path matches the layout; reads little and raises nothing.
        fields: the roles of the columns of its records.
        read: yields the records.
        options: the model of the manifest's `options`.
        encoding: of its texts if the manifest names none: one name, or a function of the path that returns it.
        label_optional: a record without a label is not an error, but is ignored in labelled data.
        split: the column with train, validation or test; None if the layout has no splits.
    """

    looks_for: str
    fits: Callable[[Path], bool]
    fields: Fields
    read: Callable[[Reading], Iterator[Record]]
    options: type[Section] = NoOptions
    encoding: str | Callable[[Path], str] = "utf-8"
    label_optional: bool = False
    split: str | None = None


def has_files(*needed: str | tuple[str, ...]) -> Callable[[Path], bool]:
    """Return a function that tests whether a folder has a file for each pattern, or for any pattern of a tuple."""

    def fits(path: Path) -> bool:
        groups = [(one,) if isinstance(one, str) else one for one in needed]
        try:
            return path.is_dir() and all(any(next(path.glob(p), None) for p in group) for group in groups)
        except OSError:  # no permission to list it
            return False

    return fits
