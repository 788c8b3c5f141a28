"""Which columns of a records file name pictures, how they are separated, and under which folder they lie."""

import json
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from automm.data.download.urls import SUFFIXES, is_url
from automm.data.images.missing_hints import why_lost
from automm.data.onboarding.column_roles import PICTURES, Column, names_portrait
from automm.data.onboarding.picture_files import SAMPLE, Template, root_of, template_of
from automm.data.records.field_values import listed_names
from automm.data.records.forms import UNREADABLE, parse_literal
from automm.errors import yaml_word

FEW = 3  # ways to say that there is no picture
SEPARATORS = ("\n", ",", ";", "|", " ")
_QUOTED = r"""(?:'[^']+'|"[^"]+")"""  # without a way to read it twice, which would take time without end
_SIDE_BY_SIDE = re.compile(rf"\[\s*{_QUOTED}(?:\s+{_QUOTED})+\s*\]")  # ['a.jpg' 'b.jpg'], an array of NumPy's
_IN_QUOTES = re.compile(r"""(['"])(.+?)\1""")
_WITH_SUFFIX = re.compile(rf"\w({'|'.join(map(re.escape, SUFFIXES))})\b", re.IGNORECASE)
_HOLDS_SUFFIX = re.compile("|".join(map(re.escape, SUFFIXES)), re.IGNORECASE)
_ENDS_AS_PICTURE = re.compile(rf"[^?#]*[^?#/]({'|'.join(map(re.escape, SUFFIXES))})/*([?#]|$)", re.IGNORECASE)
_NUMBER = re.compile(r"[ _.-]*[0-9]+")


@dataclass(frozen=True)
class Pictures:
    """What `fields.images` may say, None if nothing.

    Attributes:
        images: a column, several, or a template.
        root: the folder under which they lie.
        more: other keys of `fields`.
        used: the columns that `images` names.
        looked_like: all columns that were taken for one of pictures.
        template: whether `images` is a template, whose column may be something else as well.
    """

    images: str | list[str] | None = None
    root: Path = Path()
    more: dict[str, Any] = field(default_factory=dict)
    reason: str = ""
    used: tuple[str, ...] = ()
    looked_like: frozenset[str] = frozenset()
    template: bool = False


@dataclass
class _Look:
    """What a column that names pictures holds: names, other values, and cells whose names cannot be read."""

    name: str
    separator: str | None = None
    names: list[str] = field(default_factory=list)
    others: list[str] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)
    root: Path = Path()
    there: float = 0.0

    @property
    def local(self) -> list[str]:
        return [name for name in self.names if not is_url(name)]

    @property
    def rank(self) -> tuple[int, int]:
        """Rather a column whose files are there, then one of URLs, then the fullest."""
        urls = len(self.local) < len(self.names)
        return (2 if self.there > 0.5 else 1 if urls else 0), len(self.names)

    @property
    def stem(self) -> str:
        """The column's name apart from its number."""
        return _NUMBER.sub("", self.name).lower()


