"""The data sets of `encoders.py`: each is written as a manifest, from the files as they were downloaded."""

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parent.parent
# Candidates are judged on the folds of train and validation; the test split is never read.
SPLITS = {"fractions": {"train": 0.8, "validation": 0.15, "test": 0.05}, "seed": 1}
FEWEST = 30  # devices of a category


def write_manifest(name: str, data: Path, work: Path) -> Path:
    """Write the manifest of a data set, and records where its own files are not records; return its path.

    Args:
        name: one of SETS.
        data: the folder with the folders of FOLDERS.
        work: the folder to write to.
    """
    folder = (data / FOLDERS[name]).resolve()
    if not folder.is_dir():
        raise SystemExit(f"skipped: {folder} is not there; {__file__} says what it has to contain")
    work.mkdir(parents=True, exist_ok=True)
    manifest = {"name": name, **SETS[name](folder, work)}
    manifest["splits"] = SPLITS | manifest.get("splits", {})
    path = work / f"{name}.yaml"
    path.write_text(yaml.safe_dump(manifest, allow_unicode=True, sort_keys=False), encoding="utf-8")
    return path


def published(name: str, **changes: Any) -> dict[str, Any]:
    """Return a manifest of data_manifests with some keys changed."""
    manifest = yaml.safe_load((ROOT / "data_manifests" / f"{name}.yaml").read_text(encoding="utf-8"))
    own = {key: value for key, value in manifest.get("splits", {}).items() if key == "keep_together"}
    return {**manifest, "splits": own, **changes}


def mvsa_single(folder: Path, work: Path) -> dict[str, Any]:
    return published("mvsa_single", path=str(folder))


def ikea_interior(folder: Path, work: Path) -> dict[str, Any]:
    script = Path(__file__).with_name("ikea_records.py")
    subprocess.run([sys.executable, script, "--data", folder, "--to", work / "ikea"], check=True)
    return published("ikea_interior", records="ikea/reviews.jsonl", image_root=str(folder))


def emoji(folder: Path, work: Path) -> dict[str, Any]:
    manifest = published("emoji")
    fields = {**manifest["fields"], "images": list(manifest["fields"]["images"])}
    return {**manifest, "records": str(folder / "emoji-datasource-google/emoji.json"), "image_root": str(folder)} | {
        "fields": fields
    }


def zigbee(folder: Path, work: Path) -> dict[str, Any]:
    """Predict the category of a device from its title and picture; the devices of a vendor are in one split."""
    pictures = {path.stem: path.name for path in sorted((folder / "images").iterdir())}
    devices = []
    for path in sorted((folder / "_zigbee").glob("*.md")):
        about = front_matter(path)
        label = str(about.get("category") or "").strip().lower()
        image = [pictures[path.stem]] if path.stem in pictures else []
        devices.append(
            {"id": path.stem, "text": str(about.get("title")), "images": image, "label": label}
            | {"vendor": str(about.get("vendor")).strip()}
        )
    common = {label for label, count in Counter(device["label"] for device in devices).items() if count >= FEWEST}
    write_records(work / "zigbee.jsonl", (device for device in devices if device["label"] in common))
    fields = {"id": "id", "text": "text", "images": "images", "label": "label", "group": "vendor"}
    return {
        "records": "zigbee.jsonl",
        "image_root": str(folder / "images"),
        "fields": fields,
        "images": {"on_bad": "drop-image"},
    }


def front_matter(path: Path) -> dict[str, Any]:
    """Return the keys of a document's front matter; lines that are no YAML are read as KEY: VALUE."""
    head = path.read_text(encoding="utf-8").split("---")[1]
    pairs = (line.split(":", 1) for line in head.splitlines() if ":" in line)
    return {key.strip(): value.strip().strip("\"'") for key, value in pairs}


def howtocook(folder: Path, work: Path) -> dict[str, Any]:
    """Predict the category of Chinese recipes from their texts alone."""
    from automm.data.manifest import load_manifest
    from automm.data.records.reviews import load_dataset

    source = work / "howtocook-source.yaml"
    source.write_text(yaml.safe_dump(published("howtocook", path=str(folder / "dishes"))), encoding="utf-8")
    dataset = load_dataset(load_manifest(source))
    recipes = ({"id": r.id, "text": r.text, "label": r.label} for r in dataset.reviews)
    write_records(work / "howtocook.jsonl", recipes)
    return {"records": "howtocook.jsonl", "fields": {"id": "id", "text": "text", "label": "label"}}


def tokopedia(folder: Path, work: Path) -> dict[str, Any]:
    """Predict the sentiment of Indonesian reviews from their texts alone."""
    return {
        "records": str(folder / "clean_*_data.csv"),
        "fields": {"text": "review", "label": "sentiment"},
        "drop_duplicates": True,
    }


def write_records(path: Path, records: Iterable[Mapping[str, Any]]) -> None:
    path.write_text("".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records), encoding="utf-8")


# Each returns the manifest of the folder; those of TEXTS have no pictures.
SETS: dict[str, Callable[[Path, Path], dict[str, Any]]] = {
    "mvsa_single": mvsa_single,
    "ikea_interior": ikea_interior,
    "emoji": emoji,
    "zigbee": zigbee,
    "tokopedia": tokopedia,
    "howtocook": howtocook,
}
TEXTS = ("tokopedia", "howtocook")
FOLDERS = {
    **{name: name for name in SETS},
    "emoji": "emoji_two_vendor",  # both npm packages, unpacked
    "tokopedia": "tokopedia_urls_only",  # clean_train_data.csv and clean_test_data.csv
}
