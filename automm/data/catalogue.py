"""The known data sets of this shape: the manifests that come with automm."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from automm.data.manifest import Manifest, load_manifest
from automm.errors import NotFoundError, nearest

# In a checkout it is a link to the folder beside the package; an installation has its files.
FOLDER = Path(__file__).resolve().parents[1] / "data_manifests"


@dataclass(frozen=True)
class Known:
    """A data set that a manifest of automm's own describes."""

    manifest: Manifest

    @property
    def name(self) -> str:
        """As the manifest calls it."""
        return self.manifest.name

    def to_dict(self) -> dict[str, Any]:
        """Plain values, as JSON has them."""
        source = self.manifest.source.model_dump(mode="json")
        return {"name": self.name, "format": self.manifest.format, "manifest": str(self.manifest.file), **source}


def known_datasets() -> list[Known]:
    """All of them, by name.

    Raises:
        NotFoundError: their manifests were not installed.
    """
    files = sorted(FOLDER.glob("*.yaml"))
    if not files:
        raise NotFoundError(f"{FOLDER}: no manifests of data sets there. Install automm again")
    return sorted((Known(load_manifest(file)) for file in files), key=lambda known: known.name)


def find_dataset(name: str) -> Known:
    """One of them.

    Raises:
        NotFoundError: there is none of that name.
    """
    found = {known.name: known for known in known_datasets()}
    if name not in found:
        raise NotFoundError(f"no data set is called {name!r}.{nearest(name, list(found))} Known: {', '.join(found)}")
    return found[name]