def pictures_of(columns: dict[str, Column], folder: Path) -> Pictures:
    """The columns of pictures: those whose files are under `folder`, else a template whose files are, else URLs."""
    looks = []
    others = [column for column in columns.values() if not names_portrait(column.name)]
    for column in others:
        look = _look(column, folder)
        # Most records may say that they have no picture, but then they say it in the same words.
        if look.names and (len(look.names) >= len(look.others) or len(set(look.others)) <= FEW):
            look.root, look.there = root_of(folder, look.local[:SAMPLE])
            looks.append(look)
    looked_like = frozenset(look.name for look in looks)
    best = max(looks, key=lambda look: look.rank, default=None)
    # Names that are not there, or not readable, may belong to the files that a template would give to others.
    if not any(look.local for look in looks) and not any(map(_hides_names, others)):
        template = template_of([column for column in others if column.name not in looked_like], folder)
        if template is not None:
            return _by_template(template, looked_like)
    if best is None:
        return Pictures()
    family = [look for look in looks if look is best or _belong_together(look, best)]
    used = tuple(look.name for look in family)
    local = [name for look in family for name in look.local[: SAMPLE // len(family) + 1]]
    root, there = root_of(folder, local)
    return Pictures(
        used[0] if len(used) == 1 else list(used), root, _more(family), _reason(family, root, there), used, looked_like
    )


def _by_template(template: Template, looked_like: frozenset[str]) -> Pictures:
    reason = f"with {template.suffix} after it, {template.column!r} names files"
    reason += f", of which {template.there:.0%} are under {template.root.name or '.'}/"
    if template.there < 1:
        reason += ". To go on without the others: images: {on_bad: drop-image}"
    return Pictures(template.entry, template.root, {}, reason, (template.column,), looked_like, template=True)


def _belong_together(look: _Look, best: _Look) -> bool:
    """Whether both can be read at once: they share a name apart from its number, or the files of both are there."""
    if look.separator not in (None, best.separator) and best.separator is not None:
        return False
    if look.there and best.there and look.root != best.root:
        return False
    if look.stem == best.stem:
        return True
    small = "thumb" in (look.name + best.name).lower()  # the same pictures again
    return look.there > 0.5 and best.there > 0.5 and not small and not set(look.names) <= set(best.names)


def _more(family: list[_Look]) -> dict[str, Any]:
    separators = [look.separator for look in family if look.separator is not None]
    none = [value for look in family for value, count in Counter(look.others).most_common(FEW) if count > 1]
    more: dict[str, Any] = {"separator": separators[0]} if separators else {}
    return more | ({"none_values": list(dict.fromkeys(none))} if none else {})


def _reason(family: list[_Look], root: Path, there: float) -> str:
    more, unread = _more(family), [cell for look in family for cell in look.unread]
    names = [name for look in family for name in look.names]
    urls = sum(is_url(name) for name in names)
    reason = "holds " if len(family) == 1 else f"{', '.join(look.name for look in family)} hold "
    if urls > len(names) / 2:
        reason += "URLs"
    elif unread:
        reason += "names of pictures"
    else:
        reason += f"names of pictures, of which {there:.0%} are under {root.name or '.'}/"
    reason += f", separated by {more['separator']!r}" if "separator" in more else ""
    reason += f"; {more['none_values'][0]!r} means none" if "none_values" in more else ""
    if unread:
        listed = json.dumps([name for _, name in _IN_QUOTES.findall(unread[0])], ensure_ascii=False)
        reason += f". {len(unread):,} cells cannot be read: NumPy has written them without commas, such as "
        reason += f"{unread[0][:60]!r}. Write JSON lists, such as {listed[:60]}"
    cause = why_lost(names[0], root) if urls == 0 and there == 0 else ""
    return reason + (f". {cause}" if cause else "")


def unused_pictures(columns: list[Column], pictures: Pictures) -> dict[str, str]:
    """Why a column is not one of pictures although its name or its cells look like it; by "column NAME"."""
    reasons = {}
    columns = [column for column in columns if column.name not in pictures.used]
    named = [pictures.images] if isinstance(pictures.images, str) else pictures.images or []
    also = [column.name for column in columns if column.name in pictures.looked_like]
    for column in columns:
        cell = _example(column)
        inside = _name_in_object(cell, column.name)
        if names_portrait(column.name):
            why = "its name is that of pictures of a person, such as the author, which tell nothing of a review. If "
            why += f"they do, write images: {yaml_word(column.name)}"
        elif column.name in also:
            whole = ", ".join(json.dumps(one, ensure_ascii=False) if "{" in one else one for one in [*named, *also])
            why = f"it names pictures, too; to read {'both' if len(also) == 1 else 'all'}, write images: [{whole}]"
        elif inside is not None and (PICTURES.search(column.name) or Path(inside).suffix.lower() in SUFFIXES):
            why = f"its cells hold objects such as {str(cell)[:60]!r}. "
            why += f"Write the names or URLs themselves in the cells, such as {inside[:60]!r}"
        elif PICTURES.search(column.name):
            why = f"its name is one of pictures, but cells such as {str(cell)[:40]!r} name no picture file"
            why += ". Write names alone, or JSON lists of them" if _WITH_SUFFIX.search(str(cell)) else ""
        else:
            continue
        reasons[f"column {column.name!r}"] = f"not used: {why}"
    return reasons


def _hides_names(column: Column) -> bool:
    """Whether a column that is called like pictures has cells with names in them, however they are written."""
    return PICTURES.search(column.name) is not None and _WITH_SUFFIX.search(str(_example(column))) is not None


def _example(column: Column) -> Any:
    """A cell with the name of a picture in it; the first cell if there is none."""
    return next((cell for cell in column.cells if _WITH_SUFFIX.search(str(cell))), (*column.cells, "")[0])


def _name_in_object(cell: Any, column: str) -> str | None:
    """A text in an object, or in the first object of a list, or in their text; None where there is none.

    A portrait is none, such as the avatar of a user.
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


def _look(column: Column, folder: Path) -> _Look:
    likely = PICTURES.search(column.name) is not None

    def is_picture(name: str) -> bool:
        return _ENDS_AS_PICTURE.match(name) is not None or (likely and is_url(name))

    look, divided = _Look(column.name), dict[str, list[tuple[str, list[str]]]]()
    for written in column.cells:
        listed = listed_names(written) if isinstance(written, str) else None
        cell = written if listed is None else listed
        if isinstance(cell, list):
            texts = [one for one in cell if isinstance(one, str)]
            look.names += [one for one in texts if is_picture(one)]
            look.others += [one for one in texts if not is_picture(one)]
        elif isinstance(cell, str) and not likely and not _HOLDS_SUFFIX.search(cell):
            look.others.append(cell.strip())
        elif isinstance(cell, str):
            cell = cell.strip()
            found = _separated(cell, is_picture)
            if found is not None:
                divided.setdefault(found[0], []).append((cell, found[1]))
            elif _is_one(cell, is_picture):
                look.names.append(cell)
            elif _SIDE_BY_SIDE.fullmatch(cell):
                parts = [name for _, name in _IN_QUOTES.findall(cell) if is_picture(name)]
                look.names += parts
                (look.unread if parts else look.others).append(cell)
            else:
                look.others.append(cell)
    whole = [cell for cells in divided.values() for cell, _ in cells]
    if root_of(folder, whole[:SAMPLE])[1] > 0.5:  # a comma or a space in the names of files
        look.names += whole
    elif divided:
        look.separator = max(divided, key=lambda separator: len(divided[separator]))
        look.names += [name for cells in divided.values() for _, parts in cells for name in parts]
    return look


def _separated(cell: str, is_picture: Callable[[str], bool]) -> tuple[str, list[str]] | None:
    """The separator and the names, where each part is one; a URL with commas ends where another URL begins."""
    for separator in SEPARATORS:
        if separator in cell:
            parts = [part.strip() for part in cell.split(separator) if part.strip()]
            pictures = parts and all(is_picture(part) for part in parts)
            if pictures and (not is_url(cell) or all(is_url(part) for part in parts)):
                return separator, parts
    return None


def _is_one(cell: str, is_picture: Callable[[str], bool]) -> bool:
    ends_with_url = any(mark in cell and is_url(cell.split(mark)[-1].strip()) for mark in SEPARATORS)
    return is_picture(cell) and not ends_with_url
