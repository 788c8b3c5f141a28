"""Where automm keeps what it can fetch or compute again."""

import os
from pathlib import Path

import platformdirs


def cache_dir() -> Path:
    """The folder of weights and features: AUTOMM_CACHE_DIR, else the platform's user cache folder.

    The folder need not exist yet. An empty variable counts as unset.
    """
    chosen = os.environ.get("AUTOMM_CACHE_DIR", "").strip()
    if chosen:
        return Path(chosen).expanduser().absolute()
    return Path(platformdirs.user_cache_dir("automm", appauthor=False))
