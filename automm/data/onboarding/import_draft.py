"""The folder that an import writes: complete, or not at all."""

import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from automm.data.change_kinds import Change
from automm.data.download.urls import is_url, local_name
from automm.data.images.missing_hints import AbsentError, OutsideError, shown
from automm.data.images.root import ImageRoot
from automm.data.onboarding.guess import Role
from automm.errors import ConfigError, DataError

RECORDS_FILE, MANIFEST, PICTURES = "reviews.jsonl", "manifest.yaml", "images"
PLACE = Path("command line")  # the place that messages about options name


@dataclass(frozen=True)
class Imported:
    """The result of an import.

    Attributes:
        manifest: the path of the manifest.
        records, pictures: how many were written.
        changes: what was dropped or changed, and how often.
        reasons: the reason of each guess, by key.
        roles: the role of every column.
    """

    manifest: Path
    records: int
    pictures: int
    changes: dict[Change, int]
    reasons: dict[str, str] = field(default_factory=dict)
    roles: Sequence[Role] = ()


@contextmanager
def drafted(to: Path) -> Iterator[Path]:
    """Yield a temporary folder that is renamed to `to` on success and removed on failure."""
    if to.exists() and not (to.is_dir() and not any(to.iterdir())):
        raise ConfigError(f"{to} exists and is not an empty folder. Name a new one: --to DIR")
    to.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{to.name}-", dir=to.parent) as scratch:
        draft = Path(scratch) / "data"
        draft.mkdir()
        yield draft
        if to.exists():
            to.rmdir()
        draft.rename(to)


def plain_name(source: Path) -> str:
    """Return the name of a data set, made from the name of its file or folder."""
    return re.sub(r"[^\w.-]+", "-", source.absolute().name).strip("-.") or "imported"


def check_no_options(what: str, options: Mapping[str, Any]) -> None:
    """Raise ConfigError if options of a format are given for data that has none."""
    if options:
        raise ConfigError(f"{PLACE}: {what} has no options, got {', '.join(options)}. Remove --option")


class PictureCopies:
    """Copies the pictures that records name, so that the same names find the same pictures among the copies.

    Args:
        root: where the pictures are.
        to: the folder of the copies; it is created.
    """

    def __init__(self, root: ImageRoot, to: Path):
        self.root, self.folder = root, to
        self._copied: set[str] = set()
        self._absent: dict[str, str] = {}
        to.mkdir(exist_ok=True)

    def __len__(self) -> int:
        return len(self._copied)

    def add(self, name: str, where: str) -> None:
        """Copy a picture if it exists; a missing one is reported when the copy is read.

        Raises:
            DataError: the name leads out of the folder and back into it, so it would lead out of the copies.
        """
        inside = os.path.normpath(local_name(name) if is_url(name) else name)
        try:
            file, change = (self.root.find(inside), None) if is_url(name) else self.root.locate(name)
        except (AbsentError, OutsideError):
            self._absent.setdefault(name, where)
            return
        if change is not None:  # found under another name, as it will be among the copies
            inside = file.relative_to(self.root.path).as_posix()
        if inside.startswith(".."):
            raise DataError(
                f"{where}: picture {name!r} leads out of '{self.root.path}' and back. Write its name relative to that "
                "folder"
            )
        if inside not in self._copied:
            target = self.folder / inside
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, target)
            self._copied.add(inside)

    def check(self) -> None:
        """Raise DataError if a picture that is missing would be found among the copies, which are fewer files."""
        copies = ImageRoot(self.folder)
        for name, where in self._absent.items():
            with suppress(AbsentError, OutsideError):
                file, _ = copies.locate(name)
                taken = file.relative_to(copies.path).as_posix()
                raise DataError(
                    f"{where}: picture {shown(name)} is missing or ambiguous, and among the copies it would be read as "
                    f"{taken!r}. Correct its name, or import without --copy-images"
                )
