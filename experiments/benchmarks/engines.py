"""Question: which engine encodes each packaged encoder faster, conversion included, and how near is it to bare ONNX
Runtime?

Command:  python experiments/benchmarks/engines.py --data MVSA_DIR
Cost:     about four minutes on two free cores with minilm-l6 and efficientnet-lite0 installed: the conversion of
          MiniLM takes 40 s.
Prints:   for each installed encoder: Keras and ONNX Runtime as the feature store calls them, and bare ONNX Runtime (its
          defaults, on the same batches, prepared). They take turns in every round.
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
from encode_rate import read, whole

from automm.data.images.decode import decode_picture
from automm.data.inputs.arrays import Tokens
from automm.models.encoders.sources import IMAGE_ENCODERS, image_source, text_source, vocabulary_of_texts
from automm.models.weights.fetch import weights_folder
from automm.models.weights.packages import PACKAGES
from automm.search.features import engines
from automm.search.features.encode import PicturePass, TextPass, Texts
from automm.search.features.load import relative_difference
from automm.search.features.onnx_models import to_onnx
from automm.search.features.store import Encoding

LENGTH = 64  # tokens of a text, padded to the longest of a batch
SIZE = 224  # pixels of a picture, if the encoder has no size of its own
LARGEST = 300_000_000  # bytes; converting me5-small was stopped after several minutes, when it took 11 GB of memory
USED, BARE = "onnxruntime, as used", "onnxruntime, bare"
Start = Callable[[engines.RunEncoder], Encoding]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="the unpacked MVSA-Single")
    parser.add_argument("--rows", type=int, default=256, help="pictures, and texts, a round")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--encoders", nargs="*", default=[name for name in PACKAGES if weights_folder(name)])
    arguments = parser.parse_args()
    texts, paths = read(arguments.data, arguments.rows)
    for name in arguments.encoders:
        source = image_source(name) if name in IMAGE_ENCODERS else text_source(name, vocabulary_of_texts([]))
        if source.weight_bytes > LARGEST:
            print(f"{name}: not converted, its weights take {source.weight_bytes / 1e6:.0f} MB\n")
            continue
        print(f"{name}, in search: {engines.engine_for(name).name}")
        encoder = source.build()
        opened = of_pictures if name in IMAGE_ENCODERS else of_texts
        found = measured(
            encoder, *opened(source, encoder, paths if name in IMAGE_ENCODERS else texts), arguments.rounds
        )
        print(found, flush=True)


def of_pictures(source: Any, encoder: Any, paths: list[Path]) -> tuple[engines.Inputs, int, Start]:
    """Return the encoder's inputs, the number of pictures, and a function that opens a pass over all of them."""
    pixels = np.stack([decode_picture(path, source.preprocessing.size or SIZE) for path in paths])
    every = np.arange(len(pixels))
    return (
        PicturePass.inputs(pixels),
        len(pixels),
        lambda run: PicturePass((encoder, run), {"image": "image"}, pixels, every, None, "pictures"),
    )


def of_texts(source: Any, encoder: Any, texts: list[str]) -> tuple[engines.Inputs, int, Start]:
    """Return the encoder's inputs, the number of texts, and a function that opens a pass over all of them."""
    distinct = Texts.of(Tokens(*source.preprocessing.encode(texts, LENGTH)))
    every = np.arange(len(distinct.lengths))
    return (
        TextPass.inputs,
        len(every),
        lambda run: TextPass((encoder, run), {"text": "text"}, distinct, every, None, "texts"),
    )


def measured(encoder: Any, inputs: engines.Inputs, items: int, opened: Start, rounds: int) -> str:
    began = time.perf_counter()
    model = to_onnx(encoder, inputs)
    used = onnxruntime.InferenceSession(model, engines.session_options(), providers=["CPUExecutionProvider"])
    convert = time.perf_counter() - began
    bare = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    keras, prepared = engines.Engine("keras", "keras").start(encoder, inputs), []

    def on_onnx(*batch: np.ndarray) -> Any:
        return used.run(None, dict(zip(inputs, batch, strict=True)))

    values = {"keras": whole(opened(keras), items)(), USED: whole(opened(on_onnx), items)()}  # traced, and warm
    whole(opened(lambda *batch: (prepared.append(dict(zip(inputs, batch, strict=True))), on_onnx(*batch))[1]), items)()
    runs = {
        "keras": whole(opened(keras), items),
        USED: whole(opened(on_onnx), items),
        BARE: lambda: [bare.run(None, batch) for batch in prepared],
    }
    wall, work = timed(runs, rounds)
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


def timed(runs: dict[str, Callable[[], Any]], rounds: int) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Return seconds by the clock and of the processor, by engine: (rounds,) each."""
    wall, work = ({name: np.zeros(rounds) for name in runs} for _ in range(2))
    runs[BARE]()
    for number in range(rounds):
        for name, run in runs.items():
            began, worked = time.perf_counter(), time.process_time()
            run()
            wall[name][number], work[name][number] = time.perf_counter() - began, time.process_time() - worked
    return wall, work


if __name__ == "__main__":
    main()
