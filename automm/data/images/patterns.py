"""Patterns for the pictures of a review: "{id}-*.jpg", "{id}/*", "photos/{id}/".

{column} is the value of that column, whose characters are literal. `*` is any text inside the name of a file. A slash
at the end means all pictures of that folder.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import count
from typing import NamedTuple

from automm.data.download.urls import SUFFIXES
from automm.data.images.tree import ImageTree, composed, fold, is_picture

PLACEHOLDER = re.compile(r"\{([^{}]+)\}")


@cache
def is_pattern(entry: str) -> bool:
    """Return whether an entry of `fields.images` may mean several pictures of a review."""
    plain = PLACEHOLDER.sub("x", entry)  # the name of a column may contain anything but braces
    return "{" in entry and ("*" in plain or plain.endswith("/"))


class Filled(NamedTuple):
    """A pattern with the values of one record.

    Attributes:
        folder: the folder of the pictures.
        chunks: the texts of the file name between the stars, without the extension that all names must have.
        values: the values, in the order of the pattern.
    """

    folder: str
    chunks: tuple[str, ...]
    values: tuple[str, ...]


@dataclass(frozen=True)
class Pattern:
    """A pattern as the manifest has it.

    Raises:
        ValueError: `text` is no legal pattern; the message says what to write.
    """

    text: str

    def __post_init__(self) -> None:
        plain = PLACEHOLDER.sub("x", self.text)
        folder = plain.rpartition("/")[0]
        if not self.columns or "{" in plain or "}" in plain:
            raise ValueError(f"pattern {self.text!r} names no column in braces. Write it like '{{id}}-*.jpg'")
        if "*" in folder:
            raise ValueError(
                f"pattern {self.text!r} has * in the name of a folder. Use * only after the last slash: '{{id}}/*.jpg'"
            )
        if "\\" in plain or plain.startswith("/") or ".." in plain.split("/"):
            raise ValueError(
                f"pattern {self.text!r} is not below image_root. Write it relative to image_root, with slashes"
            )

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """The columns in braces, in order."""
        return tuple(PLACEHOLDER.findall(self.text))

    @cached_property
    def _numbered(self) -> str:
        """The text with the place of each column in braces, "{0}-*.jpg", because a name may contain a slash or star."""
        places = count()
        return composed(PLACEHOLDER.sub(lambda match: f"{{{next(places)}}}", self.text))

    @cached_property
    def suffix(self) -> str:
        """The extension that all names must have, in lower case; "" if `*` or a column stands for it."""
        return next((suffix for suffix in SUFFIXES if self.text.lower().endswith(suffix)), "")

    @cached_property
    def chunks(self) -> tuple[str, ...]:
        """The texts of the file name between the stars, with the places of columns in braces."""
        name = self._numbered.rpartition("/")[2] or "*"
        return tuple(name[: len(name) - len(self.suffix)].split("*"))

    def fill(self, cells: Mapping[str, str]) -> Filled | None:
        """Return the pattern with the cells of a record; None if one of them is empty.

        Raises:
            ValueError: a value could lead to another folder.
        """
        values = tuple(composed(cells[column]) for column in self.columns)
        if not all(values):
            return None
        for column, value in zip(self.columns, values, strict=True):
            if value in (".", "..") or "/" in value or "\\" in value or "\0" in value:
                raise ValueError(
                    f"column {column!r} holds {value[:80]!r}, which cannot be part of a file name "
                    f"(fields.images: {self.text!r}). Correct it, or use another column"
                )
        folder, *chunks = (
            PLACEHOLDER.sub(lambda match: values[int(match[1])], text)
            for text in (self._numbered.rpartition("/")[0], *self.chunks)
        )
        return Filled(re.sub(r"/(\./)+|//+", "/", folder).removeprefix("./").strip("/"), tuple(chunks), values)

    def stem(self, path: str) -> str | None:
        """Return the part of a file's name that the chunks and stars must match; None if it is no such picture."""
        name = path.rpartition("/")[2]
        if not (name.lower().endswith(self.suffix) if self.suffix else is_picture(name)):
            return None
        return composed(name[: len(name) - len(self.suffix)])

    def matches(self, chunks: tuple[str, ...], stem: str) -> bool:
        """Return whether a stem consists of the filled chunks with any text between them.

        A number is not cut: "1*" does not match "12", which belongs to another record than "1".
        """
        if len(chunks) == 1:
            return stem == chunks[0]
        first, *middle, last = chunks
        if not stem.startswith(first) or not stem.endswith(last) or len(first) + len(last) > len(stem):
            return False
        begins = [len(first)]
        end = len(stem) - len(last)
        if self._cuts_number(stem, 0, len(first), 0) or self._cuts_number(stem, end, len(stem), len(chunks) - 1):
            return False
        for place, chunk in enumerate(middle, 1):
            begin = stem.find(chunk, begins[-1], end)
            while begin >= 0 and self._cuts_number(stem, begin, begin + len(chunk), place):
                begin = stem.find(chunk, begin + 1, end)
            if begin < 0:
                return False
            begins.append(begin + len(chunk))
        return True

    def _cuts_number(self, stem: str, begin: int, end: int, place: int) -> bool:
        """Return whether a value at the edge of a chunk ends inside a number of the stem."""
        text = self.chunks[place]
        before = place > 0 and text.startswith("{") and begin > 0 and stem[begin - 1 : begin + 1].isdigit()
        after = place < len(self.chunks) - 1 and text.endswith("}") and stem[end - 1 : end + 1].isdigit()
        return bool((before and end > begin) or (after and end < len(stem) and end > begin))


