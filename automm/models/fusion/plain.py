"""Fusions without weights after the projections: concatenation, sum, product.

Parameters of each: the sum over modalities of (features_i + 1) * width.
"""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from automm.models.fusion.base import Fusion, elementwise_product


@keras.saving.register_keras_serializable(package="automm")
class Concatenation(Fusion):
    """Concatenates projections with ReLU: (n, modalities * width)."""

    activation = "relu"

    def call(self, vectors: Sequence[Any]) -> Any:
        return ops.concatenate(self.projected(vectors), axis=-1)

    def compute_output_shape(self, input_shape: Sequence[Any]) -> Any:
        return (input_shape[0][0], self.width * len(input_shape))


@keras.saving.register_keras_serializable(package="automm")
class Sum(Fusion):
    """Adds projections with ReLU: (n, width)."""

    activation = "relu"

    def call(self, vectors: Sequence[Any]) -> Any:
        return sum(self.projected(vectors))


@keras.saving.register_keras_serializable(package="automm")
class Product(Fusion):
    """Concatenates the projections and the elementwise product of 1 + projection: (n, (modalities + 1) * width).

    Because of the 1, a modality whose projection is zero does not change the product.
    """

    def call(self, vectors: Sequence[Any]) -> Any:
        projected = self.projected(vectors)
        product = elementwise_product([1.0 + vector for vector in projected])
        return ops.concatenate([*projected, product - 1.0], axis=-1)

    def compute_output_shape(self, input_shape: Sequence[Any]) -> Any:
        return (input_shape[0][0], self.width * (len(input_shape) + 1))
