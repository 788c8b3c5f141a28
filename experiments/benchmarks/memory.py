"""Question: how much anonymous memory does a search take, and how much of it grows with the reviews?

Command:  python experiments/benchmarks/memory.py                                           4,000 reviews, 224 pixels
          python experiments/benchmarks/memory.py --reviews 5000 50000 --image-size 32 --words 4 --tier-1 --trials 1
Cost:     about six minutes on two cores for the first, most of it encoding; see experiments/README.md for the second.
Prints:   the peak of RssAnon (memory that is not backed by files) during each search and each of its parts, libraries
          included, each search in its own process; then the growth. Linux only.

The second command shows the growth. Its pictures and texts are small, because pixels are in a memory map whatever their
size, and all features have the same size. It omits fine-tuning, which would train for an hour.
"""

import argparse
import json
import multiprocessing
import os
import tempfile
import threading
import time
from pathlib import Path

from rich.console import Console
from synthetic import link_weights, write_reviews


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--reviews", type=int, nargs="+", default=[4000])
    parser.add_argument("--image-size", type=int, default=224)
    parser.add_argument("--words", type=int, default=20, help="of each text")
    parser.add_argument("--trials", type=int, default=3)
    parser.add_argument("--tier-1", action="store_true", help="without fine-tuning")
    arguments = parser.parse_args()
    context = multiprocessing.get_context("spawn")
    peaks = []
    for reviews in arguments.reviews:
        with context.Pool(1) as pool:
            by_part = pool.apply(measure, (reviews, arguments))
        peaks.append(max(by_part.values()))
        print(json.dumps({"reviews": reviews, "peak_anonymous_mib": peaks[-1], "by_part": by_part}), flush=True)
    if len(peaks) > 1:
        print(json.dumps({"growth_mib": peaks[-1] - peaks[0]}))


def measure(reviews: int, arguments: argparse.Namespace) -> dict[str, int]:
    """Return the peak of each part of one search in MiB."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ["AUTOMM_CACHE_DIR"] = f"{folder}/cache"  # an empty cache: every search encodes
        link_weights(Path(folder) / "cache")
        manifest = write_reviews(Path(folder), reviews, size=arguments.image_size, words=arguments.words)
        peak = Peak()
        search(Path(folder), manifest, arguments, peak)
        return peak.stop()


def search(folder: Path, manifest: Path, arguments: argparse.Namespace, peak: "Peak") -> None:
    """Run a search with MLflow, like the command."""
    from automm.cli.progress import ConsoleReporter
    from automm.config.experiment import resolve
    from automm.search.run import run_search
    from automm.tracking.mlflow_server import tracking_uri
    from automm.tracking.mlflow_tracker import MlflowTracker

    experiment = resolve(
        {
            "manifest": str(manifest),
            "name": "memory",
            "budget": {"trials": arguments.trials, "time": None},
            "inputs": {"max_images": 1, "image_size": arguments.image_size},
            "tier2": {"epochs": 1, "finalists": 0 if arguments.tier_1 else 1},
        },
        folder,
        name="benchmark",
    )

    class Parts(ConsoleReporter):
        """A reporter: the last reported stage is the part to which memory is assigned."""

        def stage(self, text: str) -> None:
            peak.part = text.split(" (")[0]
            super().stage(text)

        def step(self, what: str, done: int, total: int) -> None:
            peak.part = what
            super().step(what, done, total)

        def started(self, name: str) -> None:
            peak.part = name
            super().started(name)

    tracker = MlflowTracker(tracking_uri(folder, None), folder / "mlartifacts")
    run_search(experiment, folder, tracker, Parts(Console(stderr=True), arguments.trials, "macro_f1"))


class Peak:
    """Samples /proc/self/status ten times a second."""

    def __init__(self) -> None:
        self.part = "before"
        self._highest: dict[str, int] = {}
        self._running = True
        self._thread = threading.Thread(target=self._sample, daemon=True)
        self._thread.start()

    def stop(self) -> dict[str, int]:
        """Return the peaks so far in MiB."""
        self._running = False
        self._thread.join()
        return {part: highest // 1024 for part, highest in self._highest.items()}

    def _sample(self) -> None:
        while self._running:
            for line in Path("/proc/self/status").read_text().splitlines():
                if line.startswith("RssAnon"):
                    self._highest[self.part] = max(self._highest.get(self.part, 0), int(line.split()[1]))
            time.sleep(0.1)


if __name__ == "__main__":
    main()
