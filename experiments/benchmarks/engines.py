"""Question: which engine encodes each packaged encoder faster, conversion included, and how near is it to bare ONNX
Runtime?

Command:  python experiments/benchmarks/engines.py --data MVSA_DIR
Cost:     about four minutes on two free cores with minilm-l6 and efficientnet-lite0 installed: the conversion of
          MiniLM takes 40 s.
Prints:   a table of the installed encoders. Keras, ONNX Runtime as `automm search` uses it, and bare ONNX Runtime (its
          defaults, the same batches) take turns in every round.
          convert     seconds to convert the encoder, and to load it
          items/s     of the median round; ms is the processor time for an item, meaningful on a busy machine too
          of bare     the rate as used, divided by that of bare ONNX Runtime: the median over the rounds
          from        the items from which ONNX Runtime is faster in total if nothing is converted yet ('-': never)
          difference  the largest, divided by the root mean square of Keras' features (1e-4 is allowed)
"""

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from encode_rate import read

from automm.data.images.decode import decode_picture
from automm.data.inputs.arrays import Tokens
from automm.models.encoders.sources import IMAGE_ENCODERS, image_source, text_source, vocabulary_of_texts
from automm.models.weights.fetch import weights_folder
from automm.models.weights.packages import PACKAGES
from automm.search.features import engines
from automm.search.features.encode import PicturePass, TextPass, Texts
from automm.search.features.load import relative_difference
from automm.search.features.onnx_models import to_onnx

LENGTH = 64  # tokens of a text, padded to the longest of a batch
SIZE = 224  # pixels of a picture
LARGEST = 300_000_000  # bytes; converting me5-small was stopped after 8 minutes, when it took 11 GB of memory
USED, BARE = "onnxruntime, as used", "onnxruntime, bare"
Batches = list[tuple[np.ndarray, ...]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="the unpacked MVSA-Single")
    parser.add_argument("--rows", type=int, default=256, help="pictures, and texts, a round")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--encoders", nargs="*", default=[name for name in PACKAGES if weights_folder(name)])
    arguments = parser.parse_args()
    texts, paths = read(arguments.data, arguments.rows)
    for name in arguments.encoders:
        encoder, inputs, batches, size = opened(name, texts, paths)
        if size > LARGEST:
            print(f"{name}: not converted, its weights take {size / 1e6:.0f} MB\n")
            continue
        print(f"{name}, in search: {engines.engine_for(name).name}")
        print(measured(encoder, inputs, batches, arguments.rounds), flush=True)


def opened(name: str, texts: list[str], paths: list[Path]) -> tuple[Any, engines.Inputs, Batches, int]:
    """Return an encoder, its inputs, batches as the feature store makes them, and the bytes of its weights."""
    if name in IMAGE_ENCODERS:
        image = image_source(name)
        pixels = np.stack([decode_picture(path, image.preprocessing.size or SIZE) for path in paths])[:, None]
        starts = range(0, len(pixels), PicturePass.batch_size)
        batches: Batches = [(pixels[start : start + PicturePass.batch_size],) for start in starts]
        return image.build(), PicturePass.inputs(pixels[:, 0]), batches, image.weight_bytes
    source = text_source(name, vocabulary_of_texts([]))
    distinct = Texts.of(Tokens(*source.preprocessing.encode(texts, LENGTH)))
    order = np.argsort(distinct.lengths, kind="stable")
    chosen = [order[start : start + TextPass.batch_size] for start in range(0, len(order), TextPass.batch_size)]
    arrays = distinct.tokens.ids, distinct.tokens.mask
    batches = [tuple(array[rows, : distinct.width(rows)] for array in arrays) for rows in chosen]
    return source.build(), TextPass.inputs, batches, source.weight_bytes


def measured(encoder: Any, inputs: engines.Inputs, batches: Batches, rounds: int) -> str:
    began = time.perf_counter()
    model = to_onnx(encoder, inputs)
    used = onnxruntime.InferenceSession(model, engines.session_options(), providers=["CPUExecutionProvider"])
    convert = time.perf_counter() - began
    bare = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    runs = {
        "keras": engines.Engine("keras", "keras").start(encoder, inputs),
        USED: lambda *batch: used.run(None, dict(zip(inputs, batch, strict=True))),
        BARE: lambda *batch: bare.run(None, dict(zip(inputs, batch, strict=True))),
    }
    values = {name: np.concatenate([run(*batch)[0] for batch in batches]) for name, run in runs.items()}  # warm up
    wall, work = timed(runs, batches, rounds)
    items = sum(len(batch[0]) for batch in batches)
    saved = (np.median(wall["keras"]) - np.median(wall[USED])) / items
    lines = [
        f"  {name:22} {items / np.median(wall[name]):8.1f} items/s {1000 * np.median(work[name]) / items:8.2f} ms"
        for name in runs
    ]
    lines += [
        f"  convert {convert:.1f} s, {len(model) / 1e6:.0f} MB",
        f"  of bare {np.median(wall[BARE] / wall[USED]):.2f} by the clock, "
        f"{np.median(work[BARE] / work[USED]):.2f} by processor time",
        f"  from {'-' if saved <= 0 else f'{convert / saved:,.0f}'} items",
        f"  difference {relative_difference(values[USED], values['keras'], half=False):.1e}",
    ]
    return "\n".join(lines) + "\n"


def timed(
    runs: dict[str, Callable[..., Any]], batches: Batches, rounds: int
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Return seconds by the clock and of the processor, by engine: (rounds,) each."""
    wall, work = ({name: np.zeros(rounds) for name in runs} for _ in range(2))
    for number in range(rounds):
        for name, run in runs.items():
            began, worked = time.perf_counter(), time.process_time()
            for batch in batches:
                run(*batch)
            wall[name][number], work[name][number] = time.perf_counter() - began, time.process_time() - worked
    return wall, work


if __name__ == "__main__":
    main()
