"""Reviews for benchmarks: any number, with one picture each; the first word gives the label."""

import json
from pathlib import Path

import numpy as np
from PIL import Image

WORDS = ["good", "bad", "fine", "poor", "great", "broken", "lovely", "cheap", "solid", "late", "fast", "soft", "loud"]


def write_reviews(folder: Path, reviews: int, *, size: int = 224, words: int = 20) -> Path:
    """Write reviews of random words and smooth random pictures; the first word gives the label."""
    rng = np.random.default_rng(0)
    (folder / "images").mkdir()
    lines = []
    for number in range(reviews):
        label = number % 2
        coarse = rng.integers(0, 256, (7, 7, 3), dtype=np.uint8)
        Image.fromarray(coarse).resize((size, size), Image.Resampling.BICUBIC).save(folder / f"images/{number}.jpg")
        text = " ".join([WORDS[label], *rng.choice(WORDS, words), str(number)])
        lines.append(json.dumps({"id": str(number), "text": text, "image": [f"{number}.jpg"], "label": label}))
    (folder / "reviews.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    manifest = folder / "manifest.yaml"
    manifest.write_text(
        "name: memory\nrecords: reviews.jsonl\nimage_root: images\n"
        "fields: {id: id, text: text, images: image, label: label}\n"
        "splits: {fractions: {train: 0.7, validation: 0.15, test: 0.15}}\n",
        encoding="utf-8",
    )
    return manifest


def link_weights(cache: Path) -> None:
    """Link the installed weights, whose download is not measured."""
    from platformdirs import user_cache_dir

    cache.mkdir(exist_ok=True)
    if not (cache / "weights").exists():
        (cache / "weights").symlink_to(Path(user_cache_dir("automm")) / "weights")
