"""Measure how long an encoding will take, before it begins.

The items that the store lacks are counted, and a few typical ones are encoded with the encoder that the encoding then
uses. Building the encoder is part of the measurement, so it is not part of the remaining time.
"""

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from automm.search.features.encode import Job
from automm.search.features.engines import Engine
from automm.search.features.store import FeatureStore

SAMPLE = 32  # items that are encoded to measure the rate, once to trace the graph and once with a clock
FEW = 100  # with fewer items nothing is measured
SECONDS_OF_FEW = 0.05  # per item, rounded up


@dataclass(frozen=True)
class EncodingTime:
    """The expected time of one or several encodings.

    Attributes:
        seconds: without the time to build the encoders.
        items: the number of items to encode, by what they are ('texts', 'pictures').
    """

    seconds: float = 0.0
    items: tuple[tuple[str, int], ...] = ()

    def __add__(self, other: "EncodingTime") -> "EncodingTime":
        return EncodingTime(self.seconds + other.seconds, self.items + other.items)


def encoding_time(
    store: FeatureStore, job: Job, engine: Engine, clock: Callable[[], float] = time.monotonic
) -> EncodingTime:
    """Measure how long `load_or_encode` will take with an engine; no features are written."""
    wanted = job.wanted
    if len(wanted.items) == 0:
        return EncodingTime()
    missing, to_encode = store.missing(wanted.abouts(engine), wanted.items)
    if len(to_encode) == 0:
        return EncodingTime()
    items = ((wanted.what, len(to_encode)),)
    if len(to_encode) < FEW:
        return EncodingTime(SECONDS_OF_FEW * len(to_encode), items)
    lengths = wanted.items.lengths[to_encode].astype(np.float64)  # word pieces of a text; 1 for a picture
    typical = np.argsort(np.abs(lengths - lengths.mean()), kind="stable")[:SAMPLE]
    keys = {name: family for name, family in wanted.families(engine).items() if family in missing}
    sample = job.open_pass(engine, keys, to_encode[typical], None)
    deque(sample.batches(), maxlen=0)
    began = clock()
    deque(sample.batches(), maxlen=0)
    return EncodingTime((clock() - began) * float(lengths.sum() / lengths[typical].sum()), items)
