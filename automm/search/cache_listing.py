"""What `automm cache` shows and empties. Light: neither Keras nor TensorFlow is loaded."""

from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from automm.data.picture_file import count_of
from automm.search.store import Cleared, FeatureStore


@dataclass(frozen=True)
class Listing:
    """A cache folder.

    Attributes:
        features: the entries of the feature store, latest use first: those of `FeatureStore.entries`, with `last_used`
            in ISO 8601, UTC.
        limit: of the features, in bytes.
        pictures: decoded pictures: key, rows, bytes. They have no limit, and nobody knows who uses them.
    """

    folder: Path
    features: list[dict[str, Any]]
    limit: int
    pictures: list[dict[str, Any]]

    def to_dict(self) -> dict[str, Any]:
        return {
            "folder": str(self.folder),
            "bytes": _bytes(self.features),
            "limit": self.limit,
            "features": self.features,
            "decoded_pictures": self.pictures,
        }

    @property
    def bytes(self) -> int:
        return _bytes(self.features)

    @property
    def picture_bytes(self) -> int:
        return _bytes(self.pictures)


def listing(cache: Path, limit: int) -> Listing:
    """What the cache folder holds beside weights. An absent folder holds nothing."""
    features = [
        {**entry, "last_used": datetime.fromtimestamp(entry["last_used"], UTC).isoformat(timespec="seconds")}
        for entry in FeatureStore(cache / "features", limit).entries()
    ]
    return Listing(cache, features, limit, _pictures(cache / "pictures"))


def clear(cache: Path, limit: int) -> Cleared:
    """Empty the feature store of what no living process uses. Decoded pictures and weights stay."""
    return FeatureStore(cache / "features", limit).clear()


def _pictures(folder: Path) -> list[dict[str, Any]]:
    found = []
    for path in sorted(folder.glob("*.u8")):
        with suppress(FileNotFoundError):  # written anew as we look
            found.append({"key": path.stem, "rows": count_of(path), "bytes": path.stat().st_size})
    return found


def _bytes(entries: list[dict[str, Any]]) -> int:
    return sum(entry["bytes"] for entry in entries)
