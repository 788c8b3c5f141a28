"""What a run notes of its data and encoders: manifest.json, which a resume is held against and a bundle made from."""

import os
from typing import Any

from automm.data.manifest import Manifest
from automm.search.setup.data import Setup


def describe(setup: Setup) -> dict[str, Any]:
    """manifest.json: what the data was."""
    manifest = setup.dataset.manifest
    return {
        "name": manifest.name,
        "manifest": str(setup.experiment.manifest),
        "fingerprint": setup.digest,
        "labels": list(setup.labels),
        "reviews": {name: len(rows) for name, rows in setup.splits.items()},
        "evaluation": setup.evaluation,
        "subsample": setup.experiment.subsample,
        "pictures": len(setup.arrays.pixels),
        "pictured": float(setup.arrays.image_mask.any(axis=1).mean()),  # the share of reviews with a picture
        "changes": setup.changes,
        "columns": setup.columns.to_dict(),
        "reading": reading(manifest),
        "image_root": image_root(manifest),
        "encoders": {
            source.modality: {
                "name": source.name,
                "fingerprint": source.fingerprint,
                "engine": setup.features.engines[source.modality, source.name],
            }
            for source in (setup.text_source, setup.image_source)
        },
    }


def reading(manifest: Manifest) -> dict[str, Any]:
    """What of a manifest a bundle must know to read other records: all but where its own were, and their splits.

    Whatever the format was, others come as records with the same columns.
    """
    own = {"records", "format", "path", "options", "splits", "source", "labels"}
    return manifest.model_dump(mode="json", exclude_none=True, exclude=own)


def image_root(manifest: Manifest) -> str:
    """The folder of pictures, relative to the records file, or to the folder of a native layout."""
    if manifest.records is None:
        return manifest.image_root
    records = manifest.folder / manifest.records
    return os.path.relpath(manifest.folder / manifest.image_root, records.parent)
