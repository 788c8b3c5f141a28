"""List and clear the cache for `automm cache`. Light: neither Keras nor TensorFlow is loaded."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from automm.data.images.embedded import clear_embedded, embedded_files
from automm.data.images.pixels.pixel_cache import clear_pictures, picture_sets
from automm.data.images.pixels.pixel_file import count_of
from automm.search.features.onnx_models import OnnxModels
from automm.search.features.store import FeatureStore


@dataclass(frozen=True)
class Listing:
    """The content of a cache folder.

    Attributes:
        features: the entries of the feature store (`FeatureStore.entries`), latest use first, with `last_used` in ISO
            8601, UTC.
        limit: bytes, for features and for decoded pictures each.
        pictures: sets of decoded pictures, latest use first: key, rows, bytes, last_used.
        embedded_bytes: of the picture files that were made from cells of records.
        converted_bytes: of encoders that were converted for ONNX Runtime.
    """

    folder: Path
    features: list[dict[str, Any]]
    limit: int
    pictures: list[dict[str, Any]]
    embedded_bytes: int
    converted_bytes: int

    def to_dict(self) -> dict[str, Any]:
        return {
            "folder": str(self.folder),
            "bytes": _bytes(self.features),
            "limit": self.limit,
            "features": self.features,
            "decoded_pictures": self.pictures,
            "embedded_bytes": self.embedded_bytes,
            "converted_bytes": self.converted_bytes,
        }

    @property
    def bytes(self) -> int:
        return _bytes(self.features)

    @property
    def picture_bytes(self) -> int:
        return _bytes(self.pictures)


def listing(cache: Path, limit: int) -> Listing:
    """Return the content of the cache folder without weights. An absent folder counts as empty."""
    features = [
        {**entry, "last_used": _iso_time(entry["last_used"])}
        for entry in FeatureStore(cache / "features", limit).entries()
    ]
    embedded = sum(size for _, _, size in embedded_files(cache / "embedded"))
    converted = sum(OnnxModels(cache / "onnx").sizes().values())
    return Listing(cache, features, limit, _pictures(cache / "pictures"), embedded, converted)


def clear(cache: Path, limit: int) -> dict[str, int]:
    """Remove decoded pictures, converted encoders, and features that no running process uses. Weights stay.

    Returns:
        `entries`, `bytes` and `in_use` of the feature store, `pictures` (the number of sets) and `picture_bytes`,
        `embedded` (files made from cells of records) and `embedded_bytes`, `converted` (encoders) and
        `converted_bytes`.
    """
    cleared = FeatureStore(cache / "features", limit).clear()
    sets, size = clear_pictures(cache / "pictures")
    files, embedded = clear_embedded(cache / "embedded")
    models, converted = OnnxModels(cache / "onnx").clear()
    others = {"embedded": files, "embedded_bytes": embedded, "converted": models, "converted_bytes": converted}
    return {**vars(cleared), "pictures": sets, "picture_bytes": size, **others}


def _pictures(folder: Path) -> list[dict[str, Any]]:
    return [
        {
            "key": pictures.path.stem,
            "rows": count_of(pictures.path),
            "bytes": pictures.bytes,
            "last_used": _iso_time(pictures.used),
        }
        for pictures in picture_sets(folder)
    ]


def _iso_time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")


def _bytes(entries: list[dict[str, Any]]) -> int:
    return sum(entry["bytes"] for entry in entries)
