"""Question: does a change of the code cost processor time? Two checkouts, in turns, on the same data.

Command:  git worktree add ../before COMMIT
          python experiments/benchmarks/before_after.py ../before                           all workloads
          python experiments/benchmarks/before_after.py ../before --only help records       some of them
          python experiments/benchmarks/before_after.py ../before --manifest FILE           automm check of FILE alone
Cost:     about 25 minutes on two cores for all workloads and nine rounds.
Prints:   for each workload the processor seconds (user and system, with child processes) of both checkouts in each
          round, the median of their ratios (after over before), and an exact 95 % confidence interval of the median
          (order statistics: for nine rounds the second smallest and the second largest ratio). The checkouts take turns
          in going first. `records` loads and splits 100,000 lines; `check` and `check-small` are `automm check` on
          1,000 photos of 640 x 480 and 2,000 smooth squares of 224; `pictures` decodes 800 photos into an empty cache;
          `help` is `automm --help`, ten times. The limit for a change that should cost nothing is 1.05.
"""

import argparse
import json
import math
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from pictures import photos
from records import write_records
from synthetic import write_reviews

# Functions may have moved between two checkouts: use the first name that exists.
FOUND = """
import sys
from importlib import import_module
from pathlib import Path
def found(function, *modules):
    for module in modules:
        try:
            return getattr(import_module(f"automm.data.{module}"), function)
        except (ImportError, AttributeError):
            pass
"""
LOAD = (
    FOUND
    + """
load_dataset = found("load_dataset", "records.reviews", "reviews")
split_dataset = found("split_dataset", "splitting.split", "splitting.stratified", "splits")
links_of = found("links_of", "splitting.links", "links")
dataset = load_dataset(found("load_manifest", "manifest")(Path(sys.argv[1])))
split_dataset(dataset, {} if links_of is None else links_of(dataset, {}))  # before, digests of pictures
"""
)
DECODE = (
    FOUND
    + """
prepare_pictures = found("prepare_pictures", "images.pixels.pixel_store", "images.pixel_store", "pictures")
form = found("PictureForm", "images.resampling")
prepare_pictures(sorted(Path(sys.argv[1]).glob("*.jpg")), [form(224)] if form else 224, Path(sys.argv[2]))
"""
)
HELP = """
import subprocess, sys
for _ in range(10):
    subprocess.run([sys.executable, "-m", "automm", "--help"], check=True, stdout=subprocess.DEVNULL)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("before", type=Path)
    parser.add_argument("--after", type=Path, default=Path(__file__).parents[2])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--only", nargs="+", choices=list(WORKLOADS), default=list(WORKLOADS))
    parser.add_argument("--manifest", type=Path)
    arguments = parser.parse_args()
    trees = {"before": arguments.before.resolve(), "after": arguments.after.resolve()}
    if arguments.manifest:
        compare("manifest", lambda: checking(arguments.manifest.resolve()), trees, arguments.rounds)
        return
    with tempfile.TemporaryDirectory() as folder:
        for name in arguments.only:
            with WORKLOADS[name](Path(folder)) as command:
                compare(name, command, trees, arguments.rounds)


def compare(name: str, command: Callable[[], list[str]], trees: Mapping[str, Path], rounds: int) -> None:
    for tree in trees.values():  # compile modules and warm up the disk cache
        seconds(command(), tree)
    ratios = []
    for number in range(rounds):
        order = list(trees) if number % 2 else list(reversed(trees))
        spent = {which: seconds(command(), trees[which]) for which in order}
        ratios.append(spent["after"] / spent["before"])
        print(json.dumps({"workload": name, **{which: round(spent[which], 2) for which in trees}}), flush=True)
    low, high = interval(ratios)
    found = {"median": statistics.median(ratios), "low": low, "high": high}
    print(json.dumps({"workload": name, **{key: round(value, 3) for key, value in found.items()}}), flush=True)


def seconds(command: list[str], tree: Path) -> float:
    """Return the processor seconds of a command with the package of a checkout."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    environment = os.environ | {"PYTHONPATH": str(tree), "PYTHONDONTWRITEBYTECODE": ""}
    done = subprocess.run([sys.executable, *command], env=environment, cwd=tree, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(done.stderr)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def interval(values: list[float], level: float = 0.95) -> tuple[float, float]:
    """Return the order statistics that contain the median with at least this probability, or the extremes."""
    ordered, count = sorted(values), len(values)
    outside, place = 2 / 2**count, 0
    while place + 1 < count / 2 and outside + 2 * math.comb(count, place + 1) / 2**count <= 1 - level:
        place += 1
        outside += 2 * math.comb(count, place) / 2**count
    return ordered[place], ordered[-1 - place]


@contextmanager
def of_help(folder: Path) -> Iterator[Callable[[], list[str]]]:
    yield lambda: ["-c", HELP]


@contextmanager
def of_records(folder: Path) -> Iterator[Callable[[], list[str]]]:
    (folder / "records").mkdir()
    write_records(folder / "records", 100_000)
    yield lambda: ["-c", LOAD, str(folder / "records" / "manifest.yaml")]


@contextmanager
def of_pictures(folder: Path) -> Iterator[Callable[[], list[str]]]:
    def command() -> list[str]:
        shutil.rmtree(folder / "cache", ignore_errors=True)
        return ["-c", DECODE, str(folder / "photos"), str(folder / "cache")]

    (folder / "photos").mkdir()
    photos(folder / "photos", 800)
    yield command


def of_check(reviews: int, *, large: bool) -> Callable[[Path], object]:
    @contextmanager
    def prepare(folder: Path) -> Iterator[Callable[[], list[str]]]:
        place = folder / f"check-{reviews}"
        place.mkdir()
        manifest = write_reviews(place, reviews)
        if large:
            photos(place / "images", reviews, 640, 480)
        yield lambda: checking(manifest)

    return prepare


def checking(manifest: Path) -> list[str]:
    return ["-m", "automm", "check", str(manifest), "--format", "json"]


WORKLOADS = {
    "help": of_help,
    "records": of_records,
    "pictures": of_pictures,
    "check": of_check(1000, large=True),
    "check-small": of_check(2000, large=False),
}

if __name__ == "__main__":
    main()
