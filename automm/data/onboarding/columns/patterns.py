"""Find pictures that are named after the values of a column: "{id}.jpg", "{PetID}-*.jpg", "{id}/"."""

import math
import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import accumulate
from pathlib import Path

from automm.data.images.patterns import Pattern, PatternPictures, is_pattern
from automm.data.images.tree import ImageTree, fold
from automm.data.onboarding.columns.column import Column
from automm.data.onboarding.columns.names import (
    GROUPS,
    IDS,
    counts_something,
    has_braces,
    is_nameless,
    names_picture,
    snake_case,
)
from automm.data.onboarding.columns.nearby import Nearby, common_folder
from automm.data.onboarding.columns.roles import FEWEST_GROUPS
from automm.data.sections import plain_value

PROBES = 60  # values of a column that are searched in the names of the files
MOST_COLUMNS = 8
MOST_HITS = 200  # places of one value
LONGEST_NAME = 200  # characters
LEAST_RECORDS, LEAST_FILES = 0.5, 0.5  # shares of the records or the files that a pattern must take
LEAST_PROBES = 3  # values


@dataclass(frozen=True)
class Found:
    """Pictures whose names contain the values of a column.

    Attributes:
        column: the column.
        entry: the entry of `fields.images`: "{id}.jpg", "{id}-*.jpg", "{id}/".
        root: the folder that the entry is relative to.
        share: the share of the probed records that have a picture.
        files: the files that were found, absolute; all of them if all records are probed.
        padding: the number of digits if the file names have leading zeros that the values lack; then `entry` is "".
        folders: how many folders the files are in; a pattern for several pictures reads one folder.
    """

    column: str
    entry: str
    root: Path
    share: float
    files: frozenset[str] = frozenset()
    padding: int = 0
    folders: int = 1

    @property
    def scattered(self) -> bool:
        """Whether no entry of `fields.images` takes the files, because they are in several folders."""
        return self.several and self.folders > 1

    @property
    def several(self) -> bool:
        """Whether a record may have several pictures, or none."""
        return is_pattern(self.entry)


@dataclass
class _Form:
    """A way in which file names contain values: what is before and after the value.

    Attributes:
        values: the values that were found so.
        folders: the folders of the files, or of the folders that are named after a value.
        files: the files.
        suffixes: their extensions.
    """

    values: set[str] = field(default_factory=set)
    folders: set[str] = field(default_factory=set)
    files: set[str] = field(default_factory=set)
    suffixes: Counter[str] = field(default_factory=Counter)


def find_pattern(columns: list[Column], nearby: Nearby) -> Found | None:
    """Return the best pattern, with the values of one of the columns; None if the files are named after none."""
    likely = sorted(filter(_may_name_files, columns), key=_likeliness, reverse=True)[:MOST_COLUMNS]
    if not likely or not nearby.pictures:
        return None
    haystack = _Haystack(nearby.pictures)
    patterns = [
        (found, _likeliness(column)) for column in likely if (found := _best(column, haystack, nearby)) is not None
    ]
    best = max(patterns, key=lambda pair: (not pair[0].padding, round(pair[0].share, 1), pair[1]), default=None)
    return best[0] if best is not None else None


def are_named_after(columns: list[Column], files: list[str]) -> bool:
    """Return whether the names of some files contain the values of a column."""
    haystack = _Haystack(files)
    for column in filter(_may_name_files, columns):
        probes = _probes(column)
        found = sum(next(haystack.places(value), None) is not None for value in probes)
        if found >= LEAST_PROBES and found > len(probes) / 2:
            return True
    return False


class _Haystack:
    """The paths of all files in one text, in which a value is found at the speed of memory."""

    def __init__(self, files: list[str]):
        self.files = files
        lines = list(map(fold, files))
        self.text = "\n".join(lines) + "\n"
        self._begins = [0, *accumulate(len(line) + 1 for line in lines)]

    def places(self, value: str) -> Iterator[tuple[str, str, str]]:
        """Yield (file, what its path has before the value, and after it) where the value is a whole word."""
        needle, begin = fold(value), 0
        if not needle:
            return
        for _ in range(MOST_HITS):
            begin = self.text.find(needle, begin)
            if begin < 0:
                return
            end = begin + len(needle)
            if not self.text[begin - 1].isalnum() and not self.text[end].isalnum() and "\n" not in needle:
                number = bisect_right(self._begins, begin) - 1
                first, last = self._begins[number], self._begins[number + 1] - 1
                yield self.files[number], self.text[first:begin], self.text[end:last]
            begin = end


def _best(column: Column, haystack: _Haystack, nearby: Nearby) -> Found | None:
    probes = _probes(column)
    forms: dict[tuple[str, str], _Form] = {}
    for value in probes:
        for file, before, after in haystack.places(value):
            _note(forms, value, file, before, after)
    if not forms:
        return _padded(column, probes, haystack)
    (prefix, middle), form = max(forms.items(), key=lambda pair: (len(pair[1].values), -len(pair[0][1])))
    entry = f"{prefix}{{{column.name}}}{middle}"
    if not middle.endswith("/"):
        suffixes = [suffix for suffix, _ in form.suffixes.most_common()]
        one = len(suffixes) == 1
        entry += suffixes[0] if one else ("" if middle.endswith("*") else ".*")
    root = common_folder(f"{folder}/x" for folder in form.folders)
    if is_pattern(entry) and len(form.folders) == 1:
        files, share = _shared_out(column, entry, nearby.tree_of(Path(root or "/")))
    else:
        files, share = _all_files(column, haystack, prefix, middle, form)
    count = sum(file.startswith(root + "/") for file in haystack.files)
    enough = len(form.values) >= LEAST_PROBES and len(files) >= LEAST_FILES * count
    if share <= LEAST_RECORDS and not enough:
        return None
    return Found(column.name, entry, Path(root or "/"), share, files, folders=len(form.folders))


