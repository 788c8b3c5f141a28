"""Guess which columns of a records file name pictures, their separator, and the folder of the files."""

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from automm.data.download.urls import is_url
from automm.data.images.missing_hints import shown, why_lost
from automm.data.images.tree import PICTURES
from automm.data.onboarding.columns.column import Column, brief_value
from automm.data.onboarding.columns.folders import LEAST, find_folders
from automm.data.onboarding.columns.image_column import IN_QUOTES, ImageColumn, read_column
from automm.data.onboarding.columns.names import (
    counts_something,
    has_braces,
    names_picture,
    names_portrait,
    names_thumbnail,
)
from automm.data.onboarding.columns.nearby import Located, Nearby
from automm.data.onboarding.columns.patterns import Found, find_pattern
from automm.errors import yaml_word

FEW = 3  # different values that mean "no picture"
_WITH_SUFFIX = re.compile(rf"\w({'|'.join(map(re.escape, PICTURES))})\b", re.IGNORECASE)


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
        template: whether `images` is a template or pattern, whose column may have another meaning as well.
        files: the files that were found, absolute.
        some_missing: whether some of the named pictures do not exist.
        urls: whether all names are URLs.
        fetches: whether some names are URLs, which are to be downloaded.
        rivals: other folders with files of the same names.
        out_of_reach: files that are named after a column, but cannot be named in `images`: the numbers of the column
            have lost their leading zeros, or the files are in several folders.
    """

    images: str | list[str] | None = None
    root: Path | None = None
    more: dict[str, Any] = field(default_factory=dict)
    reason: str = ""
    used: tuple[str, ...] = ()
    candidates: frozenset[str] = frozenset()
    template: bool = False
    files: frozenset[str] = frozenset()
    some_missing: bool = False
    urls: bool = False
    rivals: tuple[str, ...] = ()
    fetches: bool = False
    out_of_reach: Found | None = None


def guess_pictures(columns: dict[str, Column], rows: Sequence[Mapping[str, Any]], nearby: Nearby) -> Pictures:
    """Guess the columns of pictures.

    Columns that name existing files come first, then pictures inside cells, then files that are named after the values
    of a column, then names without files, then URLs.

    Args:
        columns: all columns, by name.
        rows: the records of the sample.
        nearby: the picture files near the records.
    """
    others = [column for column in columns.values() if not names_portrait(column.name)]
    embedded = [column.name for column in others if column.is_embedded]
    candidates = []
    for column in others:
        if column.name in embedded or counts_something(column.name) or column.is_date:
            continue
        candidate = read_column(column, nearby)
        # Most records may have no picture, but then few different values say so.
        if candidate.names and (len(candidate.names) >= len(candidate.others) or len(set(candidate.others)) <= FEW):
            candidate.located = nearby.locate(candidate.local)
            candidates.append(candidate)
    names = frozenset([*(candidate.name for candidate in candidates), *embedded])
    embedded = [name for name in embedded if not has_braces(name)]
    candidates = [candidate for candidate in candidates if not has_braces(candidate.name)]
    best = max(candidates, key=lambda candidate: candidate.rank, default=None)
    if best is None or best.share <= 0.5:
        if embedded:
            return _inside_cells(embedded, names)
        # Names in an unknown form may mean the same files that a pattern would give to other records.
        if best is None or not best.local or (not best.share and not best.located.ambiguous):
            hidden = any(_hides_names(column) for column in others if column.name not in names)
            found = find_pattern(others, nearby) if not hidden else None
            if found is not None and (found.padding or found.scattered):
                return Pictures(candidates=names, out_of_reach=found)
            if found is not None:
                return _by_pattern(found, names)
    if best is None:
        return Pictures(candidates=names)
    if best.local and best.separator is None and (best.located.rivals or best.share < 1):
        folders = find_folders(best.name, columns, rows, nearby)
        if folders is not None and _needs_folders(best.located, folders[1]):
            return _in_folders(best.name, *folders, names)
    family = [candidate for candidate in candidates if candidate is best or _belong_together(candidate, best)]
    used = tuple(column.name for column in family)
    located = nearby.locate([name for column in family for name in column.local]) if len(family) > 1 else best.located
    fetches = any(is_url(name) for column in family for name in column.names)
    return Pictures(
        used[0] if len(used) == 1 else list(used),
        located.root,
        _more(family),
        _reason(family, located),
        used,
        names,
        files=located.files,
        some_missing=fetches or 0 < located.share < 1,
        urls=not any(column.local for column in family),
        rivals=located.rivals,
        fetches=fetches,
    )


def _inside_cells(columns: list[str], candidates: frozenset[str]) -> Pictures:
    more: dict[str, Any] = {"image_kind": "base64"}
    images = columns[0] if len(columns) == 1 else columns
    return Pictures(images, None, more, "the cells hold the pictures themselves", tuple(columns), candidates)


def _by_pattern(found: Found, candidates: frozenset[str]) -> Pictures:
    reason = f"pictures are named after its values, as in {_example_of(found)!r}"
    reason += f"; {found.share:.0%} of the records have one or more" if found.several else ""
    if not found.several and found.share < 1:
        reason += f"; {found.share:.0%} of them exist"
    missing = not found.several and found.share < 1
    return Pictures(
        found.entry,
        found.root,
        {},
        reason,
        (found.column,),
        candidates,
        template=True,
        files=found.files,
        some_missing=missing,
    )


def _needs_folders(bare: Located, inside: Located) -> bool:
    """Return whether names mean other files, or more, with their folders than without."""
    if bare.rivals:
        return inside.share >= LEAST * bare.share
    return inside.share > bare.share and len(inside.files) > len(bare.files)


def _in_folders(name: str, column: str, located: Located, candidates: frozenset[str]) -> Pictures:
    reason = f"names of pictures in folders that are named after {column!r}; {located.share:.0%} of them exist"
    return Pictures(
        f"{{{column}}}/{{{name}}}",
        located.root,
        {},
        reason,
        (name, column),
        candidates,
        template=True,
        files=located.files,
        some_missing=located.share < 1,
    )


def _example_of(found: Found) -> str:
    first = min(found.files, default="")
    return first.removeprefix(f"{found.root.as_posix()}/")


def _belong_together(column: ImageColumn, best: ImageColumn) -> bool:
    """Return whether two columns can be read together: equal names but for a number, or the files of both exist."""
    if column.separator not in (None, best.separator) and best.separator is not None:
        return False
    if column.share and best.share and column.root != best.root:
        return False
    if column.stem == best.stem:
        return True
    thumbnails = names_thumbnail(f"{column.name}/{best.name}/")  # the same pictures again
    return column.share > 0.5 and best.share > 0.5 and not thumbnails and not set(column.names) <= set(best.names)


def _more(family: list[ImageColumn]) -> dict[str, Any]:
    """Return separator and none_values, as far as the columns need them."""
    separators = [column.separator for column in family if column.separator is not None]
    none = [value for column in family for value, count in Counter(column.others).most_common(FEW) if count > 1]
    more: dict[str, Any] = {"separator": separators[0]} if separators else {}
    return more | ({"none_values": list(dict.fromkeys(none))} if none else {})


def _reason(family: list[ImageColumn], located: Located) -> str:
    root, share = located.root, located.share
    more, unread = _more(family), [cell for column in family for cell in column.unread]
    names = [name for column in family for name in column.names]
    urls = sum(is_url(name) for name in names)
    if urls == len(names):
        reason = "URLs of pictures"
    elif unread:
        reason = "names of pictures"
    else:
        which = f"of the {len(names) - urls:,} names without a URL" if urls else "of them"
        reason = f"{urls:,} URLs and " if urls else ""
        reason += f"names of pictures; {share:.0%} {which} are in folder {root.name or '.'!r}"
    reason += f"; the separator is {more['separator']!r}" if "separator" in more else ""
    reason += f"; {more['none_values'][0]!r} means no picture" if "none_values" in more else ""
    if unread:
        listed = json.dumps([name for _, name in IN_QUOTES.findall(unread[0])], ensure_ascii=False)
        reason += f". {len(unread):,} cells cannot be read, because NumPy wrote them without commas, such as "
        reason += f"{unread[0][:60]!r}. Write JSON lists, such as {listed[:60]}"
    local = [name for name in names if not is_url(name)]
    cause = why_lost(local[0]) if local and share == 0 else ""
    if located.ambiguous:
        cause = "Several files end like it, or it is not the only name that ends like its file: correct the names"
    elif local and share == 0 and not unread:
        cause = cause or "Correct image_root, or the names of the pictures"
    return reason + (f". The first is {shown(local[0])}. {cause}" if cause else "")


def why_unused(column: Column, pictures: Pictures) -> str:
    """Return why a column that seems to hold pictures is not used; "" if it does not seem to."""
    cell = _example(column)
    if names_portrait(column.name):
        why = "its name suggests pictures of a person, such as the author, which say nothing about a review. If it "
        return f"{why}holds pictures of the reviews, write images: {yaml_word(column.name)}"
    if column.name in pictures.candidates and has_braces(column.name):
        return "it names or holds pictures, but braces in images mean a template. Rename the column without them"
    if column.name in pictures.candidates:
        if pictures.template or pictures.more.get("image_kind"):
            return "it also names pictures, whose files are found in another way" if not column.is_embedded else ""
        named = [pictures.images] if isinstance(pictures.images, str) else pictures.images or []
        whole = ", ".join(yaml_word(name) for name in [*named, column.name])
        return f"it also names pictures. To read both, write images: [{whole}]"
    if names_picture(column.name) and not column.is_url and not column.is_listed:
        why = f"its name suggests pictures, but cells such as {brief_value(cell)[:40]!r} name no picture file"
        return why + (". Write names alone, or JSON lists of names" if _WITH_SUFFIX.search(str(cell)) else "")
    return ""


def _hides_names(column: Column) -> bool:
    """Return whether a column that is named like pictures has cells that contain file names in any form."""
    return names_picture(column.name) and _WITH_SUFFIX.search(str(_example(column))) is not None


def _example(column: Column) -> Any:
    """Return a cell that contains the name of a picture; the first cell if there is none."""
    return next((cell for cell in column.cells if _WITH_SUFFIX.search(str(cell))), (*column.cells, "")[0])
