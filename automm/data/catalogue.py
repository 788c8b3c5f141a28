"""The known data sets: the manifests that come with automm."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from automm.data.manifest import Manifest, load_manifest
from automm.errors import NotFoundError, nearest

# In a checkout this is a link to the folder beside the package; an installation contains the files.
FOLDER = Path(__file__).resolve().parents[1] / "data_manifests"


@dataclass(frozen=True)
class KnownDataset:
    """A data set whose manifest comes with automm."""

    manifest: Manifest

    @property
    def name(self) -> str:
        """The name in the manifest."""
        return self.manifest.name

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        source = self.manifest.source.model_dump(mode="json")
        return {"name": self.name, "format": self.manifest.format, "manifest": str(self.manifest.file), **source}


def known_datasets() -> list[KnownDataset]:
    """Return all known data sets, sorted by name.

    Raises:
        NotFoundError: the manifests are not installed.
    """
    files = sorted(FOLDER.glob("*.yaml"))
    if not files:
        raise NotFoundError(f"{FOLDER}: no data set manifests found. Reinstall automm")
    return sorted((KnownDataset(load_manifest(file)) for file in files), key=lambda known: known.name)


def find_dataset(name: str) -> KnownDataset:
    """Return the known data set of a name.

    Raises:
        NotFoundError: no known data set has this name.
    """
    datasets = {known.name: known for known in known_datasets()}
    if name not in datasets:
        hint = nearest(name, list(datasets))
        raise NotFoundError(f"unknown data set {name!r}.{hint} Known data sets: {', '.join(datasets)}")
    return datasets[name]
