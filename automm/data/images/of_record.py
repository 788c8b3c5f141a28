"""Find the pictures of each record, and note those that are missing."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from functools import cached_property
from pathlib import Path

from automm.data.change_kinds import Change
from automm.data.download.urls import FOLDER, is_url, local_name
from automm.data.images.embedded import Embedded, EmbeddedFiles, is_embedded
from automm.data.images.missing_hints import (
    BROKEN_PICTURE,
    MISSING_PICTURE,
    NOT_FETCHED,
    AbsentError,
    AmbiguousNameError,
    BrokenPictureError,
    OutsideError,
    UnreadFormatError,
    absent_problem,
    means_no_picture,
    outside_problem,
    shown,
    why_lost,
)
from automm.data.images.patterns import Pattern, PatternPictures
from automm.data.images.root import ImageRoot
from automm.data.manifest import Manifest
from automm.data.records.field_values import brief, cell_images, cell_pictures, fill_pattern, is_empty
from automm.data.records.source import Record, Source
from automm.data.sections import Fields
from automm.errors import DataError, Problem
from automm.paths import cache_dir, cache_limit, from_here

ARCHIVES = (".zip", ".tar", ".tgz", ".gz", ".7z", ".rar")
SHARED_PICTURES = 2**16  # picture names whose objects reviews share; in larger data sets names hardly recur

DROPPED = (
    Change.MISSING_PICTURE,
    Change.MISSING_PICTURE_REVIEW,
    Change.AMBIGUOUS_PICTURE,
    Change.UNREADABLE_PICTURE,
    Change.UNREADABLE_PICTURE_REVIEW,
)

Pictures = tuple[tuple[Path, ...], tuple[str, ...], tuple[str, ...]]


class RecordPictures:
    """Finds the pictures of records, and collects problems and changes.

    Attributes:
        problems: extended by names that lead out of the image root.
        missing: extended by a problem for each missing picture, if `images.on_bad` is `error`.
        changes: counts how often pictures were dropped, or found under another name, by kind.
        patterns: those of `fields.images`; `learn` must see all records before the first picture.
    """

    def __init__(
        self,
        manifest: Manifest,
        source: Source,
        root: ImageRoot,
        problems: list[Problem],
        missing: list[Problem],
        changes: Counter[Change],
    ):
        self.manifest, self.fields, self.root = manifest, source.fields, root
        self.source = source.name
        self.problems, self.missing, self.changes = problems, missing, changes
        self.patterns = {text: PatternPictures(Pattern(text), root.tree) for text in source.fields.patterns}
        self._found = self._unfetched = 0
        self._first_absent: tuple[str, str, AbsentError] | None = None
        self._files = EmbeddedFiles(cache_dir(), cache_limit()) if self.fields.image_kind else None
        self._known: dict[str, tuple[str, Path, Change | None]] = {}

    def learn(self, records: Callable[[], Iterable[Record]]) -> None:
        """Take note of all records before the first picture, because they share the files out among them.

        Args:
            records: returns all records. It is called for patterns, and where the name of a record needs it.
        """

        def names() -> Iterator[str]:
            with suppress(DataError):
                for record in records():
                    with suppress(ValueError):
                        yield from (name for name in cell_images(record.values, self.fields) if not is_url(name))

        self.root.names = names
        with suppress(DataError):  # reading the records again reports it
            for record in records() if self.patterns else ():
                for pictures in self.patterns.values():
                    with suppress(ValueError):
                        if filled := fill_pattern(pictures.pattern, record.values):
                            pictures.learn(filled)

    def named(self, values: Mapping[str, object]) -> list[str | Embedded]:
        """Return the names of a record's pictures, or the pictures that its cells hold, in order.

        Raises:
            ValueError: a cell holds anything but names, or a pattern cannot be applied.
        """

        def by_pattern(entry: str) -> list[str]:
            pictures = self.patterns[entry]
            filled = fill_pattern(pictures.pattern, values)
            own, foreign = ([], []) if filled is None else pictures.of(filled)
            for change, count in (
                (Change.LONGER_ID, len(foreign)),
                (Change.OTHER_SPELLING, sum(path in pictures.spelled for path in own)),
            ):
                if count:
                    self.changes[change] += count
            return own

        if self.fields.image_kind is not None:
            return list(cell_pictures(values, self.fields))
        return list(cell_images(values, self.fields, by_pattern))

    def of(self, given: list[str | Embedded], where: str) -> Pictures | None:
        """Return the paths of the pictures found, the names of the missing ones, and all names.

        None if a missing picture drops the review.
        """
        paths: list[Path] = []
        absent: list[str] = []
        names: list[str] = []
        for picture in given:
            name = picture.name if isinstance(picture, Embedded) else picture
            try:
                known, path, change = self._file(picture) if isinstance(picture, Embedded) else self._find(picture)
            except OutsideError:
                self.problems.append(outside_problem(name, where, self.root.path))
            except AbsentError as error:
                names.append(name)
                absent.append(name)
                if self._drops_review(name, error, where):
                    return None
            else:
                names.append(known)
                paths.append(path)
                self._found += 1
                if change is not None:
                    self.changes[change] += 1
        missing = tuple(absent)
        return tuple(paths), missing, tuple(names) if paths else missing

    def _drops_review(self, name: str, error: AbsentError, where: str) -> bool:
        """Return whether a missing picture drops its review; note the problem or the change."""
        remote, rule = is_url(name), self.manifest.images.on_bad
        if not remote and self._first_absent is None:
            self._first_absent = (where, name, error)
        broken = isinstance(error, BrokenPictureError | UnreadFormatError)
        if rule == "drop-image":
            dropped = Change.AMBIGUOUS_PICTURE if isinstance(error, AmbiguousNameError) else Change.MISSING_PICTURE
            dropped = Change.UNREADABLE_PICTURE if broken else dropped
            self.changes[Change.NOT_FETCHED if remote else dropped] += 1
            return False
        self._unfetched += remote
        if rule == "error":
            self.missing.append(absent_problem(name, error, where, self.root.path, self.fetch))
            return False
        self.changes[Change.UNREADABLE_PICTURE_REVIEW if broken else Change.MISSING_PICTURE_REVIEW] += 1
        return True

    def none_found(self, labelled: bool, records: int) -> Problem | None:
        """Return one problem, not thousands, if no picture was found under the image root.

        Missing URLs do not mean a wrong image root: with images.on_bad: drop-image they are counted as changes.
        """
        missing = len(self.missing)
        absent = sum(self.changes[change] for change in DROPPED) + missing
        if self._found or any(pictures.found for pictures in self.patterns.values()):
            return None
        if self.patterns and labelled and not absent and records > 1:
            listed = " or ".join(map(repr, self.patterns))
            text = f"none of {records:,} records has a picture {listed} under image_root '{self.root.path}'"
            fix = "Correct image_root, or the pattern"
            if unread := self.root.tree.unread:
                fix = f"Convert pictures such as {unread[0]!r} to JPEG or PNG: their format is not read"
            return Problem(MISSING_PICTURE, self.source, text, fix)
        if absent < 2 or not (labelled or missing):
            return None
        example, fix = self._cause()
        if self.fields.image_kind is not None:
            text = f"none of the {absent:,} pictures in {', '.join(map(repr, self.fields.images))} can be read{example}"
            return Problem(BROKEN_PICTURE, self.source, text, "Name the columns of pictures, or remove image_kind")
        if self._unfetched == absent:
            text = f"none of the {absent:,} pictures given by URL was fetched into '{self.root.path / FOLDER}'"
            return Problem(NOT_FETCHED, self.source, text, fix)
        text = f"none of the {absent} pictures was found under image_root '{self.root.path}'{example}"
        return Problem(MISSING_PICTURE, self.source, text, fix)

    @property
    def only_urls_missing(self) -> bool:
        """Whether the missing pictures are URLs that were not fetched, and at most one file."""
        few = self._unfetched > 0 and len(self.missing) < self._unfetched + 2
        return self.manifest.images.on_bad == "error" and few

    def _cause(self) -> tuple[str, str]:
        """Return the first missing picture as an example, and the fix."""
        example, fix = "", ""
        if self._first_absent is not None:
            where, name, error = self._first_absent
            packed = sorted(path.name for path in self.root.path.glob("*") if path.suffix.lower() in ARCHIVES)
            fix = f"Unpack {packed[0]!r}, which may hold them" if packed else why_lost(name)
            example = f", such as {shown(name)} ({where})"
            if isinstance(error, AmbiguousNameError | BrokenPictureError):
                example += f", which {error}"
            if isinstance(error, UnreadFormatError):
                example, fix = f"{example}: {error}", "Convert such files to JPEG or PNG under the same names"
            if isinstance(error, AmbiguousNameError):
                fix = "Set image_root to the folder that is meant, or write the folders into the names"
        if self._unfetched:
            fix = f"Download them: {self.fetch}"
        return example, fix or "Correct image_root, or the picture names"

    def _file(self, picture: Embedded) -> tuple[str, Path, Change | None]:
        """Return the name of a picture that a cell holds, and its file in the cache, like `_find`."""
        if picture.fault or self._files is None:
            raise BrokenPictureError(picture.fault)
        return picture.name, self._files.path_of(picture), None

    def finish(self) -> None:
        """Bound the size of the cache after the last record."""
        if self._files is not None:
            self._files.trim()

    def _find(self, name: str) -> tuple[str, Path, Change | None]:
        """Return a picture's name, its path, and how the name differs from the file's.

        Many reviews of one picture then share the same objects.
        """
        known = self._known.get(name)
        if known is None:
            found = (self.root.find(local_name(name)), None) if is_url(name) else self.root.locate(name)
            known = (name, *found)
            if len(self._known) < SHARED_PICTURES:
                self._known[name] = known
        return known

    @cached_property
    def fetch(self) -> str:
        """The command that downloads pictures."""
        return f"automm fetch-images {from_here(self.manifest.file)}"


def served_pictures(cell: object, files: EmbeddedFiles) -> tuple[Path, ...]:
    """Return the pictures of a cell that is given to a served model, without a manifest: paths or the pictures.

    Args:
        cell: a path, a picture as in `embedded`, a list of these, or empty.
        files: where pictures are written.

    Raises:
        ValueError: the cell holds anything else, or a broken picture.
    """
    column = "images"
    paths: list[Path] = []
    for item in cell if isinstance(cell, list | tuple) else [cell]:
        if is_empty(item) or (isinstance(item, str) and means_no_picture(item.strip())):
            continue
        if is_embedded(item):
            for picture in cell_pictures({column: item}, Fields(images=(column,), image_kind="base64")):
                if picture.fault:
                    raise ValueError(f"a picture in column {column!r} {picture.fault}. Correct it, or leave it out")
                paths.append(files.path_of(picture))
        elif isinstance(item, str | Path):
            paths.append(Path(item).absolute())
        else:
            raise ValueError(f"column {column!r} holds {brief(item)}, expected paths of files. Write a list of paths")
    return tuple(paths)