def _note(forms: dict[tuple[str, str], _Form], value: str, file: str, before: str, after: str) -> None:
    """Add a place of a value to the form that it has."""
    parts, depth = file.split("/"), before.count("/")
    if depth >= len(parts):
        return  # a quoted slash, which is no folder
    prefix = parts[depth][: len(before.rpartition("/")[2])]
    folder = "/".join(parts[:depth])
    if any(letter.isdigit() for letter in prefix):
        return  # another value is before it
    suffix = file.rpartition(".")[2]
    if "/" in after:
        middle = after[: after.index("/")] + "/"
        if middle != "/" and any(letter.isdigit() for letter in middle):
            return
    else:
        rest = after.rpartition(".")[0]
        middle = rest[0] + "*" if rest else ""
    form = forms.setdefault((prefix, middle), _Form())
    form.values.add(value)
    form.folders.add(folder)
    form.files.add(file)
    form.suffixes[f".{suffix}"] += 1


def _shared_out(column: Column, entry: str, tree: ImageTree) -> tuple[frozenset[str], float]:
    """Return what `_all_files` returns, of a pattern: shared out among the sampled values as `automm check` does."""
    pictures = PatternPictures(Pattern(entry), tree)
    values = dict.fromkeys(_values(column))
    filled = [one for value in values if (one := pictures.pattern.fill({column.name: value})) is not None]
    for one in filled:
        pictures.learn(one)
    taken, found = set[str](), 0
    for one in filled:
        with suppress(ValueError):  # files that fit two records, which the check reports
            own, _ = pictures.of(one)
            taken.update(f"{tree.root.as_posix()}/{path}" for path in own)
            found += bool(own)
    return frozenset(taken), found / max(1, len(values))


def _all_files(
    column: Column, haystack: _Haystack, prefix: str, middle: str, form: _Form
) -> tuple[frozenset[str], float]:
    """Return the files that the form takes with all sampled values, and the share of the values that have a file."""
    values = {fold(value) for value in _values(column)}
    root = common_folder(f"{folder}/x" for folder in form.folders)
    taken, found = set[str](), set[str]()
    for file in haystack.files:
        if not file.startswith(root + "/"):
            continue
        inside = fold(file[len(root) + 1 :])
        if middle.endswith("/"):
            stems = [inside.split("/")[0].removeprefix(fold(prefix)).removesuffix(middle[:-1])] if "/" in inside else []
        else:
            name = inside.rpartition("/")[2].removeprefix(fold(prefix))
            stem = name.rpartition(".")[0]
            stems = [stem] if not middle else [stem[: at.start()] for at in re.finditer(re.escape(middle[0]), stem)]
        named = max((stem for stem in stems if stem in values), key=len, default=None)
        if named is not None:
            taken.add(file)
            found.add(named)
    return frozenset(taken), len(found) / max(1, len(values))


def _padded(column: Column, probes: list[str], haystack: _Haystack) -> Found | None:
    """Return what the column would name if its numbers had leading zeros, which spreadsheets drop."""
    if not all(value.isdecimal() for value in probes):
        return None
    for width in range(2, 13):
        padded = [value.zfill(width) for value in probes]
        if padded == probes:
            continue
        hits = [next(haystack.places(value), None) if len(value) == width else None for value in padded]
        if sum(hit is not None for hit in hits) > len(probes) / 2:
            files = frozenset(hit[0] for hit in hits if hit is not None)
            root = common_folder(files)
            return Found(column.name, "", Path(root), len(files) / len(probes), files, padding=width)
    return None


def _may_name_files(column: Column) -> bool:
    """Return whether a column has many short values, or is named like ids or pictures (ids of products repeat).

    Fewer values than can be split are no ids: they would give all records of a class the same picture.
    """
    if is_nameless(column.name) or has_braces(column.name) or column.distinct < 2:
        return False
    if counts_something(column.name) or column.is_date or column.is_url or column.is_embedded:
        return False
    if column.distinct < min(FEWEST_GROUPS, column.filled):
        return False
    likely = IDS.search(snake_case(column.name)) is not None or names_picture(column.name)
    return bool(_values(column)) and (likely or column.distinct >= 0.9 * column.filled)


def _likeliness(column: Column) -> tuple[bool, bool, bool, int]:
    named = IDS.search(snake_case(column.name)) is not None
    return names_picture(column.name), named, named and not GROUPS.search(column.name), column.distinct


def _probes(column: Column) -> list[str]:
    values = list(dict.fromkeys(_values(column)))
    return values[:: len(values) // PROBES + 1]


def _values(column: Column) -> list[str]:
    """Return the values of the sample, in the form that a template gives them."""
    cells = [cell for cell in column.cells if isinstance(cell, str | int | float) and not _infinite(cell)]
    values = [plain_value(cell) for cell in cells]
    return [value for value in values if len(value) <= LONGEST_NAME and not re.search(r"[\n/\\]|\.\.", value)]


def _infinite(cell: str | float) -> bool:
    return isinstance(cell, float) and math.isinf(cell)
