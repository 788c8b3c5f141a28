"""The folder that an import writes: complete, or not at all."""

import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from automm.data.change_kinds import Change
from automm.errors import ConfigError

RECORDS_FILE, MANIFEST, PICTURES = "reviews.jsonl", "manifest.yaml", "images"
PLACE = Path("command line")  # the place that messages about options name


@dataclass(frozen=True)
class Imported:
    """The result of an import.

    Attributes:
        manifest: the path of the manifest.
        records, pictures: how many were written.
        changes: what was dropped or changed, and how often.
        reasons: the reason of each guess, by key.
    """

    manifest: Path
    records: int
    pictures: int
    changes: dict[Change, int]
    reasons: dict[str, str] = field(default_factory=dict)


@contextmanager
def drafted(to: Path) -> Iterator[Path]:
    """Yield a temporary folder that is renamed to `to` on success and removed on failure."""
    if to.exists() and not (to.is_dir() and not any(to.iterdir())):
        raise ConfigError(f"{to} exists and is not an empty folder. Name a new one: --to DIR")
    to.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{to.name}-", dir=to.parent) as scratch:
        draft = Path(scratch) / "data"
        draft.mkdir()
        yield draft
        if to.exists():
            to.rmdir()
        draft.rename(to)


def plain_name(source: Path) -> str:
    """Return the name of a data set, made from the name of its file or folder."""
    return re.sub(r"[^\w.-]+", "-", source.absolute().name).strip("-.") or "imported"
