"""Fusions without weights of their own behind the projections: side by side, added, multiplied.

Parameters of each: the sum over modalities of (features_i + 1) * width.
"""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from automm.models.fusion.base import Fusion, multiplied


@keras.saving.register_keras_serializable(package="automm")
class Concatenation(Fusion):
    """Projections with ReLU, side by side: (n, modalities * width)."""

    activation = "relu"

    def call(self, vectors: Sequence[Any]) -> Any:
        return ops.concatenate(self.projected(vectors), axis=-1)

    def compute_output_shape(self, input_shape: Sequence[Any]) -> Any:
        return (input_shape[0][0], self.width * len(input_shape))


@keras.saving.register_keras_serializable(package="automm")
class Sum(Fusion):
    """Projections with ReLU, added: (n, width)."""

    activation = "relu"

    def call(self, vectors: Sequence[Any]) -> Any:
        return sum(self.projected(vectors))


@keras.saving.register_keras_serializable(package="automm")
class Product(Fusion):
    """The elementwise product of 1 + projection, beside the projections: (n, (modalities + 1) * width).

    One is added so that a modality that says nothing (zeros) leaves the product as it is.
    """

    def call(self, vectors: Sequence[Any]) -> Any:
        projected = self.projected(vectors)
        product = multiplied([1.0 + vector for vector in projected])
        return ops.concatenate([*projected, product - 1.0], axis=-1)

    def compute_output_shape(self, input_shape: Sequence[Any]) -> Any:
        return (input_shape[0][0], self.width * (len(input_shape) + 1))
