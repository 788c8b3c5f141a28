"""Question: how long do a million records take to load and to split, and how much memory?

Command:  python experiments/benchmarks/records.py
          python experiments/benchmarks/records.py --reviews 100000 --profile     where the time goes
Cost:     about two minutes on two cores, half of it writing the records; 0.5 GB in the temporary folder.
Prints:   seconds and the peak of resident memory (ru_maxrss) after loading and after splitting, in a separate process.
          The records have texts of 5 to 60 words, some of them twice, groups, labels of different frequency, and for
          every other review one of 2,000 pictures.
"""

import argparse
import cProfile
import json
import multiprocessing
import pstats
import resource
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image
from synthetic import WORDS

PICTURES = 2000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--reviews", type=int, default=1_000_000)
    parser.add_argument("--profile", action="store_true")
    arguments = parser.parse_args()
    context = multiprocessing.get_context("spawn")  # the memory for writing the records does not count
    with tempfile.TemporaryDirectory() as folder:
        with context.Pool(1) as pool:
            pool.apply(write_records, (Path(folder), arguments.reviews))
        with context.Pool(1) as pool:
            print(json.dumps(pool.apply(measure, (Path(folder), arguments.profile))))


def write_records(folder: Path, reviews: int) -> None:
    rng = np.random.default_rng(0)
    (folder / "images").mkdir()
    for number in range(PICTURES):
        Image.new("RGB", (4, 4), (number % 256, number // 256, 0)).save(folder / f"images/{number}.png")
    labels = rng.choice(["good", "fair", "bad"], reviews, p=[0.6, 0.3, 0.1])
    lengths = rng.integers(5, 60, reviews)
    words = np.array(WORDS)[rng.integers(0, len(WORDS), 64 * 1024)]
    with (folder / "reviews.jsonl").open("w", encoding="utf-8") as file:
        for number in range(reviews):
            begin = int(rng.integers(0, len(words) - 64))
            text = " ".join(words[begin : begin + lengths[number]])
            record = {
                "id": f"R{number:09d}",
                "text": text if number % 50 == 0 else f"{text} {number}",
                "product": f"P{number // 3}" if number % 2 else None,
                "photos": [f"{number % PICTURES}.png"] if number % 1000 == 0 else [],
                "label": str(labels[number]),
            }
            file.write(json.dumps(record) + "\n")
    (folder / "manifest.yaml").write_text(
        "name: million\nrecords: reviews.jsonl\nimage_root: images\n"
        "fields: {id: id, text: text, images: photos, label: label, group: product}\n",
        encoding="utf-8",
    )


def measure(folder: Path, profile: bool) -> dict[str, object]:
    from automm.data.manifest import load_manifest
    from automm.data.records.reviews import load_dataset
    from automm.data.splitting.links import links_of
    from automm.data.splitting.split import split_dataset

    profiler = cProfile.Profile(time.process_time)
    if profile:
        profiler.enable()
    began, spent = time.monotonic(), time.process_time()
    dataset = load_dataset(load_manifest(folder / "manifest.yaml"))
    loaded, loaded_mib = time.monotonic(), peak_mib()
    splits = split_dataset(dataset, links_of(dataset, {}))
    done = time.monotonic()
    if profile:
        profiler.disable()
        pstats.Stats(profiler).sort_stats("tottime").print_stats(25)
    return {
        "reviews": len(dataset.reviews),
        "splits": {name: len(rows) for name, rows in splits.items()},
        "load_seconds": round(loaded - began, 1),
        "split_seconds": round(done - loaded, 1),
        "processor_seconds": round(time.process_time() - spent, 1),
        "loaded_mib": loaded_mib,
        "peak_mib": peak_mib(),
        "bytes": (folder / "reviews.jsonl").stat().st_size,
    }


def peak_mib() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


if __name__ == "__main__":
    main()
