"""Why none of the pictures is where its name says: the causes that a look at the name and the folder can tell."""

import re
from pathlib import Path

_OF_WINDOWS = re.compile(r"[A-Za-z]:[\\/]|\\\\")


def is_absolute(name: str) -> bool:
    """Whether a name begins at the root of a disk, of this system or of Windows."""
    return name.startswith("/") or _OF_WINDOWS.match(name) is not None


def why_lost(name: str, root: Path) -> str:
    """A likely cause and its mend, in a sentence; "" where nothing is known.

    Args:
        name: of a picture that is not there.
        root: the folder under which it was looked for.
    """
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
