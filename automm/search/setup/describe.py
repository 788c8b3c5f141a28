"""Describe the data and encoders of a run in manifest.json.

A resumed search compares itself with it, and a bundle is built from it.
"""

import os
from typing import Any

from automm.data.manifest import Manifest
from automm.search.setup.data import Setup


def describe(setup: Setup) -> dict[str, Any]:
    """Return the content of manifest.json."""
    manifest = setup.dataset.manifest
    return {
        "name": manifest.name,
        "manifest": str(setup.experiment.manifest),
        "fingerprint": setup.digest,
        "labels": list(setup.labels),
        "reviews": {name: len(rows) for name, rows in setup.splits.items()},
        "evaluation": setup.evaluation,
        "evaluation_reason": setup.why,
        "subsample": setup.experiment.subsample,
        "pictures": len(setup.arrays.pixels),
        "pictured": float(setup.arrays.image_mask.any(axis=1).mean()),  # the share of reviews with a picture
        "changes": setup.changes,
        "columns": setup.columns.to_dict(),
        "reading": record_settings(manifest),
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


def record_settings(manifest: Manifest) -> dict[str, Any]:
    """Return the settings of a manifest that a bundle needs to read new records.

    The paths, format and splits of the training data are left out: new reviews are records with the same columns.
    """
    own = {"records", "format", "path", "options", "splits", "source", "labels"}
    return manifest.model_dump(mode="json", exclude_none=True, exclude=own)


def image_root(manifest: Manifest) -> str:
    """Return the folder of pictures, relative to the records file, or to the folder of a native layout."""
    if manifest.records is None:
        return manifest.image_root
    records = manifest.folder / manifest.records
    return os.path.relpath(manifest.folder / manifest.image_root, records.parent)
