"""Question: how fast are pictures prepared, compared with plain Pillow in a process pool, and does memory grow?

Command:  python experiments/benchmarks/pictures.py rate                        800 generated photos of 1024 x 768
          python experiments/benchmarks/pictures.py rate --data FOLDER          the JPEG files of a folder
          python experiments/benchmarks/pictures.py memory                      10,000 and 100,000 small pictures
Cost:     about two minutes on two cores for a rate; about six for the memory, most of it writing the pictures.
Prints:   rate: pictures per second and ratios for each round, in turns, and their medians; also by processor time,
          which is fairer on a busy machine, where a program with more threads gets more of it. automm's time is the
          whole of `prepare_pictures` into an empty cache: hashing, decoding, checksums, writing, fsync. Pillow's time
          is open, draft, resize and pixels as bytes, in as many running processes as there are cores, once discarding
          the bytes and once returning them. Then a restart, which finds the decoded pictures in the cache.
          memory: the peak of RssAnon while reviews are loaded, pictures prepared and rows split. Linux only.
"""

import argparse
import json
import multiprocessing
import os
import shutil
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
from memory import Peak
from PIL import Image

from automm.data.images.pixels.pixel_store import prepare_pictures
from automm.data.images.resampling import PictureForm

SIZE, AT_ONCE = 224, 16


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("what", choices=["rate", "memory"])
    parser.add_argument("--data", type=Path)
    parser.add_argument("--pictures", type=int, nargs="+")
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if arguments.what == "memory":
            memory(Path(folder), arguments.pictures or [10_000, 100_000])
            return
        count = (arguments.pictures or [800])[0]
        paths = sorted(arguments.data.rglob("*.jpg"))[:count] if arguments.data else photos(Path(folder), count)
        rate(Path(folder), paths, arguments.rounds)


def rate(folder: Path, paths: list[Path], rounds: int) -> None:
    cores = os.cpu_count() or 1
    portions = [paths[begin : begin + AT_ONCE] for begin in range(0, len(paths), AT_ONCE)]
    rounds_of: dict[str, list[float]] = defaultdict(list)
    with ProcessPoolExecutor(cores) as pool:
        list(pool.map(bare, portions[: 2 * cores]))  # start the processes and warm up the disk cache
        for number in range(rounds):
            cache = folder / f"cache-{number}"
            ours = timed(lambda cache=cache: prepare_pictures(paths, [PictureForm(SIZE)], cache))
            alone = timed(lambda: [seconds for seconds, _ in pool.map(bare, portions)])
            returned = timed(lambda: [seconds for seconds, _ in pool.map(bare_returned, portions)])
            again = timed(lambda cache=cache: prepare_pictures(paths, [PictureForm(SIZE)], cache))
            shutil.rmtree(cache)  # the first use of memory costs a virtual machine several times more
            found = {"per_second": len(paths) / ours[0], "restart_per_second": len(paths) / again[0]}
            found |= {"ratio": alone[0] / ours[0], "ratio_by_processor": alone[1] / ours[1]}
            found |= {"ratio_returned": returned[0] / ours[0], "ratio_returned_by_processor": returned[1] / ours[1]}
            for name, value in found.items():
                rounds_of[name].append(value)
            print(json.dumps({name: round(value, 2) for name, value in found.items()}), flush=True)
    medians = {name: round(statistics.median(values), 2) for name, values in rounds_of.items()}
    print(json.dumps({"pictures": len(paths), "cores": cores, "medians": medians}))


def timed(work: Callable[[], object]) -> tuple[float, float]:
    """Return wall and processor seconds: of this process, and of others as `work` returns them."""
    began, spent = time.monotonic(), time.process_time()
    others = work()
    elsewhere = sum(others) if isinstance(others, list) else 0.0
    return time.monotonic() - began, time.process_time() - spent + elsewhere


def bare(paths: Sequence[Path]) -> tuple[float, list[bytes]]:
    """Return processor seconds; discard the pixels."""
    return bare_returned(paths)[0], []


def bare_returned(paths: Sequence[Path]) -> tuple[float, list[bytes]]:
    """Return processor seconds and the pixels, which the pool sends to the calling process."""
    began, pixels = time.process_time(), []
    for path in paths:
        with Image.open(path) as picture:
            picture.draft("RGB", (2 * SIZE, 2 * SIZE))
            small = picture.convert("RGB").resize((SIZE, SIZE), Image.Resampling.BICUBIC, reducing_gap=2.0)
            pixels.append(small.tobytes())
    return time.process_time() - began, pixels


def photos(folder: Path, count: int, width: int = 1024, height: int = 768) -> list[Path]:
    """Write smooth shapes with some grain, which compress like photos (about 200 KB each)."""
    rng = np.random.default_rng(0)
    grain = rng.normal(0, 6, (height, width, 3))
    paths = []
    for number in range(count):
        coarse = Image.fromarray(rng.integers(0, 256, (6, 8, 3), dtype=np.uint8)).resize((width, height), 3)
        pixels = np.clip(np.asarray(coarse) + np.roll(grain, number, 1), 0, 255).astype(np.uint8)
        paths.append(folder / f"{number}.jpg")
        Image.fromarray(pixels).save(paths[-1], quality=85)
    return paths


def memory(folder: Path, counts: list[int]) -> None:
    context = multiprocessing.get_context("spawn")
    peaks = []
    for count in counts:
        with context.Pool(1) as pool:
            pool.apply(write, (folder / str(count), count))
        with context.Pool(1) as pool:
            peaks.append(pool.apply(prepare, (folder / str(count), folder / f"cache-{count}")))
        print(json.dumps({"pictures": count, "peak_anonymous_mib": peaks[-1]}), flush=True)
    print(json.dumps({"growth_mib": peaks[-1] - peaks[0]}))


def write(folder: Path, count: int) -> None:
    (folder / "images").mkdir(parents=True)
    with (folder / "reviews.jsonl").open("w", encoding="utf-8") as file:
        for number in range(count):
            colours = [(number >> shift) % 256 for shift in (0, 8, 16)]
            Image.new("RGB", (32, 32), tuple(colours)).save(folder / f"images/{number:06d}.png")
            record = {"id": f"R{number:06d}", "text": f"a review of some words {number}", "label": f"l{number % 3}"}
            file.write(json.dumps({**record, "photo": f"{number:06d}.png"}) + "\n")
    (folder / "manifest.yaml").write_text(
        "name: many\nrecords: reviews.jsonl\nimage_root: images\n"
        "fields: {id: id, text: text, images: photo, label: label}\n",
        encoding="utf-8",
    )


def prepare(folder: Path, cache: Path) -> int:
    from automm.data.images.pixels.pixel_store import drop_bad_pictures
    from automm.data.inputs.arrays import all_paths
    from automm.data.manifest import load_manifest
    from automm.data.records.reviews import load_dataset
    from automm.data.splitting.links import links_of
    from automm.data.splitting.split import split_dataset

    peak = Peak()
    dataset = load_dataset(load_manifest(folder / "manifest.yaml"))
    pictures = prepare_pictures(all_paths(dataset.reviews), [PictureForm(32)], cache)
    dataset = drop_bad_pictures(dataset, pictures.bad)
    split_dataset(dataset, links_of(dataset, pictures.digests))
    return max(peak.stop().values())


if __name__ == "__main__":
    main()
