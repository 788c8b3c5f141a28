"""Question: how long does `automm check` take, compared with decoding the pictures once with plain Pillow?

Command:  python experiments/benchmarks/check_speed.py --reviews 5000
          python experiments/benchmarks/check_speed.py --reviews 5000 --small         smooth squares of 224
          python experiments/benchmarks/check_speed.py --manifest FILE                your own reviews
Cost:     about five minutes on two cores, most of it writing the pictures; one minute with --small.
Prints:   processor seconds (user and system, with child processes) and their ratio for each round, in turns, and
          medians; also wall time, which other work on the machine increases. `check` is the library function: it reads
          the records, hashes and inspects every picture, splits, and runs every check. `command` is `automm check` from
          start to end. Pillow opens the same files, decodes them to RGB (in JPEG's draft mode if a search would) and
          squashes them to 224 pixels, in as many running processes as there are cores. The limit: check over pillow,
          1.5.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from pictures import AT_ONCE, bare, photos
from synthetic import write_reviews

from automm.data.manifest import load_manifest
from automm.data.quality.run import check
from automm.data.records.reviews import load_dataset


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--reviews", type=int, default=5000)
    parser.add_argument("--small", action="store_true", help="smooth squares of 224 in place of photos of 640 x 480")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--manifest", type=Path)
    arguments = parser.parse_args()
    if arguments.manifest:
        measure(arguments.manifest, arguments.rounds)
        return
    with tempfile.TemporaryDirectory() as folder:
        manifest = write_reviews(Path(folder), arguments.reviews)
        if not arguments.small:
            photos(Path(folder) / "images", arguments.reviews, 640, 480)
        measure(manifest, arguments.rounds)


def measure(manifest: Path, rounds: int) -> None:
    paths = sorted({path for review in load_dataset(load_manifest(manifest)).reviews for path in review.images})
    portions = [paths[begin : begin + AT_ONCE] for begin in range(0, len(paths), AT_ONCE)]
    command = [sys.executable, "-m", "automm", "check", str(manifest), "--format", "json"]
    found: dict[str, list[tuple[float, float]]] = {"pillow": [], "check": [], "command": []}
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(bare, portions))  # start the processes and warm up the disk cache
        for _ in range(rounds):
            found["pillow"].append(spent(lambda: sum(seconds for seconds, _ in pool.map(bare, portions))))
            found["check"].append(spent(lambda: check(manifest)))
            found["command"].append(spent(lambda: subprocess.run(command, check=True, capture_output=True)))
            print(
                json.dumps({name: [round(one, 2) for one in values[-1]] for name, values in found.items()}), flush=True
            )
    for place, what in enumerate(("processor", "clock")):
        medians = {name: round(statistics.median(one[place] for one in values), 2) for name, values in found.items()}
        ratios = {f"{name}_over_pillow": round(medians[name] / medians["pillow"], 2) for name in ("check", "command")}
        print(json.dumps({"reviews": len(paths), "cores": os.cpu_count(), what: medians, **ratios}))


def spent(work: Callable[[], object]) -> tuple[float, float]:
    """Return processor and wall seconds; the processes of a running pool report theirs as the result of `work`."""
    began, before = time.monotonic(), own_and_ended()
    elsewhere = work()
    processor = own_and_ended() - before + (elsewhere if isinstance(elsewhere, float) else 0.0)
    return processor, time.monotonic() - began


def own_and_ended() -> float:
    used = [resource.getrusage(whose) for whose in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


if __name__ == "__main__":
    main()
