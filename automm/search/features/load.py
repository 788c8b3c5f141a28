"""Choose the engine of an encoding, and load or compute its features."""

import logging
from collections.abc import Sequence

import numpy as np

from automm.search.features.encode import Job, Progress
from automm.search.features.engines import Engine, UsedEngine, engine_for, keras_engine, onnx_models
from automm.search.features.onnx_models import EngineError
from automm.search.features.store import Encoding, FeatureStore

AGREES = 1e-4  # the largest difference (`UsedEngine`) of features that may take the place of Keras' features
COMPARED = 32  # items

log = logging.getLogger("automm")


def choose_engine(job: Job) -> UsedEngine:
    """Return the engine for a job. Before ONNX Runtime is used for some output, it is compared with Keras, once.

    Keras is chosen, with a warning, if the features differ by more than AGREES, or if ONNX Runtime fails.
    """
    wanted = job.wanted
    engine = engine_for(wanted.encoder)
    if engine.name == "keras" or len(wanted.items) == 0:
        return UsedEngine(keras_engine())
    families, models = wanted.families(engine), onnx_models()
    known = {family: models.difference(family) for family in families.values()}
    unknown = {name: family for name, family in families.items() if known[family] is None}
    if unknown:
        try:
            measured = _differences(job, engine, unknown)
        except EngineError as error:
            return _fallback(job, engine, str(error))
        for family, difference in measured.items():
            models.keep_difference(family, difference)
        known |= measured
    most = float(np.max(np.array(list(known.values()), np.float64)))  # NaN if one is NaN
    if most <= AGREES:
        return UsedEngine(engine, most)
    return _fallback(job, engine, f"its features differ from those of Keras by {most:.1e}, and {AGREES:.0e} is allowed")


def load_or_encode(
    store: FeatureStore, job: Job, used: UsedEngine, progress: Progress | None = None
) -> tuple[dict[str, np.ndarray], UsedEngine]:
    """Return an encoder's outputs by name, from the store; items that the store lacks are encoded.

    On Keras, the last digits of an item's features depend on its batch: by up to 6e-7 for minilm-l6 and 1.4e-6 for
    efficientnet-lite0 on MVSA-Single, where features reach 1.0 and 5.8. The same data may therefore have slightly
    different features if some of it was stored with other data before (`experiments/benchmarks/one_more.py`). On ONNX
    Runtime they are identical.

    Args:
        used: the engine from `choose_engine`. If ONNX Runtime fails, Keras encodes all items, with a warning.

    Returns:
        (rows, features) each, and the engine that computed them.
    """
    try:
        return _load_or_encode(store, job, used.engine, progress), used
    except EngineError as error:
        instead = _fallback(job, used.engine, str(error))
        return _load_or_encode(store, job, instead.engine, progress), instead


def _load_or_encode(store: FeatureStore, job: Job, engine: Engine, progress: Progress | None) -> dict[str, np.ndarray]:
    wanted = job.wanted
    count = len(wanted.items)
    families = wanted.families(engine)
    if count == 0:  # a memory map cannot be empty
        features = job.open_pass(engine, families, np.arange(0), None).features
        return {name: np.zeros((0, features[family]), np.float32) for name, family in families.items()}
    log.info("%d %s: %s on %s", count, wanted.what, wanted.encoder, engine.version)
    names = {family: name for name, family in families.items()}

    def open_missing(missing: Sequence[str], to_encode: np.ndarray) -> Encoding:
        log.info(
            "%d of %d %s to encode: %s",
            len(to_encode),
            count,
            wanted.what,
            ", ".join(names[family] for family in missing),
        )
        return job.open_pass(engine, {names[family]: family for family in missing}, to_encode, progress)

    by_family = store.get(wanted.abouts(engine), wanted.items, open_missing)
    return {name: by_family[family] for name, family in families.items()}


def _fallback(job: Job, engine: Engine, reason: str) -> UsedEngine:
    instead = keras_engine()
    log.warning(
        "%s of %s are encoded by Keras instead of %s: %s. Nothing needs to be done; Keras is slower",
        *(job.wanted.what.capitalize(), job.wanted.encoder, engine.version, reason),
    )
    return UsedEngine(instead, fallback=f"{engine.version}: {reason}")


def _differences(job: Job, engine: Engine, families: dict[str, str]) -> dict[str, float]:
    """Encode COMPARED items on both engines, and return the difference (`UsedEngine`) by family.

    Raises:
        EngineError: ONNX Runtime fails.
    """
    chosen = np.unique(np.linspace(0, len(job.wanted.items) - 1, COMPARED).astype(np.int64))
    found, expected = (list(job.open_pass(each, families, chosen, None).batches()) for each in (engine, keras_engine()))
    differences = {}
    for name, family in families.items():
        first, second = (
            np.concatenate([batch[family][1].ravel() for batch in batches]).astype(np.float32)
            for batches in (found, expected)
        )
        differences[family] = relative_difference(first, second, half=name in job.wanted.float16)
    return differences


def relative_difference(found: np.ndarray, expected: np.ndarray, *, half: bool) -> float:
    """Return the largest difference of two arrays, divided by the root mean square of the second; NaN if one has NaNs.

    Args:
        half: whether the values were rounded to float16. A value on the border of two float16 numbers may be rounded to
            either; such a step does not count.
    """
    differences = np.abs(found.astype(np.float64) - expected)
    if half:
        largest = np.maximum(np.abs(found), np.abs(expected)).astype(np.float16)
        differences = np.maximum(differences - np.spacing(largest), 0)
    root_mean_square = np.sqrt(np.mean(np.square(expected, dtype=np.float64)))
    return float(differences.max() / max(root_mean_square, np.finfo(np.float32).tiny))
