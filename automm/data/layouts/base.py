"""What a native layout is, and how it is opened.

A reader yields records with the columns that its data set has, and, under names of their own, what a review needs: an
id, names of pictures relative to the folder, a label, a split. Its `fields` say which is which; a manifest's `fields`
stand over them, key by key.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from automm.config.schema import Section
from automm.data.changes import Change
from automm.data.images.root import ImageRoot
from automm.data.records.source import Record
from automm.data.sections import Fields
from automm.errors import Problem


class NoOptions(Section):
    """Of a layout that can be read in one way only."""


@dataclass(frozen=True)
class Reading:
    """What a reader is given, and where it notes what it met.

    Attributes:
        path: the folder (or the file) that the manifest names.
        options: the manifest's `options`, an instance of the layout's model.
        encoding: of the texts.
        problems: what could not be read; any of them fails the reading when it is through.
        changes: what was left out and how often.
    """

    path: Path
    options: Any
    encoding: str
    problems: list[Problem] = field(default_factory=list)
    changes: Counter[Change] = field(default_factory=Counter)

    def problem(self, where: str, text: str, fix: str = "", code: str = "malformed") -> None:
        """Note something that could not be read; arguments as of `Problem`."""
        self.problems.append(Problem(code, where, text, fix))

    @cached_property
    def folder(self) -> Path:
        """What the names of pictures are relative to."""
        return self.path if self.path.is_dir() else self.path.parent

    @cached_property
    def root(self) -> ImageRoot:
        """Finds files by names, none of which leads out of the folder."""
        return ImageRoot(self.folder)


@dataclass(frozen=True)
class Layout:
    """A native layout.

    Attributes:
        looks_for: the files that it needs, in words.
        fits: whether a path looks like it; opens little, and never fails.
        fields: what the columns of its records mean.
        read: yields the records.
        options: the model of the manifest's `options`.
        encoding: of its texts, where the manifest names none: one encoding for the whole data set, or a function of its
            path that decides it.
        label_optional: a record without a label is no mistake, but stands outside the labelled data.
        split: the column that holds train, validation or test, where the layout decides that.
    """

    looks_for: str
    fits: Callable[[Path], bool]
    fields: Fields
    read: Callable[[Reading], Iterator[Record]]
    options: type[Section] = NoOptions
    encoding: str | Callable[[Path], str] = "utf-8"
    label_optional: bool = False
    split: str | None = None


def holds(*needed: str | tuple[str, ...]) -> Callable[[Path], bool]:
    """A test for folders: there is a file for each pattern, or for one of each tuple of patterns."""

    def fits(path: Path) -> bool:
        groups = [(one,) if isinstance(one, str) else one for one in needed]
        try:
            return path.is_dir() and all(any(next(path.glob(p), None) for p in group) for group in groups)
        except OSError:  # no permission to look into it
            return False

    return fits
