"""The table of `automm encoders`: the packaged encoders, and the families that KerasHub's presets belong to."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from automm.models.encoders.hub.families import FAMILIES
from automm.models.weights.fetch import weights_folder
from automm.models.weights.packages import PACKAGES
from automm.paths import cache_dir

MEASURED = "encoders.json"  # in the cache: milliseconds by encoder, on this machine


@dataclass(frozen=True)
class Row:
    """An encoder or a family.

    Attributes:
        name: as an experiment file has it; of a family, as people write it.
        reads: 'text', 'image', or both.
        languages: that it was trained on; '' for pictures, and where they depend on the preset.
        width: of its vector; None where it depends on the preset.
        megabytes: to download; None as for `width`.
        milliseconds: of processor time for an item, measured here by `automm encoders --measure`; None if not measured.
        licence: of the weights; '' where it depends on the preset.
        present: whether its weights are installed.
        get: what to write or run to use it.
    """

    name: str
    reads: str
    languages: str
    width: int | None
    megabytes: float | None
    milliseconds: float | None
    licence: str
    present: bool
    get: str

    def to_dict(self) -> dict[str, object]:
        return asdict(self)


def catalogue() -> list[Row]:
    """Return all rows; nothing is downloaded, and no weights are read."""
    measured = measurements()
    rows = []
    for name, package in PACKAGES.items():
        present = weights_folder(name) is not None
        get = f"encoders.{package.kind}: {name}" if present else f"automm weights {name}"
        rows.append(
            Row(
                name,
                package.kind,
                package.languages,
                package.features,
                round(package.download_bytes / 1e6, 1),
                measured.get(name),
                package.licence,
                present,
                get if present or not package.hub else f"{get}, or {package.hub}",
            )
        )
    for family in FAMILIES.values():
        handle = " or hf://..." if family.converted else ""
        get = f"{family.example}, a folder{handle}"
        rows.append(Row(family.name, " and ".join(family.reads), "", None, None, None, "", False, get))
    return rows


def measurements() -> dict[str, float]:
    """Return milliseconds by encoder that were measured on this machine."""
    try:
        found = json.loads(_file().read_text("utf-8"))
    except (OSError, ValueError):  # not measured yet, or by another version
        return {}
    return {str(name): float(value) for name, value in found.items()} if isinstance(found, dict) else {}


def keep_measurements(milliseconds: dict[str, float]) -> None:
    """Write what was measured, for the next table."""
    _file().parent.mkdir(parents=True, exist_ok=True)
    _file().write_text(json.dumps(measurements() | milliseconds, indent=1), "utf-8")


def _file() -> Path:
    return cache_dir() / MEASURED
