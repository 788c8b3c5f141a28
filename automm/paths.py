"""Where automm keeps what it can fetch or compute again."""

import os
import re
import shlex
import sys
from pathlib import Path
from typing import Annotated

import platformdirs

from automm.errors import ConfigError

CACHE_LIMIT = "20GB"


def cache_dir() -> Path:
    """The folder of weights and features: AUTOMM_CACHE_DIR, else the platform's user cache folder.

    The folder need not exist yet. An empty variable counts as unset.

    Raises:
        ConfigError: ~name, and nobody is called so.
    """
    chosen = os.environ.get("AUTOMM_CACHE_DIR", "").strip()
    if chosen:
        try:
            return Path(chosen).expanduser().absolute()
        except RuntimeError as error:
            raise ConfigError(f"AUTOMM_CACHE_DIR: {chosen!r} names no user's folder. Write the path out") from error
    return Path(platformdirs.user_cache_dir("automm", appauthor=False))


def from_here(path: Path) -> str:
    """A path for a command line: relative where it lies in the working directory, in quotes where it has spaces."""
    here = Path.cwd()
    return shlex.quote(str(path.relative_to(here) if path.is_relative_to(here) else path))


def cache_limit() -> int:
    """How many bytes of features are kept: AUTOMM_CACHE_LIMIT, else 20 GB.

    Raises:
        ConfigError: it is no size.
    """
    from pydantic import ByteSize, Field, TypeAdapter

    size = TypeAdapter(Annotated[ByteSize, Field(le=sys.float_info.max)])  # it is printed as a float, with its unit
    chosen = os.environ.get("AUTOMM_CACHE_LIMIT", "").strip() or CACHE_LIMIT
    try:
        if not re.fullmatch(r"[0-9]+(\.[0-9]+)?\s*[A-Za-z]*", chosen):  # of 1,5GB ByteSize reads 1 and no more
            raise ValueError("not a number and a unit")
        return int(size.validate_python(chosen))
    except ValueError as error:
        raise ConfigError(f"AUTOMM_CACHE_LIMIT: {chosen!r} is no size. Write it like 500MB, 5GB or 1.5TB") from error
