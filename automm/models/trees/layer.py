"""Layers of boosted trees: from features to answers, as arrays that Keras and ONNX save without code."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from automm.models.keras_internals import layers_within
from automm.models.trees.arrays import BoostedTrees


@keras.saving.register_keras_serializable(package="automm")
class TreeSum(keras.layers.Layer):
    """Follow all trees of a `BoostedTrees` at once, a gather of nodes for each level, and add up what their leaves say:
    (n, features) float32 to (n, outputs) float32.

    The trees are weights, which training never changes; no gradient passes through them.

    Args:
        nodes, iterations, depth, columns, outputs: the sizes of a `BoostedTrees`, and its columns.
    """

    def __init__(self, nodes: int, iterations: int, depth: int, columns: Sequence[int], outputs: int, **kwargs: Any):
        super().__init__(**{"dtype": "float32", "trainable": False, **kwargs})
        self.sizes = {"nodes": nodes, "iterations": iterations, "depth": depth, "outputs": outputs}
        self.depth, self.columns = depth, [int(column) for column in columns]
        shapes = {"splits": (nodes, 5), "values": (nodes,), "roots": (iterations, len(columns)), "start": (outputs,)}
        self.arrays = {
            name: self.add_weight(
                shape=shape,
                dtype="int32" if name == "roots" else "float32",
                initializer="zeros",
                trainable=False,
                name=name,
            )
            for name, shape in shapes.items()
        }
        self.built = True

    @classmethod
    def of(cls, trees: BoostedTrees, **kwargs: Any) -> "TreeSum":
        """Return a layer with these trees."""
        layer = cls(len(trees.values), len(trees.roots), trees.depth, trees.columns, len(trees.start), **kwargs)
        for name, weight in layer.arrays.items():
            weight.assign(getattr(trees, name))
        return layer

    def call(self, features: Any) -> Any:
        iterations, of_iteration = self.arrays["roots"].shape
        rows, width = ops.shape(features)[0], features.shape[-1]
        # A feature of a row is found by one number in the flat features: a plain gather, which ONNX has too.
        flat, begin = ops.reshape(features, (-1,)), ops.expand_dims(ops.arange(rows, dtype="int32") * width, 1)
        node = ops.tile(ops.reshape(self.arrays["roots"], (1, iterations * of_iteration)), (rows, 1))
        for _ in range(self.depth):
            feature, threshold, left, right, missing = ops.unstack(
                ops.take(self.arrays["splits"], node, axis=0), 5, axis=-1
            )
            value = ops.take(flat, begin + ops.cast(feature, "int32"))
            following = ops.where(ops.isnan(value), missing, ops.where(value <= threshold, left, right))
            node = ops.cast(following, "int32")
        leaves = ops.reshape(ops.take(self.arrays["values"], node), (-1, iterations, of_iteration))
        # Products with 0 and 1 and sums, not a matrix product: with TF32 that has three digits.
        places = np.eye(self.sizes["outputs"], dtype=np.float32)[self.columns]
        return ops.sum(ops.expand_dims(ops.sum(leaves, axis=1), -1) * places, axis=1) + self.arrays["start"]

    def compute_output_shape(self, features_shape: Any) -> Any:
        return (features_shape[0], self.sizes["outputs"])

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), **self.sizes, "columns": self.columns}


@keras.saving.register_keras_serializable(package="automm")
class FromLogarithm(keras.layers.Layer):
    """Return exp(x) - offset, for answers that were learned as log(number + offset).

    Args:
        offset: 0.0 if all numbers are positive, 1.0 if some are zero.
    """

    def __init__(self, offset: float, **kwargs: Any):
        super().__init__(**kwargs)
        self.offset = float(offset)

    def call(self, values: Any) -> Any:
        return ops.exp(values) - self.offset

    def compute_output_shape(self, values_shape: Any) -> Any:
        return values_shape

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "offset": self.offset}


def has_trees(model: Any) -> bool:
    """Return whether a model, or a model within it, has boosted trees."""
    return any(isinstance(layer, TreeSum) for layer in layers_within(model))
