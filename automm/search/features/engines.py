"""Engines that run frozen encoders: Keras or ONNX Runtime.

The engine is chosen from a table, not by timing, so that a machine always computes the same features. Features of
different engines agree to a cosine of 0.99999 or better, but not exactly. The engine is therefore part of an entry's
key.
"""

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from importlib.util import find_spec
from typing import Any

import numpy as np

from automm.search.memory import release_memory

RunEncoder = Callable[..., Sequence[np.ndarray]]
Inputs = Mapping[
    str, tuple[Any, Sequence[int | None]]
]  # dtype and shape of a row of each input; None: a variable length

# Engines of encoders on a CPU. Other encoders, and all encoders on a GPU, run on Keras. Measured by
# experiments/benchmarks/encode_rate.py: ONNX Runtime is 2.4 times as fast on pictures, and not faster on texts that are
# sorted by length; converting a BERT takes 40 s. XLA is not faster on texts and compiles each shape for a second. It
# must never compile depthwise convolutions for a CPU: they run ten times slower.
ON_CPU = {
    "efficientnet-lite0": "onnx",
    "efficientnet-lite1": "onnx",
    "efficientnet-lite2": "onnx",
}
FEWEST_FOR_ONNX = 1000  # pictures; with fewer, converting takes longer than it saves
ONNX_PACKAGES = ("onnxruntime", "tf2onnx", "onnx")  # the extra automm[fast]


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
        """
        return ENGINES[self.name](encoder, inputs)


def engine_for(encoder: str, rows: int) -> Engine:
    """Return the engine for `rows` items of an encoder. ONNX Runtime is used only if its packages are installed."""
    import keras

    keras_version = f"keras-{keras.__version__}-{keras.backend.backend()}"
    wanted = "keras" if rows < FEWEST_FOR_ONNX or _has_gpu() else ON_CPU.get(encoder, "keras")
    if wanted == "onnx" and all(find_spec(package) for package in ONNX_PACKAGES):
        return Engine("onnx", f"onnxruntime-{metadata.version('onnxruntime')}-{keras_version}")
    return Engine("keras", keras_version)


def _keras(encoder: Any, inputs: Inputs) -> RunEncoder:
    import tensorflow as tf

    function = tf.function(lambda *batch: encoder(*batch, training=False), reduce_retracing=True, autograph=False)
    return lambda *batch: [output.numpy() for output in tf.nest.flatten(function(*map(tf.convert_to_tensor, batch)))]


def _onnx(encoder: Any, inputs: Inputs) -> RunEncoder:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    # Without this, threads waste CPU time waiting for each other when other processes use the cores.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    model = to_onnx(encoder, inputs)
    release_memory()  # converting takes a gigabyte temporarily
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    return lambda *batch: session.run(None, dict(zip(inputs, batch, strict=True)))


def to_onnx(encoder: Any, inputs: Inputs) -> bytes:
    """Convert the encoder in inference mode to an ONNX model; its inputs have the names in `inputs`."""
    import tensorflow as tf

    signature = [tf.TensorSpec((None, *shape), dtype, name=name) for name, (dtype, shape) in inputs.items()]
    function = tf.function(lambda *batch: encoder(*batch, training=False), input_signature=signature, autograph=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # deprecation warnings of tf2onnx and of its numpy calls
        import tf2onnx

        model, _ = tf2onnx.convert.from_function(function, input_signature=signature, opset=17)
    return bytes(model.SerializeToString())


ENGINES: dict[str, Callable[[Any, Inputs], RunEncoder]] = {"keras": _keras, "onnx": _onnx}


def _has_gpu() -> bool:
    import tensorflow as tf

    return bool(tf.config.list_physical_devices("GPU"))
