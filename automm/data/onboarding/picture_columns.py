"""Guess which columns of a records file name pictures, their separator, and the folder of the files."""

import json
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from automm.data.download.urls import SUFFIXES, is_url
from automm.data.images.missing_hints import shown, why_lost
from automm.data.onboarding.column_roles import PICTURES, Column, names_portrait
from automm.data.onboarding.picture_files import SAMPLE, Template, find_root, find_template
from automm.data.records.field_values import listed_names
from automm.data.records.forms import UNREADABLE, parse_literal
from automm.errors import yaml_word

FEW = 3  # different values that mean "no picture"
SEPARATORS = ("\n", ",", ";", "|", " ")
_QUOTED = r"""(?:'[^']+'|"[^"]+")"""  # unambiguous, which prevents exponential backtracking
_SIDE_BY_SIDE = re.compile(rf"\[\s*{_QUOTED}(?:\s+{_QUOTED})+\s*\]")  # ['a.jpg' 'b.jpg'], an array of NumPy's
_IN_QUOTES = re.compile(r"""(['"])(.+?)\1""")
_WITH_SUFFIX = re.compile(rf"\w({'|'.join(map(re.escape, SUFFIXES))})\b", re.IGNORECASE)
_HOLDS_SUFFIX = re.compile("|".join(map(re.escape, SUFFIXES)), re.IGNORECASE)
_ENDS_AS_PICTURE = re.compile(rf"[^?#]*[^?#/]({'|'.join(map(re.escape, SUFFIXES))})/*([?#]|$)", re.IGNORECASE)
_NUMBER = re.compile(r"[ _.-]*[0-9]+")


@dataclass(frozen=True)
class Pictures:
    """The guess for `fields.images`.

    Attributes:
        images: a column, several, or a template; None if no column names pictures.
        root: the folder of the files.
        more: other keys of `fields`: separator, none_values.
        reason: why.
        used: the columns that `images` names.
        candidates: all columns that seem to name pictures.
        template: whether `images` is a template, whose column may have another meaning as well.
    """

    images: str | list[str] | None = None
    root: Path = Path()
    more: dict[str, Any] = field(default_factory=dict)
    reason: str = ""
    used: tuple[str, ...] = ()
    candidates: frozenset[str] = frozenset()
    template: bool = False


@dataclass
class _ImageColumn:
    """The content of a column that may name pictures.

    Attributes:
        name: of the column.
        separator: what separates several names in a cell.
        names: names of pictures.
        others: other values.
        unread: cells whose names cannot be read reliably.
        root: the folder of the files.
        share: the share of the sampled names that are files in it.
    """

    name: str
    separator: str | None = None
    names: list[str] = field(default_factory=list)
    others: list[str] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)
    root: Path = Path()
    share: float = 0.0

    @property
    def local(self) -> list[str]:
        """The names that are not URLs."""
        return [name for name in self.names if not is_url(name)]

    @property
    def rank(self) -> tuple[int, int]:
        """Columns whose files exist come first, then columns of URLs, then the one with most names."""
        urls = len(self.local) < len(self.names)
        return (2 if self.share > 0.5 else 1 if urls else 0), len(self.names)

    @property
    def stem(self) -> str:
        """The column's name without its number."""
        return _NUMBER.sub("", self.name).lower()


