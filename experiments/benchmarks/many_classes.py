"""Question: what does a search cost outside of fitting and encoding when the classes are a thousand?

Command:  python experiments/benchmarks/many_classes.py
          python experiments/benchmarks/many_classes.py --reviews 4000 --classes 10 200      smaller
Cost:     about ten minutes on two cores with the defaults.
Prints:   per number of classes, in processor seconds of the main thread (other processes do not change them): the
          whole search, fitting, encoding and reading the test split, what is left, the largest steps of it, and the
          largest file of a candidate's answers. The last line is the growth of what is left: the limit is 1.2.
Finding:  5.5 s with 10 classes and 6.0 s with 1,000: growth 1.09. Comparing whole models counts for three models,
          whatever their number: with 1,000 classes two linear models of random encoders are refused by a difference of
          1.1e-5 (limit 1e-5), and two more are compared in their place.
"""

import argparse
import contextlib
import io
import json
import os
import pkgutil
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import numpy as np
from PIL import Image

PICTURES = 50
SETTINGS = (
    "encoders={text: tiny-bert, image: tiny-cnn}", "inputs={image_size: 16, max_images: 1, sequence_length: 8}",
    "training={epochs: 1, batch_size: 256}", "baselines=[majority, logistic_text, concatenation]", "budget.trials=2",
    "tier2.finalists=0", "space={fusion.operator: [concatenation]}",
)  # fmt: skip
FITTED = (
    "automm.search.candidates.head.Head.fit",
    "automm.search.candidates.linear.LinearModel.fit",
    "automm.search.candidates.ensemble.Ensemble.fit",
)
ENCODED = ("automm.search.setup.data.encode", "automm.search.finalists.test._read_test")
STEPS = {  # what is left, by its name in the table
    "read records": "automm.search.setup.data.load_dataset",
    "split": "automm.search.setup.data.split_dataset",
    "selection": "automm.search.finalists.test.selection_of",
    "result": "automm.search.finalists.test._result",
    "interval": "automm.search.finalists.test.difference",
    "verdict": "automm.search.finalists.test.verdict_of",
    "parity": "automm.search.finalists.test.checked_finalists",
    "test predictions": "numpy.savez_compressed",
    "figures": "automm.search.finalists.test.track",
    "ensemble": "automm.search.run.run_ensemble",
    "missing.png": "automm.search.finalists.test._draw_missing",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--reviews", type=int, default=20_000)
    parser.add_argument("--classes", type=int, nargs=2, default=[10, 1000])
    arguments = parser.parse_args()
    left = []
    with tempfile.TemporaryDirectory() as folder:
        measure(Path(folder), 600, 3)  # imports and first calls
    for classes in arguments.classes:
        with tempfile.TemporaryDirectory() as folder:
            measured = measure(Path(folder), arguments.reviews, classes)
        print(json.dumps(measured, indent=2), flush=True)
        left.append(measured["left"])
    print(json.dumps({"growth": round(left[1] / left[0], 2)}))


def measure(folder: Path, reviews: int, classes: int) -> dict:
    """Run a small search and time its parts."""
    from rich.console import Console

    from automm.cli.progress import ConsoleReporter
    from automm.config.experiment import load_experiment
    from automm.search.finalists.parity import PARITY
    from automm.search.ranking import FINALISTS
    from automm.search.run import run_search
    from automm.tracking.protocol import NoTracker

    os.environ["AUTOMM_CACHE_DIR"] = str(folder / "cache")
    experiment = load_experiment(write(folder, reviews, classes), SETTINGS)
    spent: Counter[str] = Counter()
    with contextlib.ExitStack() as patched:
        places = [*STEPS.items(), *(("fit", place) for place in FITTED), *(("encode", place) for place in ENCODED)]
        for name, place in places:
            patched.enter_context(timed(place, name, spent))
        began = time.thread_time()
        reporter = ConsoleReporter(Console(file=io.StringIO()), 2, "macro_f1")
        run = run_search(experiment, folder / "runs", NoTracker(), reporter)
        whole = time.thread_time() - began
    fitted = spent.pop("fit")
    compared = len(run.read(PARITY))  # refused models are replaced by others: their number is not a cost of classes
    whole -= spent["parity"] * (1 - FINALISTS / compared)
    spent["parity"] *= FINALISTS / compared
    rows = run.read("manifest.json")["reviews"]["validation"]
    largest = max(path.stat().st_size for path in run.candidates_folder.glob("*.npy"))
    return {
        "classes": classes,
        "whole": round(whole, 1),
        "fit": round(fitted, 1),
        "encode": round(spent["encode"], 1),
        "left": round(whole - fitted - spent["encode"], 1),
        "steps": {name: round(seconds, 2) for name, seconds in spent.most_common() if name != "encode"},
        "largest answers, bytes a review and class": round(largest / classes / rows, 2),
    }


@contextlib.contextmanager
def timed(place: str, name: str, spent: Counter[str]) -> Iterator[None]:
    """Add the seconds inside a function to `spent`."""
    target, _, attribute = place.rpartition(".")
    function = getattr(pkgutil.resolve_name(target), attribute)

    def wrapper(*args: object, **kwargs: object) -> object:
        began = time.thread_time()
        try:
            return function(*args, **kwargs)
        finally:
            spent[name] += time.thread_time() - began

    with mock.patch(place, wrapper):
        yield


def write(folder: Path, reviews: int, classes: int) -> Path:
    """Write reviews whose text has the word of their class, with one of a few pictures each; return the manifest."""
    rng = np.random.default_rng(1)
    (folder / "images").mkdir()
    for number in range(PICTURES):
        Image.fromarray(rng.integers(0, 256, (16, 16, 3), np.uint8)).save(folder / "images" / f"{number}.png")
    with (folder / "r.jsonl").open("w", encoding="utf-8") as file:
        for number in range(reviews):
            label = number % classes
            row = {"id": number, "text": f"word{label} number {number}", "photo": f"{number % PICTURES}.png"}
            file.write(json.dumps(row | {"label": f"class {label}"}) + "\n")
    content = {
        "name": f"classes-{classes}",
        "records": "r.jsonl",
        "image_root": "images",
        "fields": {"id": "id", "text": "text", "images": "photo", "label": "label"},
        "splits": {"keep_together": ["groups"]},
    }
    (folder / "m.yaml").write_text(json.dumps(content), encoding="utf-8")
    return folder / "m.yaml"


if __name__ == "__main__":
    main()
