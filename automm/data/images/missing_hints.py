"""Why none of the pictures is where its name says: the causes that a look at the name and the folder can tell."""

import re
from pathlib import Path

from automm.data.download.urls import SUFFIXES

SEPARATORS = (",", ";", "|", "\n", " ")
SHOWN = 120  # characters of a name; a picture may stand in it as data:image/png;base64,...

_SCHEME = re.compile(r"([a-z][a-z0-9+.]+):", re.IGNORECASE)
_OF_WINDOWS = re.compile(r"[A-Za-z]:[\\/]|\\\\")


def is_absolute(name: str) -> bool:
    """Whether a name begins at the root of a disk, of this system or of Windows."""
    return name.startswith("/") or _OF_WINDOWS.match(name) is not None


def shown(name: str) -> str:
    """A name for a message, in quotes."""
    return repr(name if len(name) <= SHOWN else f"{name[:SHOWN]}...")


def fix_of_name(name: str) -> str:
    """What to do about a name that no file of any folder has as it is written; "" where it may be the name of one."""
    for separator in SEPARATORS:
        parts = [part.strip() for part in name.split(separator) if part.strip()]
        if len(parts) > 1 and all(part.lower().endswith(SUFFIXES) for part in parts):
            return f"It looks like several names: set fields: {{separator: {separator!r}}}"
    if name.startswith("//") or name.lower().startswith("www."):
        return f"It looks like a URL without its scheme: write {shown('https://' + name.lstrip('/'))}"
    scheme = _SCHEME.match(name)
    if scheme is not None and _OF_WINDOWS.match(name) is None:
        return f"Only http and https are fetched: save what {scheme[1]}: names as a file, and name that"
    return ""


def fix_of_outside(name: str, root: Path) -> str:
    """What to do about a name that leads out of the root, or is absolute."""
    if Path(name).is_absolute() and Path(name).is_relative_to(root) and ".." not in Path(name).parts:
        return f"Write {Path(name).relative_to(root).as_posix()!r}, relative to image_root"
    return fix_of_name(name) or ("Name it relative to image_root" if is_absolute(name) else "Move it inside")


def why_lost(name: str, root: Path) -> str:
    """A likely cause and its fix, in a sentence; "" where nothing is known.

    Args:
        name: of a picture that is not there.
        root: the folder under which it was looked for.
    """
    if fix := fix_of_name(name):
        return fix
    if is_absolute(name):
        system = "a Windows path" if _OF_WINDOWS.match(name) else "an absolute path"
        return f"It is {system}: write names relative to image_root, with slashes"
    slashed = name.replace("\\", "/")
    there = _in_another_case(slashed, root)
    if slashed != name:
        return f"It is written with backslashes: write {there or slashed!r}"
    if there is not None:
        return f"It is there as {there!r}: write names in the case that the files have"
    return ""


def _in_another_case(name: str, root: Path) -> str | None:
    """The name of the file whose name differs in the case of its letters alone, or is the same."""
    found: list[str] = []
    for part in name.split("/"):
        if part in ("", "."):
            continue
        if part == "..":
            return None
        folder = root.joinpath(*found)
        if not folder.resolve().is_relative_to(root.resolve()):  # a link leads out, where nothing is looked at
            return None
        try:
            same = [one.name for one in folder.iterdir() if one.name.casefold() == part.casefold()]
        except (OSError, ValueError):
            return None
        if not same:
            return None
        found.append(part if part in same else sorted(same)[0])
    return "/".join(found)
