"""Question: which changed copies of a picture are found as near duplicates, and how many different pictures are?

Command:  python experiments/near_duplicates.py --data FOLDER
Cost:     half a minute on two cores for 500 pictures.
Finding:  of 400 pictures of IKEA and of tweets 0.985 to 1.000 of the copies in another size, quality or format are
          found, cropped and brightened copies mostly not. Different things on white are told apart by comparing
          thumbnails relative to their contrast. Tables in experiments/README.md.

Each change below makes a copy of each picture. The copy is searched for among all pictures and all such copies. Prints
the share of copies that are found with their original, also with the copies of all harmless changes present at once,
and how many originals are near duplicates of each other.
"""

import argparse
import json
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image, ImageEnhance

from automm.data.images.decode import FORMATS, decode_picture
from automm.data.images.inspect import Inspection, inspect_images
from automm.data.images.near_duplicates import near_duplicates

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")
SIDE = 224

CHANGES: dict[str, tuple[str, dict, Callable[[Image.Image], Image.Image]]] = {
    "JPEG, quality 50": ("JPEG", {"quality": 50}, lambda image: image),
    "WebP, quality 60": ("WEBP", {"quality": 60}, lambda image: image),
    "half the size": ("PNG", {}, lambda image: image.resize((SIDE // 2, SIDE // 2))),
    "half the size, JPEG, quality 60": ("JPEG", {"quality": 60}, lambda image: image.resize((SIDE // 2, SIDE // 2))),
    "a tenth brighter": ("PNG", {}, lambda image: ImageEnhance.Brightness(image).enhance(1.1)),
    "3 % cropped from each side": ("PNG", {}, lambda image: image.crop((7, 7, SIDE - 7, SIDE - 7))),
}

SAME_LOOK = list(CHANGES)[:4]  # size, quality, format


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="a folder of pictures, searched to its bottom")
    parser.add_argument("--pictures", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    files = sorted(path for path in arguments.data.rglob("*") if path.suffix.lower() in SUFFIXES)
    if not files:
        raise SystemExit(f"{arguments.data}: no pictures ({', '.join(FORMATS)})")
    chosen = np.random.default_rng(arguments.seed).permutation(len(files))[: arguments.pictures]
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps(measure([files[place] for place in chosen], Path(folder)), indent=2))


def measure(files: list[Path], folder: Path) -> dict:
    images = [Image.fromarray(decode_picture(file, SIDE)) for file in files]
    seen = inspected(images, folder, "original", "PNG", {})
    found, at_once = {}, dict(seen)
    for number, (name, (form, options, change)) in enumerate(CHANGES.items()):
        copies = inspected([change(image) for image in images], folder, f"copy{number}", form, options)
        found[name] = round(share_found(near_duplicates(seen | copies), len(files)), 3)
        at_once |= copies if name in SAME_LOOK else {}
    together = near_duplicates(at_once)
    originals = near_duplicates(seen)
    return {
        "pictures": len(files),
        "copies_found": found,
        "copies_found_among_all_of_the_same_look": round(share_found(together, len(files) * len(SAME_LOOK)), 3),
        "originals_among_each_other": sum(map(len, originals)),
        "largest_set_of_originals": max(map(len, originals), default=0),
    }


def share_found(together: list[list[str]], copies: int) -> float:
    """Return the share of copies that are in one set with their original."""
    found = 0
    for near in together:
        originals = {name.split()[1] for name in near if name.startswith("original")}
        found += sum(name.split()[1] in originals for name in near if not name.startswith("original"))
    return found / copies


def inspected(images: list[Image.Image], folder: Path, name: str, form: str, options: dict) -> dict[str, Inspection]:
    paths = []
    for place, image in enumerate(images):
        paths.append(folder / f"{name} {place}")
        image.save(paths[-1], form, **options)
    outcomes = inspect_images((path, None) for path in paths)
    return {
        path.name: outcome for path, outcome in zip(paths, outcomes, strict=True) if isinstance(outcome, Inspection)
    }


if __name__ == "__main__":
    main()
