"""What a frozen encoder runs on. Chosen by a table, not by a stopwatch: the same machine gives the same features.

Engines agree to a cosine of 0.99999 or better, not to the last digit, so that the engine is part of an entry's key.
"""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import metadata
from importlib.util import find_spec
from typing import Any

import numpy as np

from automm.search.memory import give_back

Run = Callable[[np.ndarray], Sequence[np.ndarray]]

# By encoder, on a CPU; whatever is not named, and every GPU, runs on Keras. Measured by
# experiments/benchmarks/encode_rate.py: on pictures ONNX Runtime is 2.4 times as fast, on texts by length it is not,
# and converting a BERT takes 40 s. XLA gains nothing on texts here and compiles every shape for a second; it must never
# compile depthwise convolutions for a CPU, which then run ten times slower.
ON_CPU = {
    "efficientnet-lite0": "onnx",
    "efficientnet-lite1": "onnx",
    "efficientnet-lite2": "onnx",
}
FEWEST_FOR_ONNX = 1000  # converting takes as long as is saved on so many pictures
ONNX_PACKAGES = ("onnxruntime", "tf2onnx", "onnx")  # the extra automm[fast]


@dataclass(frozen=True)
class Engine:
    """A way to run an encoder.

    Attributes:
        name: one of ENGINES.
        version: the name, and the versions that may change the numbers.
    """

    name: str
    version: str

    def start(self, encoder: Any, dtype: Any, shape: Sequence[int | None]) -> Run:
        """Make the encoder ready.

        Args:
            encoder: a layer of `models/encoders/sources`.
            dtype, shape: of one row of its input; None is a length that varies.

        Returns:
            A function from (n, *shape) to all that the encoder yields in inference mode, in order.
        """
        return ENGINES[self.name](encoder, dtype, shape)


def engine_for(encoder: str, rows: int) -> Engine:
    """The engine for so many rows of an encoder by its name. ONNX Runtime only where its packages are installed."""
    import keras

    keras_version = f"keras-{keras.__version__}-{keras.backend.backend()}"
    wanted = "keras" if rows < FEWEST_FOR_ONNX or _has_gpu() else ON_CPU.get(encoder, "keras")
    if wanted == "onnx" and all(find_spec(package) for package in ONNX_PACKAGES):
        return Engine("onnx", f"onnxruntime-{metadata.version('onnxruntime')}-{keras_version}")
    return Engine("keras", keras_version)


def _keras(encoder: Any, dtype: Any, shape: Sequence[int | None]) -> Run:
    import tensorflow as tf

    function = tf.function(lambda batch: encoder(batch, training=False), reduce_retracing=True, autograph=False)
    return lambda batch: [output.numpy() for output in tf.nest.flatten(function(tf.convert_to_tensor(batch)))]


def _onnx(encoder: Any, dtype: Any, shape: Sequence[int | None]) -> Run:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    # Its threads would burn their time waiting for each other where other processes have the cores.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    model = to_onnx(encoder, dtype, shape)
    give_back()  # converting takes a gigabyte for a moment
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    return lambda batch: session.run(None, {"batch": batch})


def to_onnx(encoder: Any, dtype: Any, shape: Sequence[int | None]) -> bytes:
    """The encoder in inference mode as an ONNX model; its input is called `batch`. Arguments as in `Engine.start`."""
    import tensorflow as tf

    signature = [tf.TensorSpec((None, *shape), dtype, name="batch")]
    function = tf.function(lambda batch: encoder(batch, training=False), input_signature=signature, autograph=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # tf2onnx and its numpy calls warn of their own future
        import tf2onnx

        model, _ = tf2onnx.convert.from_function(function, input_signature=signature, opset=17)
    return bytes(model.SerializeToString())


ENGINES: dict[str, Callable[[Any, Any, Sequence[int | None]], Run]] = {"keras": _keras, "onnx": _onnx}


def _has_gpu() -> bool:
    import tensorflow as tf

    return bool(tf.config.list_physical_devices("GPU"))
