"""Measure how long the installed encoders take for an item on this machine."""

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from automm.models.encoders.sources import IMAGE_ENCODERS, image_source, text_source
from automm.models.weights.fetch import weights_folder
from automm.models.weights.packages import PACKAGES

ITEMS, ROUNDS = 16, 3
LENGTH, SIZE = 64, 128  # tokens of a text, pixels of a picture
TEXT = "The battery lasts all day, and the screen is bright enough for a sunny balcony. "


def milliseconds(report: Callable[[str], None]) -> dict[str, float]:
    """Return processor milliseconds for an item, by installed encoder: a text of LENGTH tokens, or a picture of SIZE
    pixels unless the encoder has a size of its own. The fastest of ROUNDS rounds counts.

    Args:
        report: called with the name of each encoder.
    """
    found = {}
    for name in PACKAGES:
        if weights_folder(name) is not None:
            report(name)
            found[name] = round(_fastest(_run_of(name)), 1)
    return found


def _run_of(name: str) -> Callable[[], Any]:
    if name in IMAGE_ENCODERS:
        pictures = image_source(name)
        size = pictures.preprocessing.size or SIZE
        pixels = np.random.default_rng(0).integers(0, 256, (ITEMS, 1, size, size, 3), dtype=np.uint8)
        layer = pictures.build()
        return lambda: layer(pixels)
    texts = text_source(name, lambda size: [])
    ids, mask = texts.preprocessing.encode([TEXT * 10] * ITEMS, LENGTH)
    encoder = texts.build()
    return lambda: encoder(ids, mask)


def _fastest(run: Callable[[], Any]) -> float:
    run()  # the first call builds what the next ones use
    times = []
    for _ in range(ROUNDS):
        start = time.process_time()
        run()
        times.append(time.process_time() - start)
    return 1000 * min(times) / ITEMS
