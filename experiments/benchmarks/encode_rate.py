"""Question: how fast are reviews encoded, compared with ONNX Runtime on the same inputs and with texts padded to 128?

Command:  python experiments/benchmarks/encode_rate.py --data MVSA_DIR
Cost:     about five minutes on two cores after the weights are installed, including the conversion of MiniLM (40 s).
Prints:   for each engine the rows per second (of its best round) and the processor time per row (the median of the
          rounds), and ratios of both. The engines take turns in one run: those that `automm search` uses, as the
          feature store calls them, and the references. On a busy machine only the ratios of processor time are
          meaningful. Also the smallest cosine similarity with Keras, and the speed of verifying a stored entry.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import ClassVar

import numpy as np
import onnxruntime

from automm.data.images.decode import decode_picture
from automm.data.inputs.arrays import Tokens
from automm.data.inputs.items import item_digests
from automm.data.manifest import load_manifest
from automm.data.records.reviews import load_dataset
from automm.models.encoders.sources import image_source, text_source, vocabulary_of_texts
from automm.search.features import encode as passes
from automm.search.features import engines
from automm.search.features.onnx_models import to_onnx
from automm.search.features.store import Encoding, FeatureStore
from automm.search.features.store_format import About, Items

TEXT, IMAGE = "minilm-l6", "efficientnet-lite0"
PADDED = 128


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="the unpacked MVSA-Single")
    parser.add_argument("--rows", type=int, default=256, help="pictures, and texts, a round")
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    if not arguments.data.is_dir():
        raise SystemExit(f"{arguments.data} is not there: data_manifests/mvsa_single.yaml says how to get the data")
    texts, paths = read(arguments.data, arguments.rows)
    print(json.dumps(measure(texts, paths, arguments.rounds), indent=2))


def read(data: Path, rows: int) -> tuple[list[str], list[Path]]:
    """Read random reviews: their texts have the same lengths as the whole data set."""
    with tempfile.TemporaryDirectory() as folder:
        manifest = Path(folder) / "manifest.yaml"
        manifest.write_text(
            f"name: mvsa\nformat: mvsa\npath: {json.dumps(str(data.absolute()))}\nimages: {{on_bad: drop-review}}\n"
            "splits: {fractions: {train: 0.7, validation: 0.15, test: 0.15}}\n",
            encoding="utf-8",
        )
        reviews = load_dataset(load_manifest(manifest)).reviews
    chosen = np.random.default_rng(0).choice(len(reviews), rows, replace=False)
    return [reviews[row].text for row in chosen], [reviews[row].images[0] for row in chosen]


def measure(texts: list[str], paths: list[Path], rounds: int) -> dict:
    text, image = text_source(TEXT, vocabulary_of_texts([])), image_source(IMAGE)
    short, long = (Tokens(*text.preprocessing.encode(sorted(set(texts)), length)) for length in (64, PADDED))
    pixels = np.stack([decode_picture(path, 224) for path in paths])
    text_encoder, image_encoder = text.build(), image.build()

    def texts_on(name: str, tokens: Tokens) -> passes.TextPass:
        engine, texts = engines.Engine(name, name), passes.Texts.of(tokens)
        every = np.arange(len(texts.lengths))
        started = text_encoder, engine.start(text_encoder, passes.TextPass.inputs)
        return passes.TextPass(started, {"text": "text"}, texts, every, None, "texts")

    def pictures_on(name: str, size: int) -> passes.PicturePass:
        engine = engines.Engine(name, name)
        every = np.arange(len(pixels))
        started = image_encoder, engine.start(image_encoder, passes.PicturePass.inputs(pixels))
        encoding = passes.PicturePass(started, {"image": "image"}, pixels, every, None, "pictures")
        encoding.batch_size = size
        return encoding

    padded = engines.Engine("keras", "keras").start(text_encoder, passes.TextPass.inputs)
    used = engines.engine_for(IMAGE).name
    plain = onnxruntime.InferenceSession(to_onnx(image_encoder, passes.PicturePass.inputs(pixels)))

    def pictures_on_plain(size: int) -> np.ndarray:
        starts = range(0, len(pixels), size)
        return np.concatenate(
            [plain.run(None, {"images": pixels[start : start + size, None]})[0][:, 0] for start in starts]
        )

    every = {
        f"pictures, {used}, as used": whole(pictures_on(used, passes.PicturePass.batch_size), len(pixels)),
        **{f"pictures, onnxruntime, batch {size}": partial(pictures_on_plain, size) for size in (8, 16)},
        **{f"pictures, keras, batch {size}": whole(pictures_on("keras", size), len(pixels)) for size in (8, 16)},
        "texts, keras, as used": whole(texts_on("keras", short), len(short.ids)),
        "texts, onnx": whole(texts_on("onnx", short), len(short.ids)),
        f"texts, keras, padded to {PADDED}": lambda: np.concatenate(
            [
                padded(long.ids[start : start + 32], long.mask[start : start + 32])[0]
                for start in range(0, len(long.ids), 32)
            ]
        ),
    }
    values = {name: run() for name, run in every.items()}  # trace and warm up
    wall: dict[str, list[float]] = {name: [] for name in every}
    cpu: dict[str, list[float]] = {name: [] for name in every}
    for _ in range(rounds):
        for name, run in every.items():
            began, worked = time.perf_counter(), time.process_time()
            run()
            wall[name].append((time.perf_counter() - began) / len(values[name]))
            cpu[name].append((time.process_time() - worked) / len(values[name]))
    best = {name: min(times) for name, times in wall.items()}
    work = {name: float(np.median(times)) for name, times in cpu.items()}
    return {
        "rows_per_second": {name: round(1 / took, 1) for name, took in best.items()},
        "cpu_ms_per_row": {name: round(1000 * took, 2) for name, took in work.items()},
        "ratios_by_the_clock": ratios(best, used),
        "ratios_by_processor_time": ratios(work, used),
        "smallest_cosine": {
            "pictures": cosine(values[f"pictures, {used}, as used"], values["pictures, keras, batch 8"]),
            "texts": cosine(values["texts, onnx"], values["texts, keras, as used"]),
        },
        "store": checked(),
    }


def ratios(took: dict[str, float], used: str) -> dict[str, float]:
    """Return how many times as fast the engines in use are."""
    pictures, texts = took[f"pictures, {used}, as used"], took["texts, keras, as used"]
    fastest = min(took[f"pictures, onnxruntime, batch {size}"] for size in (8, 16))
    return {
        "pictures_over_onnxruntime": round(fastest / pictures, 2),
        "pictures_over_keras": round(took["pictures, keras, batch 8"] / pictures, 2),
        "texts_over_padded": round(took[f"texts, keras, padded to {PADDED}"] / texts, 2),
        "texts_over_onnxruntime": round(took["texts, onnx"] / texts, 2),
    }


def whole(encoding: Encoding, rows: int) -> Callable[[], np.ndarray]:
    """Encode all rows once, in their order."""

    def run() -> np.ndarray:
        ((name, features),) = encoding.features.items()
        values = np.empty((rows, features), np.float32)
        for batch in encoding.batches():
            chosen, part = batch[name]
            values[chosen] = part
        return values

    return run


def cosine(first: np.ndarray, second: np.ndarray) -> float:
    first, second = first.astype(np.float64), second.astype(np.float64)
    norms = np.linalg.norm(first, axis=1) * np.linalg.norm(second, axis=1)
    return round(float(((first * second).sum(axis=1) / norms).min()), 9)


def checked() -> dict[str, float]:
    """Time writing and opening an entry of 200,000 pictures (1.0 GB, fully verified), without encoding."""

    class Noise:
        features: ClassVar = {"noise": 1280}

        def batches(self):
            values = np.random.default_rng(0).normal(size=(2000, 1280)).astype(np.float32)
            for start in range(0, 200_000, 2000):
                yield {"noise": (np.arange(start, start + 2000), values)}

    with tempfile.TemporaryDirectory() as folder:
        count = 200_000
        items = Items(item_digests(number.to_bytes(4) for number in range(count)), np.ones(count, np.int32))
        store, about = FeatureStore(Path(folder), 10**12), About("pictures", "noise", "noise", count, items=count)
        began = time.perf_counter()
        store.get({"noise": about}, items, lambda missing, unseen: Noise())
        written = time.perf_counter()
        store.get({"noise": about}, items, lambda missing, unseen: Noise())
        return {"write_seconds": round(written - began, 2), "open_seconds": round(time.perf_counter() - written, 2)}


if __name__ == "__main__":
    main()
