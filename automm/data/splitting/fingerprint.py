"""The fingerprint of a data set: a resumed search compares it with the one of its run."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from automm.data.records.reviews import Dataset
from automm.data.splitting.text_forms import picture_name


def fingerprint(dataset: Dataset, digests: Mapping[Path, str], splits: Mapping[str, np.ndarray]) -> str:
    """Return the sha256 of ids, texts, labels, pictures, columns and splits, hexadecimal, whatever the row order."""
    split_of = {int(row): split for split, rows in splits.items() for row in rows}
    columns = dataset.manifest.columns
    lines = [
        json.dumps(
            [
                review.id,
                review.text,
                review.label,
                [picture_name(path, digests) for path in review.images],
                split_of.get(row, ""),
                *([review.numbers, review.categories, review.history] if columns else []),
            ]
        )
        for row, review in enumerate(dataset.reviews)
    ]
    return hashlib.sha256("\n".join([json.dumps(dataset.labels), *sorted(lines)]).encode()).hexdigest()
