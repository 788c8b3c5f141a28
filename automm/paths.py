"""Where automm keeps what it can fetch or compute again."""

import os
import re
import shlex
from pathlib import Path

import platformdirs

from automm.errors import ConfigError

CACHE_LIMIT = "20GB"
UNITS = {"": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}


def cache_dir() -> Path:
    """The folder of weights and features: AUTOMM_CACHE_DIR, else the platform's user cache folder.

    The folder need not exist yet. An empty variable counts as unset.
    """
    chosen = os.environ.get("AUTOMM_CACHE_DIR", "").strip()
    if chosen:
        return Path(chosen).expanduser().absolute()
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
    chosen = os.environ.get("AUTOMM_CACHE_LIMIT", "").strip() or CACHE_LIMIT
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMGT]B|)", chosen.upper())
    if match is None:
        raise ConfigError(f"AUTOMM_CACHE_LIMIT: {chosen!r} is no size. Write it like 500MB, 5GB or 1.5TB")
    return int(float(match[1]) * UNITS[match[2]])
