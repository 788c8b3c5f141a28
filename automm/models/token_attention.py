"""A trained read-out of the text: attention over tokens."""

from typing import Any

import keras
from keras import ops

from automm.models.masks import masked_softmax, zero_masked


@keras.saving.register_keras_serializable(package="automm")
class TokenAttention(keras.layers.Layer):
    """Reduce (n, length, features) with a mask (n, length) to (n, features): the sum of softmax(c . tanh(W h + b)) * h.

    Yang et al. 2016, "Hierarchical attention networks for document classification" (NAACL), equations 5 to 7. The
    result is normalised, because other read-outs are standardised; it is zeros if everything is masked.
    Parameters: (features + 1) * width + width + 2 * features.

    Args:
        width: rows of W.
    """

    def __init__(self, width: int = 64, **kwargs: Any):
        super().__init__(**kwargs)
        self.width = width
        self.content = keras.layers.Dense(width, activation="tanh", name="content")
        self.score = keras.layers.Dense(1, use_bias=False, name="score")
        self.norm = keras.layers.LayerNormalization(epsilon=1e-6, name="norm")

    def build(self, states_shape: Any, mask_shape: Any = None) -> None:
        self.content.build(states_shape)
        self.score.build((*states_shape[:-1], self.width))
        self.norm.build((states_shape[0], states_shape[-1]))

    def call(self, states: Any, mask: Any) -> Any:
        states = zero_masked(states, mask)
        weights = masked_softmax(ops.squeeze(self.score(self.content(states)), -1), mask)
        read = self.norm(ops.sum(states * ops.expand_dims(weights, -1), axis=1))
        return ops.where(ops.max(mask, axis=1, keepdims=True) > 0, read, 0.0)

    def compute_output_shape(self, states_shape: Any, mask_shape: Any = None) -> Any:
        return (states_shape[0], states_shape[-1])

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "width": self.width}
