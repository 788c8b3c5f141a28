"""The cache folder: files that automm can fetch or compute again."""

import os
import re
import shlex
import sys
from pathlib import Path
from typing import Annotated

import platformdirs

from automm.errors import ConfigError

CACHE_LIMIT = "20GB"
RUNS = Path("runs")  # the folder of all runs, unless --runs-dir names another


def cache_dir() -> Path:
    """Return the folder of weights and features: AUTOMM_CACHE_DIR, else the platform's user cache folder.

    The folder may not exist yet. An empty variable counts as unset.

    Raises:
        ConfigError: AUTOMM_CACHE_DIR begins with ~name, and there is no such user.
    """
    chosen = os.environ.get("AUTOMM_CACHE_DIR", "").strip()
    if chosen:
        try:
            return Path(chosen).expanduser().absolute()
        except RuntimeError as error:
            raise ConfigError(f"AUTOMM_CACHE_DIR: {chosen!r} names an unknown user. Write the whole path") from error
    return Path(platformdirs.user_cache_dir("automm", appauthor=False))


def from_here(path: Path) -> str:
    """Return a path to paste into a shell: relative inside the working directory, quoted if needed."""
    here = Path.cwd()
    return shlex.quote(str(path.relative_to(here) if path.is_relative_to(here) else path))


def runs_flag(runs_dir: Path) -> str:
    """Return the option that a suggested command needs to find the same runs; "" for the default folder."""
    return "" if runs_dir.absolute() == RUNS.absolute() else f" --runs-dir {from_here(runs_dir)}"


def check_writable(folder: Path, setting: str, fix: str) -> None:
    """Check that files can be written in a folder, which need not exist yet. Nothing is created.

    Args:
        folder: the folder.
        setting: what names it, such as "--to page.html", for the message.
        fix: what to do, without a full stop.

    Raises:
        ConfigError: the folder, or the first existing folder above it, cannot be written.
    """
    place = folder.absolute()
    while not os.path.lexists(place) and place != place.parent:
        place = place.parent
    if not place.is_dir():
        raise ConfigError(f"{setting}: '{place}' is not a folder. {fix}")
    if not os.access(place, os.W_OK | os.X_OK):
        raise ConfigError(f"{setting}: no permission to write in '{place}'. {fix}")


def check_cache_dir() -> None:
    """Check that the cache folder can be written. Raises ConfigError."""
    named = "AUTOMM_CACHE_DIR" if os.environ.get("AUTOMM_CACHE_DIR", "").strip() else "the cache folder"
    check_writable(cache_dir(), named, "Set AUTOMM_CACHE_DIR to a folder that you may write to")


def cache_limit() -> int:
    """Return the limit of the cache in bytes: AUTOMM_CACHE_LIMIT, else 20 GB.

    Raises:
        ConfigError: AUTOMM_CACHE_LIMIT is not a size.
    """
    from pydantic import ByteSize, Field, TypeAdapter

    size = TypeAdapter(
        Annotated[ByteSize, Field(le=sys.float_info.max)]
    )  # a float must hold it, because it is printed with a unit
    chosen = os.environ.get("AUTOMM_CACHE_LIMIT", "").strip() or CACHE_LIMIT
    try:
        if not re.fullmatch(r"[0-9]+(\.[0-9]+)?\s*[A-Za-z]*", chosen):  # ByteSize would read 1,5GB as 1
            raise ValueError("not a number and a unit")
        return int(size.validate_python(chosen))
    except ValueError as error:
        raise ConfigError(f"AUTOMM_CACHE_LIMIT: {chosen!r} is not a size. Write it like 500MB, 5GB or 1.5TB") from error
