"""Measure how many milliseconds a review takes to predict, and estimate it for ensembles before they are built.

The encoders need nearly all of the time, and an encoder that several members read runs once. An estimate is therefore a
sum over the encoders, each measured once, and over the members' own layers.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
import numpy as np

from automm.data.inputs.input_sources import LOWER, WORD_IDS, InputSource
from automm.evaluate.ensembles import Costs
from automm.models.packing import unwrap
from automm.models.trees.layer import has_trees
from automm.models.whole import LazyEncoder, compiled, raw_inputs, rows_at_once
from automm.search.bench import Bench
from automm.search.cost.estimate import OPERATIONS_A_SECOND
from automm.search.features.encoded import Features
from automm.tracking.run_folder import Candidate

FILE = "latency.json"  # in the run folder: measured milliseconds a review, by encoder and by candidate
TIMES = 3  # the fastest counts: other work on the machine only slows down


def milliseconds(call: Callable[[Any], Any], batch: Any, count: int) -> float:
    """Return the milliseconds a review of a call, after a first call that traces its graph.

    Args:
        count: the reviews in the batch.
    """
    call(batch)
    seconds = []
    for _ in range(TIMES):
        began = time.perf_counter()
        call(batch)
        seconds.append(time.perf_counter() - began)
    return 1000 * min(seconds) / count


def costs_of(bench: Bench, limit: float, candidates: Sequence[Candidate]) -> Costs:
    """Return what predicting with each of some candidates costs.

    Measurements are kept in the run folder: the same ensemble is selected again. A candidate without a saved model is
    no member, and costs infinitely much.

    Args:
        limit: the most milliseconds a review that an ensemble may cost.
    """
    known: dict[str, float] = dict(bench.run.read(FILE))
    own, encoders = [], []
    for candidate in candidates:
        if not bench.run.model_path(candidate.name).is_file():
            own.append(float("inf"))
            encoders.append(frozenset[str]())
            continue
        model = unwrap(bench.saved(candidate.name))
        sources = list(bench.layers.sources_of(model).values())
        read = {_key(one, sources): one for one in bench.layers.encoders if one.own_sources(sources)}
        for key, encoder in read.items():
            if key not in known:
                known[key] = _of_encoder(bench, encoder, sources)
        own.append(_own(bench, candidate.name, model, known))
        encoders.append(frozenset(read))
    bench.run.write(FILE, known)
    names = sorted(set().union(*encoders))
    return Costs(tuple(own), tuple(encoders), tuple((name, known[name]) for name in names), limit)


def _key(encoder: LazyEncoder, sources: Sequence[InputSource]) -> str:
    """Return the name of an encoder, or of its lower half, in which an encoder that is trained is read."""
    lower = any(source.how == LOWER for source in encoder.own_sources(sources))
    return f"{encoder.modality}@{encoder.name}{' (lower half)' if lower else ''}"


def _of_encoder(bench: Bench, encoder: LazyEncoder, sources: Sequence[InputSource]) -> float:
    setup = bench.setup
    raw = raw_inputs(encoder.modality, encoder.place, encoder.size, setup.experiment.inputs.max_images)
    inputs = raw if len(raw) > 1 else next(iter(raw.values()))  # `compiled` passes a single input as it is
    call = compiled(keras.Model(inputs, encoder.read(sources, list(raw.values()))))
    rows = _rows(bench)
    return milliseconds(call, setup.arrays.batch(rows, list(raw)), len(rows))


def _own(bench: Bench, name: str, model: Any, known: dict[str, float]) -> float:
    """Return the cost of a candidate's own layers: of a head on vectors from its weights, of others measured.

    Words and trees look up few of their weights; pixels and sequences meet each weight many times.
    """
    source = bench.input_rows(model)
    on_vectors = isinstance(source, Features) and not source.large and WORD_IDS not in source.names
    if on_vectors and not has_trees(model):
        return 1000 * 2 * int(model.count_params()) / OPERATIONS_A_SECOND
    if name not in known:
        rows = _rows(bench)
        batch: Mapping[str, np.ndarray] = source.batch(rows)
        known[name] = milliseconds(compiled(model), batch, len(rows))
    return known[name]


def _rows(bench: Bench) -> np.ndarray:
    """Return as many validation rows as a whole model reads at once."""
    return bench.setup.rows("validation")[: rows_at_once(bench.setup.experiment.inputs.max_images)]