def guess_pictures(columns: dict[str, Column], folder: Path) -> Pictures:
    """Guess the columns of pictures: columns of existing files, else a template of existing files, else URLs.

    Args:
        columns: all columns, by name.
        folder: the folder of the records; files are searched there and in its folders.
    """
    candidates = []
    others = [column for column in columns.values() if not names_portrait(column.name)]
    for column in others:
        candidate = _image_column(column, folder)
        # Most records may have no picture, but then few different values say so.
        if candidate.names and (len(candidate.names) >= len(candidate.others) or len(set(candidate.others)) <= FEW):
            candidate.root, candidate.share = find_root(folder, candidate.local[:SAMPLE])
            candidates.append(candidate)
    names = frozenset(candidate.name for candidate in candidates)
    best = max(candidates, key=lambda candidate: candidate.rank, default=None)
    # Names without a file, or in an unknown form, may mean the same files that a template would give to other records.
    if not any(candidate.local for candidate in candidates) and not any(map(_hides_names, others)):
        template = find_template([column for column in others if column.name not in names], folder)
        if template is not None:
            return _by_template(template, names)
    if best is None:
        return Pictures()
    family = [candidate for candidate in candidates if candidate is best or _belong_together(candidate, best)]
    used = tuple(column.name for column in family)
    local = [name for column in family for name in column.local[: SAMPLE // len(family) + 1]]
    root, share = find_root(folder, local)
    return Pictures(
        used[0] if len(used) == 1 else list(used), root, _more(family), _reason(family, root, share), used, names
    )


def _by_template(template: Template, candidates: frozenset[str]) -> Pictures:
    reason = f"its values with {template.suffix} after them name files"
    reason += f"; {template.share:.0%} of them are in folder {template.root.name or '.'!r}"
    if template.share < 1:
        reason += ". To drop the missing ones, set images: {on_bad: drop-image}"
    return Pictures(template.entry, template.root, {}, reason, (template.column,), candidates, template=True)


def _belong_together(column: _ImageColumn, best: _ImageColumn) -> bool:
    """Return whether two columns can be read together: equal names but for a number, or the files of both exist."""
    if column.separator not in (None, best.separator) and best.separator is not None:
        return False
    if column.share and best.share and column.root != best.root:
        return False
    if column.stem == best.stem:
        return True
    thumbnails = "thumb" in (column.name + best.name).lower()  # the same pictures again
    return column.share > 0.5 and best.share > 0.5 and not thumbnails and not set(column.names) <= set(best.names)


def _more(family: list[_ImageColumn]) -> dict[str, Any]:
    """Return separator and none_values, as far as the columns need them."""
    separators = [column.separator for column in family if column.separator is not None]
    none = [value for column in family for value, count in Counter(column.others).most_common(FEW) if count > 1]
    more: dict[str, Any] = {"separator": separators[0]} if separators else {}
    return more | ({"none_values": list(dict.fromkeys(none))} if none else {})


def _reason(family: list[_ImageColumn], root: Path, share: float) -> str:
    more, unread = _more(family), [cell for column in family for cell in column.unread]
    names = [name for column in family for name in column.names]
    urls = sum(is_url(name) for name in names)
    if urls > len(names) / 2:
        reason = "URLs of pictures"
    elif unread:
        reason = "names of pictures"
    else:
        reason = f"names of pictures; {share:.0%} of them are in folder {root.name or '.'!r}"
    reason += f"; the separator is {more['separator']!r}" if "separator" in more else ""
    reason += f"; {more['none_values'][0]!r} means no picture" if "none_values" in more else ""
    if unread:
        listed = json.dumps([name for _, name in _IN_QUOTES.findall(unread[0])], ensure_ascii=False)
        reason += f". {len(unread):,} cells cannot be read, because NumPy wrote them without commas, such as "
        reason += f"{unread[0][:60]!r}. Write JSON lists, such as {listed[:60]}"
    cause = why_lost(names[0]) if urls == 0 and share == 0 else ""
    if urls == 0 and share == 0 and not unread:
        cause = cause or "Correct image_root, or the names of the pictures"
    return reason + (f". The first is {shown(names[0])}. {cause}" if cause else "")


def unused_pictures(columns: list[Column], pictures: Pictures) -> dict[str, str]:
    """Return why columns that seem to hold pictures are not used, by "column NAME"."""
    reasons = {}
    columns = [column for column in columns if column.name not in pictures.used]
    named = [pictures.images] if isinstance(pictures.images, str) else pictures.images or []
    also = [column.name for column in columns if column.name in pictures.candidates]
    for column in columns:
        cell = _example(column)
        inside = _name_in_object(cell, column.name)
        if names_portrait(column.name):
            why = "its name suggests pictures of a person, such as the author, which say nothing about a review. If it "
            why += f"holds pictures of the reviews, write images: {yaml_word(column.name)}"
        elif column.name in also:
            whole = ", ".join(json.dumps(name, ensure_ascii=False) if "{" in name else name for name in [*named, *also])
            why = f"it also names pictures. To read {'both' if len(also) == 1 else 'all'}, write images: [{whole}]"
        elif inside is not None and (PICTURES.search(column.name) or Path(inside).suffix.lower() in SUFFIXES):
            why = f"its cells hold objects such as {str(cell)[:60]!r}. "
            why += f"Write the names or URLs themselves in the cells, such as {inside[:60]!r}"
        elif PICTURES.search(column.name):
            why = f"its name suggests pictures, but cells such as {str(cell)[:40]!r} name no picture file"
            why += ". Write names alone, or JSON lists of names" if _WITH_SUFFIX.search(str(cell)) else ""
        else:
            continue
        reasons[f"column {column.name!r}"] = f"not used: {why}"
    return reasons


def _hides_names(column: Column) -> bool:
    """Return whether a column that is named like pictures has cells that contain file names in any form."""
    return PICTURES.search(column.name) is not None and _WITH_SUFFIX.search(str(_example(column))) is not None


def _example(column: Column) -> Any:
    """Return a cell that contains the name of a picture; the first cell if there is none."""
    return next((cell for cell in column.cells if _WITH_SUFFIX.search(str(cell))), (*column.cells, "")[0])


def _name_in_object(cell: Any, column: str) -> str | None:
    """Return a text in an object or in the first object of a list (also if they are written as text), or None.

    Portraits, such as the avatar of a user, are ignored.
    """
    if isinstance(cell, str) and re.match(r"\s*(\[\s*)?\{\s*['\"]", cell):
        try:
            cell = json.loads(cell)
        except (ValueError, RecursionError):
            cell = parse_literal(cell)
            cell = None if cell is UNREADABLE else cell
    first = cell[0] if isinstance(cell, list | tuple) and cell else cell
    if not isinstance(first, dict):
        return None
    items = ((key, value) for key, value in first.items() if isinstance(value, str) and value)
    texts = [value for key, value in items if not names_portrait(f"{column}_{key}")]
    return next((text for text in texts if Path(text).suffix.lower() in SUFFIXES or is_url(text)), (*texts, None)[0])


def _image_column(column: Column, folder: Path) -> _ImageColumn:
    """Sort the cells of a column into names of pictures, other values, and cells that cannot be read."""
    likely = PICTURES.search(column.name) is not None

    def is_picture(name: str) -> bool:
        return _ENDS_AS_PICTURE.match(name) is not None or (likely and is_url(name))

    images, divided = _ImageColumn(column.name), dict[str, list[tuple[str, list[str]]]]()
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
                parts = [name for _, name in _IN_QUOTES.findall(cell) if is_picture(name)]
                images.names += parts
                (images.unread if parts else images.others).append(cell)
            else:
                images.others.append(cell)
    whole = [cell for cells in divided.values() for cell, _ in cells]
    if find_root(folder, whole[:SAMPLE])[1] > 0.5:  # the names of files contain a comma or a space
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
