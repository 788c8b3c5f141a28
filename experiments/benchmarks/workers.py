"""Question: do two workers train trials faster than one on the same cores?

Command:  python experiments/benchmarks/workers.py
Cost:     about four minutes on two cores after the weights are installed.
Prints:   trials per second of one worker and of two, and their ratio. Rounds with one and with two take turns, because
          other work on the machine then affects both equally; both train the same points of the space. Imports and the
          first trial of each worker, which traces and loads for all, are not counted.
"""

import argparse
import json
import tempfile
from datetime import datetime
from pathlib import Path

from rich.console import Console


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--trials", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--reviews", type=int, default=600)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps(measure(Path(folder), arguments.trials, arguments.rounds, arguments.reviews), indent=2))


def measure(folder: Path, trials: int, rounds: int, reviews: int) -> dict:
    """Run rounds of searches with one worker and with two."""
    from automm.cli.progress import ConsoleReporter
    from automm.config.experiment import resolve
    from automm.data.demo.generate import write_demo
    from automm.search.parallel.worker_options import WorkerOptions
    from automm.search.run import run_search
    from automm.tracking.protocol import NoTracker

    content = {
        "manifest": str(write_demo(folder / "demo", reviews=reviews)),
        "name": "workers",
        "tuner": "random",  # its proposals depend only on the trial's number
        "budget": {"trials": trials},
        "training": {"epochs": 20, "patience": 20},
        "baselines": ["majority"],
        "ensemble": False,
        "tier2": {"finalists": 0},
    }
    experiment = resolve(content, folder, name="benchmark")
    rates: dict[int, list[float]] = {1: [], 2: []}
    for _ in range(rounds):
        for count, measured in rates.items():
            reporter = ConsoleReporter(Console(stderr=True), trials, "macro_f1")
            run = run_search(experiment, folder, NoTracker(), reporter, worker_options=WorkerOptions(count))
            measured.append(rate([c for c in run.candidates() if c.kind == "trial"], count))
    one, two = (sum(measured) / rounds for measured in rates.values())
    return {
        "trials": trials,
        "rounds": rounds,
        "one_worker_per_second": [round(value, 3) for value in rates[1]],
        "two_workers_per_second": [round(value, 3) for value in rates[2]],
        "ratio": round(two / one, 3),
    }


def rate(trials: list, workers: int) -> float:
    """Return trials per second after every worker has finished its first trial."""
    begun = [datetime.fromisoformat(trial.started).timestamp() for trial in trials]
    ended = sorted(start + trial.seconds for start, trial in zip(begun, trials, strict=True))
    return (len(trials) - workers) / (ended[-1] - ended[workers - 1])


if __name__ == "__main__":
    main()
