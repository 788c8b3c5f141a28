"""Pack all inputs of a review into one flat tensor, which a layer of the model unpacks.

The inputs of a review are concatenated in one float32 row, and the layout gives their order and shapes. Token ids below
2**24 and bytes are exact in float32, so a model returns the same numbers packed or not. Data is packed batch by batch.
"""

import math
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
from keras import ops

Layout = list[dict[str, Any]]


def layout_of(model: Any) -> Layout:
    """Return the layout of a model's packed row, [{name, shape, dtype}], in the order of the model's inputs."""
    return [{"name": tensor.name, "shape": list(tensor.shape[1:]), "dtype": tensor.dtype} for tensor in model.inputs]


def width_of(layout: Layout) -> int:
    """Return the length of a packed row."""
    return sum(math.prod(part["shape"]) for part in layout)


def pack(batch: Mapping[str, np.ndarray], layout: Layout) -> np.ndarray:
    """Pack a batch of named arrays into (n, width) float32."""
    rows = len(next(iter(batch.values())))
    return np.concatenate([np.asarray(batch[part["name"]], np.float32).reshape(rows, -1) for part in layout], axis=1)


@keras.saving.register_keras_serializable(package="automm")
class Unpack(keras.layers.Layer):
    """Unpack (n, width) float32 into a dict of the arrays of `layout`, each with its shape and dtype."""

    def __init__(self, layout: Layout, **kwargs: Any):
        super().__init__(**kwargs)
        self.layout = [dict(part) for part in layout]

    def call(self, packed: Any) -> dict[str, Any]:
        arrays, start = {}, 0
        for part in self.layout:
            end = start + math.prod(part["shape"])
            array = ops.reshape(packed[:, start:end], (-1, *part["shape"]))
            arrays[part["name"]] = ops.cast(array, part["dtype"])
            start = end
        return arrays

    def compute_output_spec(self, packed: Any) -> dict[str, Any]:
        return {
            part["name"]: keras.KerasTensor((packed.shape[0], *part["shape"]), part["dtype"]) for part in self.layout
        }

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "layout": self.layout}


def wrap(model: Any) -> Any:
    """Return the model with one packed input named `packed` in place of its inputs."""
    layout = layout_of(model)
    packed = keras.Input((width_of(layout),), name="packed", dtype="float32")
    return keras.Model(packed, model(Unpack(layout, name="unpack")(packed)), name=f"packed_{model.name}")


def packed_layout(model: Any) -> Layout | None:
    """Return the layout of a model that `wrap` returned, None for any other model."""
    unpack = [layer for layer in model.layers if isinstance(layer, Unpack)]
    return unpack[0].layout if unpack else None


def unwrap(model: Any) -> Any:
    """Return the model inside a model that `wrap` returned; any other model unchanged."""
    if packed_layout(model) is None:
        return model
    (inner,) = [layer for layer in model.layers if isinstance(layer, keras.Model)]
    return inner
