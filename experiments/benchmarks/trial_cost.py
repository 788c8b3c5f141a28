"""Question: what does a trial cost in addition to its own training, and how much of that is logging?

Command:  python experiments/benchmarks/trial_cost.py
Cost:     about three minutes on two cores after the weights are installed.
Prints:   the wall time of the trials over the time of their training loops, which includes tracing and validation (the
          rest is building, cutting, saving, logging and bookkeeping), and the share of MLflow in it. Both are ratios
          within one run: 20 epochs per trial, no early stopping, on the demo data and the default encoders.
"""

import argparse
import json
import tempfile
import time
from pathlib import Path

from rich.console import Console


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--trials", type=int, default=10)
    parser.add_argument("--reviews", type=int, default=600)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps(measure(Path(folder), arguments.trials, arguments.reviews), indent=2))


def measure(folder: Path, trials: int, reviews: int) -> dict:
    """Run a search and time the training loop and MLflow."""
    from automm.cli.progress import ConsoleReporter
    from automm.config.experiment import resolve
    from automm.data.demo.generate import write_demo
    from automm.search.candidates import head
    from automm.search.run import run_search
    from automm.tracking.mlflow_server import tracking_uri
    from automm.tracking.mlflow_tracker import MlflowTracker

    manifest = write_demo(folder / "demo", reviews=reviews)
    fitted, logged, whole = [], [], []
    train = head.train

    def timed_train(*args: object, **kwargs: object) -> object:
        began = time.perf_counter()
        try:
            return train(*args, **kwargs)
        finally:
            fitted.append(time.perf_counter() - began)

    class TimedTracker(MlflowTracker):
        def candidate(self, candidate) -> None:
            began = time.perf_counter()
            super().candidate(candidate)
            logged.append(time.perf_counter() - began)

    class TimedReporter(ConsoleReporter):
        # From the end of one trial to the end of the next: proposing, building, training, saving, logging.
        def finished(self, candidate, best, seconds_left) -> None:
            whole.append(time.perf_counter())
            super().finished(candidate, best, seconds_left)

    head.train = timed_train
    try:
        experiment = resolve(
            {
                "manifest": str(manifest),
                "name": "trial-cost",
                "budget": {"trials": trials + 1},
                "training": {"epochs": 20, "patience": 20},
                "baselines": ["majority"],
                "ensemble": False,
                "tier2": {"finalists": 0},
            },
            folder,
            name="benchmark",
        )
        tracker = TimedTracker(tracking_uri(folder, None), folder / "mlartifacts")
        run_search(experiment, folder, tracker, TimedReporter(Console(stderr=True), trials, "macro_f1"))
    finally:
        head.train = train
    # The first trial traces and imports for all; it is not counted on either side.
    total = whole[-1] - whole[1]
    fit, log = sum(fitted[1:]), sum(logged[2:])
    return {
        "trials": trials,
        "seconds_per_trial": round(total / trials, 2),
        "wall_over_fit": round(total / fit, 3),
        "logging_share": round(log / total, 4),
    }


if __name__ == "__main__":
    main()
