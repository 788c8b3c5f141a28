"""Describe the data and encoders of a run in manifest.json.

A resumed search compares itself with it, and a bundle is built from it.
"""

import os
from dataclasses import asdict
from typing import Any

from automm.data.inputs.words import SETTINGS
from automm.data.manifest import Manifest
from automm.models.encoders.sources import ImageSource, TextSource
from automm.search.setup.data import Setup
from automm.tracking.encoder_records import EncoderRecord, to_json


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
        "words": None if setup.word_idf is None else SETTINGS,
        "encoders": to_json([_record(setup, source) for source in setup.sources]),
        "text_encoder_choice": None if setup.choice is None else asdict(setup.choice),
    }


def _record(setup: Setup, source: TextSource | ImageSource) -> EncoderRecord:
    key = source.modality, source.name
    preprocessing = source.preprocessing.to_dict()
    preprocessing.pop("tokenizer", None)  # in a file of its own
    size, used = setup.sizes[key], setup.features.engines[key]
    return EncoderRecord(
        *key,
        source.fingerprint,
        used.version,
        size.value,
        preprocessing,
        size.reason,
        difference=used.difference,
        fallback=used.fallback,
        precision=source.precision,
        vector=source.vector if isinstance(source, TextSource) else "",
    )


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
