"""What depends on the devices of a machine: the memory of GPUs, running out of it, and the precision of encoders.

A function that asks for devices gets `tf.config`, so that a test can give it a list of devices.
"""

import logging
from collections.abc import Callable, Mapping
from typing import Any

import keras
import numpy as np

from automm.config.inputs import AUTO, FLOAT32, MIXED_BFLOAT16, MIXED_FLOAT16
from automm.models.keras_internals import layers_within

# The least compute capability with fast products in these types: Volta and Ampere.
FAST_FLOAT16, FAST_BFLOAT16 = (7, 0), (8, 0)

log = logging.getLogger("automm")


def let_memory_grow(config: Any) -> None:
    """Let TensorFlow take the memory of each GPU when it needs it; otherwise it takes nearly all at the first use.

    Args:
        config: `tf.config`; no GPU was used before.
    """
    for gpu in config.list_physical_devices("GPU"):
        config.experimental.set_memory_growth(gpu, True)


def precision_for(wanted: str, config: Any) -> str:
    """Return the precision of frozen encoders on the devices of this machine.

    Args:
        wanted: `encoders.precision`. 'auto' is mixed_bfloat16 if all GPUs are fast in bfloat16, mixed_float16 if they
            are fast in float16, else float32, also without a GPU.
    """
    if wanted != AUTO:
        return wanted
    gpus = config.list_physical_devices("GPU")
    details = [config.experimental.get_device_details(gpu) for gpu in gpus]
    least = min((tuple(one.get("compute_capability") or (0, 0)) for one in details), default=(0, 0))
    return MIXED_BFLOAT16 if least >= FAST_BFLOAT16 else MIXED_FLOAT16 if least >= FAST_FLOAT16 else FLOAT32


def compute_in(model: Any, precision: str) -> None:
    """Set the precision of all layers of a model; their weights stay float32, and a saved model keeps it.

    Micikevicius et al. 2018, "Mixed precision training" (arXiv 1710.03740).
    """
    for layer in (model, *layers_within(model)):
        layer.dtype_policy = keras.dtype_policies.get(precision)


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether an error says that memory is short: Python's, or TensorFlow's on any device."""
    return isinstance(error, MemoryError) or "ResourceExhausted" in type(error).__name__


def in_halves(run: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that runs a batch in halves, quarters, ... if memory is short; later batches in the same size.

    Args:
        run: from arrays (n, ...), or dicts of arrays, to a structure of arrays (n, ...); rows do not depend on others.

    Raises:
        The error of `run`: a single row does not fit either, or the error is another one.
    """
    most: int | None = None

    def run_in_parts(*batch: Any) -> Any:
        nonlocal most
        rows = len(keras.tree.flatten(batch)[0])
        while True:
            size = min(most or rows, rows)
            try:
                return _joined([run(*part) for part in _parts(batch, rows, size)])
            except Exception as error:
                if not is_out_of_memory(error) or size <= 1:
                    raise
                most = size // 2
                log.warning("out of memory with %d rows at once: going on with %d", size, most)

    return run_in_parts


def _parts(batch: Any, rows: int, size: int) -> list[Any]:
    if size >= rows:
        return [batch]
    starts = range(0, rows, size)
    return [keras.tree.map_structure(lambda array, at=at: array[at : at + size], batch) for at in starts]


def _joined(results: list[Any]) -> Any:
    if len(results) == 1:
        return results[0]
    return keras.tree.map_structure(lambda *parts: np.concatenate([np.asarray(part) for part in parts]), *results)


def gpu_of_worker(number: int, gpus: int, environment: Mapping[str, str]) -> dict[str, str]:
    """Return the environment variable that gives a worker one GPU; {} without GPUs.

    Args:
        number: of the worker, from 1; with more workers than GPUs, they share.
        gpus: that TensorFlow sees in this process.
        environment: of this process, which may have hidden some GPUs.
    """
    if not gpus:
        return {}
    visible = environment.get("CUDA_VISIBLE_DEVICES") or ",".join(map(str, range(gpus)))
    names = visible.split(",")[:gpus]
    return {"CUDA_VISIBLE_DEVICES": names[(number - 1) % len(names)].strip()}
