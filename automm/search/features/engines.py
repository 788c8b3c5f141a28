"""Engines that run frozen encoders: Keras or ONNX Runtime.

The engine is chosen from a table, not by timing, so that a machine always computes the same features. Features of
different engines agree (`search/features/load` checks it), but not exactly. The engine is therefore part of an entry's
key.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from automm.paths import cache_dir
from automm.search.features.onnx_models import EngineError, OnnxModels, short, version_of
from automm.search.memory import release_memory

RunEncoder = Callable[..., Sequence[np.ndarray]]
Inputs = Mapping[
    str, tuple[Any, Sequence[int | None]]
]  # dtype and shape of a row of each input; None: a variable length

# Encoders that ONNX Runtime runs on a CPU. Keras runs the others, and all encoders on a GPU. Measured by
# experiments/benchmarks/engines.py: EfficientNet-Lite0 and Lite2 are 1.7 times as fast on ONNX Runtime. They are
# converted and compared once for all searches, which takes as long as the gain on about 1,000 pictures. There
# is no lower limit of pictures: one picture more would change the engine, and all would be encoded again. Texts that
# are sorted by length do not gain: MiniLM is slower on ONNX Runtime, and equally fast with a graph of fused attention
# that was written by hand. XLA is not faster on texts and compiles each shape for a second. It must never compile
# depthwise convolutions for a CPU: they run ten times slower.
ON_ONNX = frozenset({"efficientnet-lite0", "efficientnet-lite1", "efficientnet-lite2"})


@dataclass(frozen=True)
class Engine:
    """A way to run an encoder.

    Attributes:
        name: one of ENGINES.
        version: the name, with the versions of libraries that may change the numbers.
    """

    name: str
    version: str

    def start(self, encoder: Any, inputs: Inputs) -> RunEncoder:
        """Prepare the encoder, and return a function that runs it.

        Args:
            encoder: a layer of `models/encoders/sources`.
            inputs: its inputs, in order.

        Returns:
            A function from the inputs, (n, *shape) each, to the list of the encoder's outputs in inference mode.

        Raises:
            EngineError: ONNX Runtime cannot run the encoder; the returned function raises it too.
        """
        return ENGINES[self.name](encoder, inputs)


@dataclass(frozen=True)
class UsedEngine:
    """The engine that computes the features of an encoder, and why.

    Attributes:
        difference: of its features from those of Keras, the largest, divided by the root mean square of Keras'
            features. None: Keras computes them, or it was not measured.
        fallback: why Keras computes them although ONNX Runtime should; '' if it should not.
    """

    engine: Engine
    difference: float | None = None
    fallback: str = ""

    @property
    def version(self) -> str:
        return self.engine.version


def engine_for(encoder: str) -> Engine:
    """Return the engine for an encoder."""
    if encoder not in ON_ONNX or _has_gpu():
        return keras_engine()
    return Engine("onnx", f"onnxruntime-{version_of('onnxruntime')}-{keras_engine().version}")


def keras_engine() -> Engine:
    import keras

    return Engine("keras", f"keras-{keras.__version__}-{keras.backend.backend()}")


def _keras(encoder: Any, inputs: Inputs) -> RunEncoder:
    import tensorflow as tf

    function = tf.function(lambda *batch: encoder(*batch, training=False), reduce_retracing=True, autograph=False)
    return lambda *batch: [output.numpy() for output in tf.nest.flatten(function(*map(tf.convert_to_tensor, batch)))]


def _onnx(encoder: Any, inputs: Inputs) -> RunEncoder:
    model = onnx_models().get(encoder, inputs)
    release_memory()  # converting takes a gigabyte temporarily
    try:
        import onnxruntime

        session = onnxruntime.InferenceSession(model, session_options(), providers=["CPUExecutionProvider"])
    except Exception as error:
        raise EngineError(f"it cannot be loaded ({short(error)})") from error

    def run(*batch: np.ndarray) -> Sequence[np.ndarray]:
        try:
            return session.run(None, dict(zip(inputs, batch, strict=True)))
        except Exception as error:
            raise EngineError(f"it fails while it runs ({short(error)})") from error

    return run


ENGINES: dict[str, Callable[[Any, Inputs], RunEncoder]] = {"keras": _keras, "onnx": _onnx}


def onnx_models() -> OnnxModels:
    """Return the converted encoders in the user's cache folder."""
    return OnnxModels(cache_dir() / "onnx")


def session_options() -> Any:
    """Return the options of ONNX Runtime; it uses as many threads as TensorFlow (`search/parallel/worker_options`)."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    limit = os.environ.get("TF_NUM_INTRAOP_THREADS", "")
    options.intra_op_num_threads = int(limit) if limit.isdecimal() else 0  # 0: one for each core
    # Without this, threads waste CPU time waiting for each other when other processes use the cores.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return options


def _has_gpu() -> bool:
    import tensorflow as tf

    return bool(tf.config.list_physical_devices("GPU"))
