"""Reviews for tests that need a whole search: few, small, and learnable."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from PIL import Image

WORDS = {"bad": ("awful", "broken"), "fair": ("plain", "usual"), "good": ("lovely", "perfect")}
COLOURS = {"bad": (200, 40, 40), "fair": (120, 120, 120), "good": (40, 200, 40)}

# Of an experiment file: everything small, but the same way as with real encoders.
SMALL: dict[str, Any] = {
    "ensemble": False,
    "evidence": 0,
    "tier2": {"finalists": 0},
    "evaluation": "holdout",  # a model a candidate, not five
    "budget": {"trials": 3, "time": "10m"},
    "inputs": {"image_size": 16, "max_images": 2, "sequence_length": 16},
    "encoders": {"text": "tiny-bert", "image": "tiny-cnn"},
    "training": {"epochs": 2, "patience": 2, "batch_size": 16, "seeds": 1},
}


def write_reviews(folder: Path, count: int = 60) -> Path:
    """A manifest, `count` reviews of three classes with 0 to 2 pictures each, and the pictures; the manifest's path."""
    rng = np.random.default_rng(7)
    (folder / "images").mkdir(parents=True)
    lines = []
    for number in range(count):
        label = list(WORDS)[number % 3]
        words = [WORDS[label][number % 2], "thing", f"number{number}", "from", "the", "shop"]
        pictures = []
        for place in range(number // 3 % 3):
            pixels = rng.normal(COLOURS[label], 20, (16, 16, 3)).clip(0, 255).astype(np.uint8)
            pictures.append(f"{number:03d}-{place}.png")
            Image.fromarray(pixels).save(folder / "images" / pictures[-1])
        lines.append({"id": f"r{number:03d}", "text": " ".join(words), "photos": pictures, "label": label})
    (folder / "reviews.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    manifest = {
        "name": "tiny",
        "records": "reviews.jsonl",
        "image_root": "images",
        "task": "classification",
        "fields": {"id": "id", "text": "text", "images": "photos", "label": "label"},
        "splits": {"fractions": {"train": 0.6, "validation": 0.2, "test": 0.2}, "seed": 1},
    }
    (folder / "manifest.yaml").write_text(yaml.safe_dump(manifest))
    return folder / "manifest.yaml"


def write_column_reviews(folder: Path, task: str = "classification") -> Path:
    """The same reviews with a price, a brand and past ratings, of which some are missing; the manifest's path.

    Of a regression, the label is the price times the mean of the past ratings, in thousands.
    """
    path = write_reviews(folder)
    rng = np.random.default_rng(11)
    manifest = yaml.safe_load(path.read_text())
    records = [json.loads(line) for line in (folder / "reviews.jsonl").read_text().splitlines()]
    for number, record in enumerate(records):
        price, past = round(rng.uniform(10, 90), 2), [int(step) for step in rng.integers(1, 6, number % 6)]
        record |= {"price": price if number % 7 else None, "brand": ["acme", "zenith", ""][number % 3], "past": past}
        if task == "regression":
            record["label"] = round(price * float(np.mean([*past, 3])) * 1000, 2)
    (folder / "reviews.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    manifest["task"] = task
    manifest["fields"] |= {"metadata": {"numeric": ["price"], "categorical": ["brand"]}, "history": "past"}
    path.write_text(yaml.safe_dump(manifest))
    return path


def always_win(patch: Any, *, won: bool = True) -> None:
    """Let every pilot win, or lose, whatever its score is."""
    patch.setattr("automm.search.finalists.pilots._error", lambda *anything: 1.0)
    patch.setattr("automm.search.finalists.pilots.CLEAR", -2.0 if won else 2.0)  # scores are between 0 and 1
