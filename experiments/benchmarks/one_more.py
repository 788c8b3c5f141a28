"""Question: how long does encoding take with one review more, and how far are its features from fresh ones?

Command:  python experiments/benchmarks/one_more.py                  2,000 reviews, a 224-pixel picture each
          python experiments/benchmarks/one_more.py --reviews 500
Cost:     everything is encoded twice: two to four minutes on two cores for 2,000 reviews.
Prints:   seconds from reviews to features, with decoding of pictures, for a first search, the same again, one review
          more, and the same reviews with an empty cache; each in its own process. Then the largest difference of text
          and picture features between the last two, and the largest feature.

Features that are copied from the cache were encoded in other batches; they therefore differ in their last digits.
"""

import argparse
import json
import multiprocessing
import tempfile
import time
from pathlib import Path

import numpy as np
from synthetic import link_weights, write_reviews

COMPARED = 200  # reviews


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--reviews", type=int, default=2000)
    arguments = parser.parse_args()
    context = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        manifest = write_reviews(folder, arguments.reviews + 1)
        records = folder / "reviews.jsonl"
        every = records.read_text(encoding="utf-8")
        fewer = "".join(every.splitlines(keepends=True)[:-1])
        found = {}
        steps = (("first", fewer, "a"), ("again", fewer, "a"), ("one more", every, "a"), ("empty cache", every, "b"))
        for step, content, cache in steps:
            records.write_text(content, encoding="utf-8")
            with context.Pool(1) as pool:
                seconds, found[step] = pool.apply(encoded, (folder, manifest, folder / cache))
            print(json.dumps({step: round(seconds, 2)}), flush=True)
    for modality, fresh in found["empty cache"].items():
        difference = float(np.abs(found["one more"][modality] - fresh).max())
        print(json.dumps({modality: {"largest_difference": difference, "largest": float(np.abs(fresh).max())}}))


def encoded(folder: Path, manifest: Path, cache: Path) -> tuple[float, dict[str, np.ndarray]]:
    """Return the seconds after the imports, and the features of the first reviews."""
    import os

    os.environ["AUTOMM_CACHE_DIR"] = str(cache)
    link_weights(cache)
    from automm.config.experiment import resolve
    from automm.search.setup.data import encoder_sources, load, prepare

    content = {"manifest": str(manifest), "name": "one-more", "inputs": {"max_images": 1}}
    experiment = resolve(content, folder, name="benchmark")
    began = time.monotonic()
    loaded = load(experiment)
    features = prepare(experiment, loaded, encoder_sources(experiment, loaded)).features
    seconds = time.monotonic() - began
    batch = features.batch(np.arange(COMPARED))
    return seconds, {modality: batch[features.shapes(1).source(modality).name] for modality in ("text", "image")}


if __name__ == "__main__":
    main()
