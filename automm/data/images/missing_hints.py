"""Guess why a picture was not found from its name, and say what to do."""

import re
from pathlib import Path

from automm.data.download.urls import SUFFIXES, is_url
from automm.errors import Problem

# Codes of problems.
MISSING_PICTURE, PICTURE_OUTSIDE, NOT_FETCHED = "missing_picture", "picture_outside", "not_fetched"
BROKEN_PICTURE = "broken_picture"
SEPARATORS = (",", ";", "|", "\n", " ")
CONVERT = "Convert it to JPEG or PNG under the same name"
SHOWN = 120  # characters of a name; a name may be a whole picture, data:image/png;base64,...

# Names that mean no picture, in any case: a missing value that was written as text.
NO_PICTURE = ("", "nan", "none", "null", "<na>", "[nan]", "[none]", "[null]")

_SCHEME = re.compile(r"([a-z][a-z0-9+.]+):", re.IGNORECASE)
_OF_WINDOWS = re.compile(r"[A-Za-z]:[\\/]|\\\\")


class OutsideError(ValueError):
    """A name leads out of the folder: by `..`, or through a symbolic link."""


class AbsentError(ValueError):
    """There is no picture of that name; the message is the reason in words, such as "not found"."""


class BrokenPictureError(AbsentError):
    """A cell holds no picture that can be read; the message is the reason in words."""


class UnreadFormatError(AbsentError):
    """There is a picture of that name in a format that is not read; the message names the file."""


class AmbiguousNameError(AbsentError):
    """Several files fit the name; the message lists some."""


def is_absolute(name: str) -> bool:
    """Return whether a name is an absolute path on this system or on Windows."""
    return name.startswith("/") or _OF_WINDOWS.match(name) is not None


def means_no_picture(name: str) -> bool:
    """Return whether a name is a missing value that was written as text, such as "NaN"."""
    return len(name) <= 6 and name.lower() in NO_PICTURE


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


def why_lost(name: str) -> str:
    """Return a likely cause and its fix for a picture that was not found; "" if none is known."""
    if fix := fix_of_name(name):
        return fix
    if is_absolute(name):
        system = "a Windows path" if _OF_WINDOWS.match(name) else "an absolute path"
        return (
            f"It is {system}, and no file there ends like it: correct image_root, or write names relative to image_root"
        )
    return ""


def absent_problem(name: str, error: AbsentError, where: str, root: Path, fetch: str) -> Problem:
    """Return the problem of a picture that was not found.

    Args:
        name: as the record has it.
        error: why it was not found.
        where: the place of the record.
        root: the folder of pictures.
        fetch: the command that downloads pictures.
    """
    code, text = MISSING_PICTURE, f"picture {shown(name)} {error} under image_root '{root.name}'"
    if isinstance(error, BrokenPictureError):
        code, text, fix = BROKEN_PICTURE, f"picture {shown(name)} {error}", "Correct the cell"
    elif isinstance(error, UnreadFormatError):
        fix = CONVERT
    elif is_url(name):
        code, fix = NOT_FETCHED, f"Download it: {fetch}"
    elif isinstance(error, AmbiguousNameError):
        fix = "Write the path of one of them"
    elif is_absolute(name) and not fix_of_name(name):
        code, text = PICTURE_OUTSIDE, f"picture {shown(name)} is not relative to image_root '{root}'"
        text += ", and no file there ends like it"
        fix = "Name it relative to image_root"
    else:
        fix = fix_of_name(name) or "Correct the path"
    return Problem(code, where, text, f"{fix}, or set images.on_bad: drop-image")


def outside_problem(name: str, where: str, root: Path) -> Problem:
    """Return the problem of a name that leads out of the folder of pictures."""
    return Problem(
        PICTURE_OUTSIDE, where, f"picture {shown(name)} is outside image_root '{root}'", "Move the file into image_root"
    )
