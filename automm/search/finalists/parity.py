"""Compare the whole models of finalists with their suffixes before the test split is read.

Candidates are trained, selected and tested on stored features, and exported as whole models that read raw arrays. Both
have to give the same answers: a candidate whose whole model answers differently is not exported.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from automm.config.inputs import FLOAT32
from automm.deliver.bundle import whole_model
from automm.models.trees.layer import has_trees
from automm.models.whole import compiled, rows_at_once
from automm.search.bench import converter
from automm.search.cost.latency import milliseconds
from automm.search.features.engines import UsedEngine
from automm.search.finalists.answers import EVERY, Reader, Reading
from automm.search.session import Search
from automm.search.setup.data import Setup
from automm.search.training.loop import predict
from automm.tracking.run_folder import PARITY, Candidate

ROWS = 64
EACH = 16  # of them the longest texts, the most pictures, and reviews without a picture
# A threshold of a tree is a step: of a model with trees, this share of the rows has to agree. With features that differ
# by 1e-5, 0.1 % of 700 tweets differed, and 1.6 % with 1e-4. A fault that concerns the longest texts alone, or reviews
# without a picture, concerns a quarter of the rows.
AGREEING = 0.95

# The largest difference of two answers, divided by the largest answer if that is above 1: float32 has seven digits.
SAME_ENGINE = 1e-5  # Keras on a CPU made the features and runs the whole model
OTHER_ENGINE = 1e-4  # ONNX Runtime made features, which agree with those of Keras (`search/features/load`)
GPU = 1e-3  # kernels of a GPU sum in another order each time
GPU_TF32 = 1e-2  # products of a GPU with TF32 have three digits
MIXED = 1e-2  # so have those of encoders in mixed precision, on any device

log = logging.getLogger("automm")


@dataclass(frozen=True)
class Checked:
    """A finalist that may be exported: its candidate, the saved model, and the whole model of it."""

    candidate: Candidate
    saved: Any
    whole: Any


def checked_finalists(search: Search, reader: Reader, count: int) -> list[Checked]:
    """Return the best `count` candidates, or fewer, whose whole models agree with their suffixes.

    The next candidate in the ranking takes the place of one that does not agree. Candidates whose weights were deleted
    are left out. Each comparison is recorded when it is made, so that an interrupted search exports no refused model:
    parity.json in the run folder is {name: {difference, tolerance, exported, milliseconds}}, the last of them the time
    that the whole model needs for a review.
    """
    rows, limit = parity_rows(search.setup), tolerance(search.setup.features.engines)
    if any(source.precision != FLOAT32 for source in search.setup.sources):
        limit = MIXED
    reading = Reading(reader, rows)
    finalists: list[Checked] = []
    parity = search.run.read(PARITY)
    for candidate in search.ranking.ranked():
        if len(finalists) == count:
            break
        if not search.run.model_path(candidate.name).is_file():
            continue
        search.reporter.step("finalists checked", len(finalists), count)
        saved = search.bench.saved(candidate.name)
        whole = whole_model(search.run, candidate.name, search.bench.layers, saved)
        call = compiled(whole)
        share = AGREEING if has_trees(whole) else 1.0
        difference = _difference(search, reading.of(candidate, saved)[EVERY], call, converter(whole), rows, share)
        agrees = difference <= limit  # False for NaN
        latency = _latency(search, call, converter(whole), rows)
        parity[candidate.name] = {
            "difference": difference,
            "tolerance": limit,
            "exported": agrees,
            "milliseconds": round(latency, 3),
        }
        search.run.write(PARITY, parity)
        if agrees:
            finalists.append(Checked(candidate, saved, whole))
        else:
            log.error(
                "%s is not exported: its whole model and its model on stored features differ by %.1e on %d reviews "
                "(tolerance %.0e). The next candidate takes its place",
                *(candidate.name, difference, len(rows), limit),
            )
    return finalists


def parity_rows(setup: Setup) -> np.ndarray:
    """Return up to ROWS validation rows: the longest texts, the most pictures, no picture, and others."""
    rows = setup.rows("validation")
    lengths = setup.features.lengths[rows]
    pictures = setup.arrays.image_mask_of(rows).sum(axis=1)
    chosen = [
        *np.argsort(-lengths, kind="stable")[:EACH],
        *np.argsort(-pictures, kind="stable")[:EACH],
        *np.flatnonzero(pictures == 0)[:EACH],
        *range(len(rows)),
    ]
    return rows[np.array(list(dict.fromkeys(chosen))[:ROWS], np.int64)]


def tolerance(engines: Mapping[tuple[str, str], UsedEngine]) -> float:
    """Return the largest difference that rounding explains.

    Args:
        engines: of the features (`Features.engines`).
    """
    import tensorflow as tf

    if tf.config.list_physical_devices("GPU"):
        return GPU_TF32 if tf.config.experimental.tensor_float_32_execution_enabled() else GPU
    return SAME_ENGINE if all(used.engine.name == "keras" for used in engines.values()) else OTHER_ENGINE


def _difference(
    search: Search, from_features: np.ndarray, call: Any, convert: Any, rows: np.ndarray, share: float
) -> float:
    """Return the `largest_difference` to the answers of a compiled whole model."""
    at_once = rows_at_once(search.setup.experiment.inputs.max_images)
    from_arrays = predict(call, search.setup.arrays, rows, batch_size=at_once, convert=convert)
    return largest_difference(from_features, from_arrays, share)


def _latency(search: Search, call: Any, convert: Any, rows: np.ndarray) -> float:
    """Return the milliseconds that a compiled whole model needs for a review, with a full batch."""
    rows = rows[: rows_at_once(search.setup.experiment.inputs.max_images)]
    batch = search.setup.arrays.batch(rows)
    return milliseconds(call, batch if convert is None else convert(batch), len(rows))


def largest_difference(answers: np.ndarray, others: np.ndarray, share: float) -> float:
    """Return the largest difference in a share of the rows, those that differ least, relative to answers above 1.

    Args:
        answers, others: (rows, outputs).

    Returns:
        NaN if an answer of any row is NaN.
    """
    of_rows = np.sort(np.abs(answers - others).max(axis=1))  # NaN is sorted last
    row = -1 if np.isnan(of_rows[-1]) else int(np.ceil(share * len(of_rows))) - 1
    return float(of_rows[row]) / max(1.0, float(np.abs(others).max()))
