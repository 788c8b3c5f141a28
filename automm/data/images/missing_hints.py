"""Guess why a picture was not found from its name and the files of its folder, and say what to do."""

import re
from pathlib import Path

from automm.data.download.urls import SUFFIXES

SEPARATORS = (",", ";", "|", "\n", " ")
SHOWN = 120  # characters of a name; a name may be a whole picture, data:image/png;base64,...

_SCHEME = re.compile(r"([a-z][a-z0-9+.]+):", re.IGNORECASE)
_OF_WINDOWS = re.compile(r"[A-Za-z]:[\\/]|\\\\")


def is_absolute(name: str) -> bool:
    """Return whether a name is an absolute path on this system or on Windows."""
    return name.startswith("/") or _OF_WINDOWS.match(name) is not None


def shown(name: str) -> str:
    """Return a name in quotes for a message, shortened if it is long."""
    return repr(name if len(name) <= SHOWN else f"{name[:SHOWN]}...")


def fix_of_name(name: str) -> str:
    """Return what to do about a name that cannot be a file name as it is written; "" if it can."""
    for separator in SEPARATORS:
        parts = [part.strip() for part in name.split(separator) if part.strip()]
        if len(parts) > 1 and all(part.lower().endswith(SUFFIXES) for part in parts):
            return f"It looks like several names: set fields: {{separator: {separator!r}}}"
    if name.startswith("//") or name.lower().startswith("www."):
        return f"It looks like a URL without its scheme: write {shown('https://' + name.lstrip('/'))}"
    scheme = _SCHEME.match(name)
    if scheme is not None and _OF_WINDOWS.match(name) is None:
        return "Only http and https are fetched: save the picture as a file, and write the name of the file"
    return ""


def fix_of_outside(name: str, root: Path) -> str:
    """Return what to do about a name that is absolute or leads out of the root."""
    if Path(name).is_absolute() and Path(name).is_relative_to(root) and ".." not in Path(name).parts:
        return f"Write {Path(name).relative_to(root).as_posix()!r}, relative to image_root"
    if fix := fix_of_name(name):
        return fix
    return "Name it relative to image_root" if is_absolute(name) else "Move the file into image_root"


def why_lost(name: str, root: Path) -> str:
    """Return a likely cause and its fix in one sentence; "" if none is known.

    Args:
        name: the name of a picture that was not found.
        root: the folder that names are relative to.
    """
    if fix := fix_of_name(name):
        return fix
    if is_absolute(name):
        system = "a Windows path" if _OF_WINDOWS.match(name) else "an absolute path"
        return f"It is {system}: write names relative to image_root, with slashes"
    slashed = name.replace("\\", "/")
    actual = _in_another_case(slashed, root)
    if slashed != name:
        return f"It is written with backslashes: write {actual or slashed!r}"
    if actual is not None:
        return f"The file is {actual!r}: write names in the upper and lower case of the files"
    return ""


def _in_another_case(name: str, root: Path) -> str | None:
    """Return the name of an existing file that is equal to `name` but for upper and lower case."""
    actual: list[str] = []
    for part in name.split("/"):
        if part in ("", "."):
            continue
        if part == "..":
            return None
        folder = root.joinpath(*actual)
        if not folder.resolve().is_relative_to(root.resolve()):  # a link that leads out is not followed
            return None
        try:
            same = [entry.name for entry in folder.iterdir() if entry.name.casefold() == part.casefold()]
        except (OSError, ValueError):
            return None
        if not same:
            return None
        actual.append(part if part in same else sorted(same)[0])
    return "/".join(actual)
