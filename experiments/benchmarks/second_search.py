"""Question: how long does a second search on the same data take to its first trial?

Command:  python experiments/benchmarks/second_search.py                  2,000 reviews, a 224-pixel picture each
          python experiments/benchmarks/second_search.py --reviews 10000
Cost:     the first search encodes everything: a minute or two on two cores for 2,000 reviews.
Prints:   for the first search and two more, each in its own process: seconds from the end of imports to the start of
          the first trial, and the time of each part; then second over first.

The searches have no baselines, which would run before the first trial. Imports are those of tensorflow, autokeras,
mlflow and automm's own modules. The later searches find pictures, texts and features in the stores that the first has
filled.
"""

import argparse
import contextlib
import json
import multiprocessing
import tempfile
import time
from pathlib import Path
from typing import Any

from synthetic import link_weights, write_reviews

REPEATS = 2


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--reviews", type=int, default=2000)
    arguments = parser.parse_args()
    context = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        manifest = write_reviews(folder, arguments.reviews)
        seconds = []
        for turn in range(1 + REPEATS):
            with context.Pool(1) as pool:
                found = pool.apply(first_trial, (folder, manifest))
            seconds.append(found["first trial"])
            print(json.dumps({"search": turn + 1, "seconds from the end of imports": found}), flush=True)
    print(json.dumps({"later_over_first": round(max(seconds[1:]) / seconds[0], 3), "slowest_later": max(seconds[1:])}))


class Begun(BaseException):  # KerasTuner continues after an Exception
    """Raised when the first trial begins, to end the search."""


class Stopwatch:
    """A `Reporter` that records when each part began, and ends the search when the first trial begins."""

    def __init__(self) -> None:
        self.begun = time.monotonic()
        self.parts: dict[str, float] = {}

    def stage(self, text: str) -> None:
        self.parts[text] = round(time.monotonic() - self.begun, 2)

    def started(self, name: str) -> None:
        self.parts["first trial"] = round(time.monotonic() - self.begun, 2)
        raise Begun

    def __getattr__(self, name: str) -> Any:
        return lambda *anything, **more: None


def first_trial(folder: Path, manifest: Path) -> dict[str, float]:
    """Return when each part of a search began, in seconds after the imports; all searches share a cache."""
    import os

    os.environ["AUTOMM_CACHE_DIR"] = str(folder / "cache")
    link_weights(folder / "cache")
    import autokeras  # noqa: F401
    import mlflow  # noqa: F401

    from automm.config.experiment import resolve
    from automm.search.run import run_search
    from automm.tracking.mlflow_server import tracking_uri
    from automm.tracking.mlflow_tracker import MlflowTracker

    experiment = resolve(
        {
            "manifest": str(manifest),
            "name": "second",
            "baselines": "none",
            "budget": {"trials": 1},
            "inputs": {"max_images": 1},
            "tier2": {"finalists": 0},
        },
        folder,
        name="benchmark",
    )
    watch = Stopwatch()
    with contextlib.suppress(Begun):
        run_search(experiment, folder, MlflowTracker(tracking_uri(folder, None), folder / "mlartifacts"), watch)
    return watch.parts


if __name__ == "__main__":
    main()
