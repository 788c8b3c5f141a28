"""Which column of a records file names pictures, how they are separated, and under which folder they lie."""

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from automm.data.cells import listed_names
from automm.data.guess_columns import Column
from automm.data.lost_pictures import is_absolute, why_lost
from automm.data.urls import SUFFIXES, is_url

SAMPLE = 50  # pictures whose files are looked for
FEW = 3  # ways to say that there is no picture
SEPARATORS = (",", ";", "|", " ")
PICTURES = re.compile(r"(image|img|photo|(?<!to)pic|poster|gambar|foto|bild|thumb)", re.IGNORECASE)


@dataclass(frozen=True)
class Pictures:
    """The column of pictures, if there is one; `looked_like` are all that were taken for one."""

    name: str | None = None
    root: Path = Path()
    more: dict[str, Any] = field(default_factory=dict)
    reason: str = ""
    looked_like: set[str] = field(default_factory=set)


def pictures_of(columns: dict[str, Column], folder: Path) -> Pictures:
    """The column of pictures: rather one whose files are under `folder`, then one of URLs, then the fullest."""
    found: list[tuple[tuple[int, float], Pictures]] = []
    looked_like: set[str] = set()
    for column in columns.values():
        separator, names, others = _picture_names(column)
        # Most records may say that they have no picture, but then they say it in the same words.
        if not names or (len(names) < len(others) and len(set(others)) > FEW):
            continue
        looked_like.add(column.name)
        more: dict[str, Any] = {} if separator is None else {"separator": separator}
        none = [value for value, count in Counter(others).most_common(FEW) if count > 1]
        more |= {"none_values": none} if none else {}
        urls = sum(is_url(name) for name in names)
        root, there = _root(folder, [name for name in names if not is_url(name)][:SAMPLE])
        held = (
            "URLs"
            if urls > len(names) / 2
            else f"names of pictures, of which {there:.0%} are under {root.name or '.'}/"
        )
        reason = f"holds {held}" + (f", separated by {separator!r}" if separator else "")
        reason += f"; {none[0]!r} means none" if none else ""
        cause = why_lost(names[0], root) if urls == 0 and there == 0 else ""
        reason += f". {cause}" if cause else ""
        rank = (2 if there > 0.5 else 1 if urls else 0, float(len(names)))
        found.append((rank, Pictures(column.name, root, more, reason)))
    if not found:
        return Pictures(looked_like=looked_like)
    best = max(found, key=lambda pair: pair[0])[1]
    return Pictures(best.name, best.root, best.more, best.reason, looked_like)


def unused_pictures(columns: list[Column], pictures: Pictures) -> dict[str, str]:
    """Why a column is not the one of pictures although its name or its cells look like it; by "column NAME"."""
    reasons = {}
    for column in columns:
        if column.name == pictures.name:
            continue
        if column.name in pictures.looked_like:
            why = f"it names pictures, too; to read both, write images: [{pictures.name}, {column.name}]"
        elif PICTURES.search(column.name):
            why = f"its name is one of pictures, but cells such as {str(column.cells[0])[:40]!r} name no picture file"
        else:
            continue
        reasons[f"column {column.name!r}"] = f"not used: {why}"
    return reasons


def _picture_names(column: Column) -> tuple[str | None, list[str], list[str]]:
    """The separator if there is one, the names of pictures, and the values that are none."""
    likely = PICTURES.search(column.name) is not None

    def is_picture(name: str) -> bool:
        suffix = Path(re.split(r"[?#]", name)[0]).suffix.lower()
        return suffix in SUFFIXES or (likely and is_url(name))

    separator, names, others = None, [], []
    for written in column.cells:
        listed = listed_names(written) if isinstance(written, str) else None
        cell = written if listed is None else listed
        if isinstance(cell, list):
            texts = [one for one in cell if isinstance(one, str)]
            names += [one for one in texts if is_picture(one)]
            others += [one for one in texts if not is_picture(one)]
        elif isinstance(cell, str):
            split = _separated(cell, is_picture)
            if split is None:
                others.append(cell.strip())
            else:
                separator = split[0] or separator
                names += split[1]
    return separator, names, others


def _separated(cell: str, is_picture: Callable[[str], bool]) -> tuple[str | None, list[str]] | None:
    for separator in (None, *SEPARATORS):
        parts = [part.strip() for part in (cell.split(separator) if separator else [cell]) if part.strip()]
        several = separator is None or len(parts) > 1
        whole = separator is not None or not any(mark in cell and "://" in cell.split(mark)[-1] for mark in SEPARATORS)
        if parts and several and whole and all(is_picture(part) for part in parts):
            return separator, parts
    return None


def _root(folder: Path, names: list[str]) -> tuple[Path, float]:
    """The folder that holds most of some pictures, and their share: the file's own, or one in it."""
    try:
        folders = [folder, *sorted(inner for inner in folder.iterdir() if inner.is_dir())]
    except OSError:
        folders = [folder]
    best, share = folder, 0.0
    for root in folders:
        there = sum(not is_absolute(name) and _is_there(root, name) for name in names) / max(1, len(names))
        if there > share:
            best, share = root, there
    return best, share


def _is_there(root: Path, name: str) -> bool:
    try:
        return (root / name).is_file() or (root / name.replace("\\", "/")).is_file()
    except (OSError, ValueError):
        return False
