"""Functions and layers that apply masks: masked values have no effect."""

from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="automm")
class StandIn(keras.layers.Layer):
    """Replace the rows of (n, features) whose mask (n,) is 0 with a learned vector.

    The vector is initialised with zeros, the mean of standardised features. It is trained on rows whose modality is
    missing in the data or dropped by modality dropout. Parameters: features.
    """

    def build(self, vector_shape: Any, mask_shape: Any = None) -> None:
        self.vector = self.add_weight(shape=(vector_shape[-1],), initializer="zeros", name="vector")

    def call(self, vector: Any, mask: Any) -> Any:
        return ops.where(ops.expand_dims(mask, -1) > 0, vector, self.vector)

    def compute_output_shape(self, vector_shape: Any, mask_shape: Any = None) -> Any:
        return vector_shape


def zero_masked(features: Any, mask: Any) -> Any:
    """Set masked features to zero. They are replaced, not multiplied by 0, because 0 * NaN is NaN.

    Args:
        features: (..., places, features).
        mask: (..., places), 1 where a place is real.
    """
    return ops.where(ops.expand_dims(mask, -1) > 0, features, 0.0)


def masked_softmax(scores: Any, mask: Any) -> Any:
    """Compute the softmax over the last axis; 0 where the mask is 0, and all zeros if everything is masked.

    Args:
        scores: (..., places).
        mask: of a shape that can be broadcast to the scores.
    """
    scores = ops.where(mask > 0, scores, -1e9)
    # Not keras.ops.softmax: it warns for a single picture, and a review without pictures must give zeros.
    exponents = ops.where(mask > 0, ops.exp(scores - ops.max(scores, axis=-1, keepdims=True)), 0.0)
    return exponents / ops.maximum(ops.sum(exponents, axis=-1, keepdims=True), 1e-9)