Chunks = tuple[str, ...]
Values = tuple[str, ...]
Key = tuple[str, Chunks]  # a folder, and the filled chunks of the names in it


class PatternPictures:
    """The pictures of each record by a pattern: of several records that fit a file, the longest values win.

    A record without a file of exactly its values gets those that differ in case, accents or quoting, if they fit no
    other record. Call `learn` for every record first, then `of` for each.

    Attributes:
        spelled: the files that were found so, relative to the root; complete after the first call of `of`.
    """

    def __init__(self, pattern: Pattern, tree: ImageTree):
        self.pattern, self.tree = pattern, tree
        self.spelled: set[str] = set()
        self._values: dict[str, dict[Chunks, Values]] = {}
        self._twins: dict[Key, Values] = {}  # other values that give the same folder and chunks
        self._contested: dict[Key, tuple[str, Values]] = {}
        self._pictures: dict[Key, list[str]] | None = None

    def learn(self, filled: Filled) -> None:
        """Take note of a record, before the first call of `of`."""
        if not self.tree.has_folder(filled.folder):
            return  # without files nothing is to be shared out, and most of a million folders may not exist
        known = self._values.setdefault(filled.folder, {})
        first = known.setdefault(filled.chunks, filled.values)
        if first != filled.values:
            self._twins.setdefault((filled.folder, filled.chunks), filled.values)

    def of(self, filled: Filled) -> tuple[list[str], list[str]]:
        """Return the pictures of a record, relative to the root, in natural order; and those that may be another's.

        The id of the other record is longer than this one, and in none of the records that `learn` has seen. If a
        record has x-1.jpg and x-2.jpg, x-2-1.jpg is the first picture of a record x-2.

        Raises:
            ValueError: a file fits this record and another one equally well.
        """
        if self._pictures is None:
            self._pictures = {}
            self._contested = {}
            for folder in self._values:
                self._assign(folder, self._pictures)
            self._assign_spelled(self._pictures)
        key = filled.folder, filled.chunks
        if key in self._contested:
            path, rival = self._contested[key]
            other = self._values[filled.folder][filled.chunks] if rival == filled.values else rival
            raise ValueError(
                f"picture {path!r} fits both {_shown(filled.values)} and {_shown(other)} "
                f"(fields.images: {self.pattern.text!r}). Rename the file, or use a pattern that tells them apart"
            )
        pictures = self._pictures.get(key, [])
        foreign = self._of_longer_ids(filled.chunks, pictures)
        return [path for path in pictures if path not in foreign], list(foreign)

    def _of_longer_ids(self, chunks: Chunks, pictures: Sequence[str]) -> dict[str, None]:
        """Return the pictures whose star begins with a number and the mark between id and star, unless all have it."""
        mark = self.pattern.chunks[0].rpartition("}")[2]
        if len(chunks) != 2 or "{" not in self.pattern.chunks[0] or not mark:
            return {}
        stars = {path: fold(str(self.pattern.stem(path)))[len(fold(chunks[0])) :] for path in pictures}
        mark = fold(mark)
        if all(mark in star for star in stars.values()):
            return {}
        return {path: None for path, star in stars.items() if star.partition(mark)[0].isdigit() and mark in star}

    @property
    def found(self) -> bool:
        """Whether any record has a picture."""
        return bool(self._pictures)

    def _assign(self, folder: str, pictures: dict[Key, list[str]]) -> None:
        """Give each file of a folder to the records whose values are the longest of all that fit."""
        candidates = self._candidates(self._values[folder])
        for path in self.tree.in_folder(folder):
            stem = self.pattern.stem(path)
            if stem is None:
                continue
            rivals = [
                (values, (folder, chunks))
                for chunks in candidates(stem)
                if self.pattern.matches(chunks, stem)
                for values in (self._values[folder][chunks], self._twins.get((folder, chunks)))
                if values is not None
            ]
            longest = max((_length(values) for values, _ in rivals), default=0)
            best = [rival for rival in rivals if _length(rival[0]) == longest]
            for key in dict.fromkeys(key for _, key in best):
                pictures.setdefault(key, []).append(path)
            if len(best) > 1:
                for values, key in best:
                    other = next(rival for rival, _ in best if rival != values)
                    self._contested.setdefault(key, (path, other))

    def _assign_spelled(self, pictures: dict[Key, list[str]]) -> None:
        """Give files that no record has to the one record without files that they fit in another spelling."""
        given, taken = set(pictures), {path for paths in pictures.values() for path in paths}
        by_folder: dict[str, dict[Chunks, dict[Key, Values]]] = {}
        for folder, known in self._values.items():
            for chunks, values in known.items():
                same = by_folder.setdefault(fold(folder), {}).setdefault(tuple(map(fold, chunks)), {})
                same[folder, chunks] = values
        for folder, by_chunks in by_folder.items():
            if all(key in given for same in by_chunks.values() for key in same):
                continue
            candidates = self._candidates(by_chunks)
            for path in self.tree.like_folder(folder):
                stem = None if path in taken else self.pattern.stem(path)
                if stem is None:
                    continue
                fitting = [chunks for chunks in candidates(fold(stem)) if self.pattern.matches(chunks, fold(stem))]
                longest = max(map(_length, fitting), default=0)
                best = [pair for one in fitting if _length(one) == longest for pair in by_chunks[one].items()]
                # Where a record's own pictures are spelled as it is, another spelling may be another id.
                if not any(key in given for key, _ in best):
                    self._give_spelled(path, best, pictures)

    def _give_spelled(self, path: str, best: list[tuple[Key, Values]], pictures: dict[Key, list[str]]) -> None:
        for key, values in best:
            pictures.setdefault(key, []).append(path)
            self.spelled.add(path)
            other = next((rival for _, rival in best if rival != values), None)
            if other is not None:
                self._contested.setdefault(key, (path, other))

    def _candidates(self, known: Iterable[Chunks]) -> Callable[[str], Iterable[Chunks]]:
        """Return a function from a stem to the few of some filled chunks that may match it.

        It looks up each part of the stem that is as long as some filled chunk. Each file costs the same, however many
        records there are.
        """
        with_values = [place for place, text in enumerate(self.pattern.chunks) if "{" in text]
        if not with_values:  # all values are in the name of the folder
            return lambda stem: known
        anchor = max(with_values, key=lambda place: len({chunks[place] for chunks in known}))
        by_text: dict[str, list[Chunks]] = {}
        for chunks in known:
            by_text.setdefault(chunks[anchor], []).append(chunks)
        lengths = {len(text) for text in by_text}
        at_start, at_end = anchor == 0, anchor == len(self.pattern.chunks) - 1

        def candidates(stem: str) -> Iterator[Chunks]:
            texts: set[str] = set()
            for length in lengths:
                last = len(stem) - length
                if last >= 0:
                    begins = (0,) if at_start else (last,) if at_end else range(last + 1)
                    texts |= {stem[begin : begin + length] for begin in begins}
            for text in texts:
                yield from by_text.get(text, ())

        return candidates


def _length(values: tuple[str, ...]) -> int:
    return sum(map(len, values))


def _shown(values: tuple[str, ...]) -> str:
    return ", ".join(repr(value[:80]) for value in values)
