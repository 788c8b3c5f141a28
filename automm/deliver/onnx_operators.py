"""Operators of TensorFlow that tf2onnx lacks, as operators of ONNX."""

from functools import cache
from typing import Any


@cache
def add_operators() -> None:
    """Teach tf2onnx the operator Erfc, with which Keras computes an exact GELU: erfc(x) = 1 - erf(x).

    Without it, tf2onnx writes a model that no engine can load.
    """
    import numpy as np
    from tf2onnx.handler import tf_op
    from tf2onnx.utils import make_name

    @tf_op("Erfc")
    class Erfc:
        @classmethod
        def version_9(cls, ctx: Any, node: Any, **kwargs: Any) -> None:
            output = node.output[0]
            shape, dtype = ctx.get_shape(output), ctx.get_dtype(output)
            ctx.remove_node(node.name)
            one = ctx.make_const(make_name("one"), np.float32(1))
            erf = ctx.make_node("Erf", node.input, shapes=[shape], dtypes=[dtype])
            ctx.make_node("Sub", [one.output[0], erf.output[0]], outputs=[output], shapes=[shape], dtypes=[dtype])
