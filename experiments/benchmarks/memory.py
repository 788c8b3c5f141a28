"""Question: how much anonymous memory does a search take on 4,000 reviews with a picture of 224 pixels each?

Command:  python experiments/benchmarks/memory.py
Cost:     about six minutes on two cores after the weights are installed, most of it encoding.
Prints:   the peak of RssAnon (what cannot be given back to files) during the search, libraries included. Linux only.
"""

import argparse
import json
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
from PIL import Image
from rich.console import Console

WORDS = ["good", "bad", "fine", "poor", "great", "broken", "lovely", "cheap", "solid", "late", "fast", "soft", "loud"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--reviews", type=int, default=4000)
    parser.add_argument("--trials", type=int, default=3)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        manifest = write_reviews(Path(folder), arguments.reviews)
        peak = Peak()
        search(Path(folder), manifest, arguments.trials)
        print(json.dumps({"reviews": arguments.reviews, "peak_anonymous_mib": peak.stop()}))


def write_reviews(folder: Path, reviews: int) -> Path:
    """Random words and smooth random pictures; the label is in the first word."""
    rng = np.random.default_rng(0)
    (folder / "images").mkdir()
    lines = []
    for number in range(reviews):
        label = number % 2
        coarse = rng.integers(0, 256, (7, 7, 3), dtype=np.uint8)
        Image.fromarray(coarse).resize((224, 224), Image.Resampling.BICUBIC).save(folder / f"images/{number}.jpg")
        text = " ".join([WORDS[label], *rng.choice(WORDS, 20), str(number)])
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


def search(folder: Path, manifest: Path, trials: int) -> None:
    """A search with MLflow, as the command does it."""
    from automm.config import resolve
    from automm.progress import ConsoleReporter
    from automm.search.run import run_search
    from automm.tracking.mlflow_server import tracking_uri
    from automm.tracking.mlflow_store import MlflowTracker

    settings = {"manifest": str(manifest), "name": "memory", "budget": {"trials": trials}, "inputs": {"max_images": 1}}
    experiment = resolve(settings, folder, where="benchmark")
    tracker = MlflowTracker(tracking_uri(folder, None), folder / "mlartifacts")
    run_search(experiment, folder, tracker, ConsoleReporter(Console(stderr=True), trials, "macro_f1"))


class Peak:
    """Samples /proc/self/status ten times a second."""

    def __init__(self) -> None:
        self._highest = 0
        self._running = True
        self._thread = threading.Thread(target=self._sample, daemon=True)
        self._thread.start()

    def stop(self) -> int:
        """The peak so far in MiB."""
        self._running = False
        self._thread.join()
        return self._highest // 1024

    def _sample(self) -> None:
        while self._running:
            for line in Path("/proc/self/status").read_text().splitlines():
                if line.startswith("RssAnon"):
                    self._highest = max(self._highest, int(line.split()[1]))
            time.sleep(0.1)


if __name__ == "__main__":
    main()
