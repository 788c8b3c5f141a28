"""What is masked is as if it were not there."""

from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="automm")
class StandIn(keras.layers.Layer):
    """(n, features) and a mask (n,) in: a learned vector where the mask is 0.

    It begins as zeros, which is the mean of standardised features, and learns from rows whose modality is absent, of
    itself or by modality dropout. Parameters: features.
    """

    def build(self, vector_shape: Any, mask_shape: Any = None) -> None:
        self.vector = self.add_weight(shape=(vector_shape[-1],), initializer="zeros", name="vector")

    def call(self, vector: Any, mask: Any) -> Any:
        return ops.where(ops.expand_dims(mask, -1) > 0, vector, self.vector)

    def compute_output_shape(self, vector_shape: Any, mask_shape: Any = None) -> Any:
        return vector_shape


def real_ones(features: Any, mask: Any) -> Any:
    """Zeros in masked places. 0 * NaN would be NaN, so what is masked is replaced and not only weighted down."""
    return ops.where(ops.expand_dims(mask, -1) > 0, features, 0.0)


def masked_softmax(scores: Any, mask: Any) -> Any:
    """Over the last axis: 0 where the mask is 0, and everywhere where all of it is 0.

    Args:
        scores: (..., places).
        mask: of a shape that broadcasts against it.
    """
    scores = ops.where(mask > 0, scores, -1e9)
    # Written out, because Keras warns of a softmax over one picture, and a review without any has to give zeros.
    exponents = ops.where(mask > 0, ops.exp(scores - ops.max(scores, axis=-1, keepdims=True)), 0.0)
    return exponents / ops.maximum(ops.sum(exponents, axis=-1, keepdims=True), 1e-9)
