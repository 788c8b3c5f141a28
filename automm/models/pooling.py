"""Several pictures of one review become one vector.

Each pooling takes (n, max_images, features) and the mask (n, max_images), and returns (n, features). A masked-out
picture never changes the result, the order of the pictures does not matter, and a review without pictures gives zeros.
"""

from typing import Any

import keras
from keras import ops


class Pooling(keras.layers.Layer):
    """Base of all poolings."""

    hyperparameters: tuple[str, ...] = ()  # of the search space, `image/...`; arguments of the constructor


@keras.saving.register_keras_serializable(package="automm")
class MaskedMean(Pooling):
    """Average over the real pictures."""

    def call(self, features: Any, mask: Any) -> Any:
        weight = ops.expand_dims(mask, -1)
        # 0 * NaN would be NaN, so what is masked is replaced and not only weighted down.
        total = ops.sum(ops.where(weight > 0, features, 0.0), axis=1)
        return total / ops.maximum(ops.sum(weight, axis=1), 1.0)


@keras.saving.register_keras_serializable(package="automm")
class MaskedMax(Pooling):
    """The largest value of each feature over the real pictures."""

    def call(self, features: Any, mask: Any) -> Any:
        mask = ops.expand_dims(mask, -1)
        highest = ops.max(ops.where(mask > 0, features, -1e9), axis=1)
        return ops.where(ops.max(mask, axis=1) > 0, highest, 0.0)


@keras.saving.register_keras_serializable(package="automm")
class GatedAttention(Pooling):
    """Weights of their own for each picture: softmax over w . (tanh(V h) * sigmoid(U h)).

    Ilse, Tomczak and Welling 2018, "Attention-based deep multiple instance learning", arXiv 1802.04712, equation 9.

    Args:
        width: rows of V and U.
    """

    def __init__(self, width: int = 64, **kwargs: Any):
        super().__init__(**kwargs)
        self.width = width
        self.content = keras.layers.Dense(width, activation="tanh", name="content")
        self.gate = keras.layers.Dense(width, activation="sigmoid", name="gate")
        self.score = keras.layers.Dense(1, use_bias=False, name="score")

    def build(self, features_shape: Any, mask_shape: Any = None) -> None:
        self.content.build(features_shape)
        self.gate.build(features_shape)
        self.score.build((*features_shape[:-1], self.width))

    def weights_of(self, features: Any, mask: Any) -> Any:
        """(n, max_images) float32: 0 for masked pictures, else adding up to 1 in a review."""
        scores = ops.squeeze(self.score(self.content(features) * self.gate(features)), -1)
        scores = ops.where(mask > 0, scores, -1e9)
        # Written out, because Keras warns of a softmax over one picture, and a review without any has to give zeros.
        exponents = ops.exp(scores - ops.max(scores, axis=-1, keepdims=True)) * mask
        return exponents / ops.maximum(ops.sum(exponents, axis=-1, keepdims=True), 1e-9)

    def call(self, features: Any, mask: Any) -> Any:
        features = ops.where(ops.expand_dims(mask, -1) > 0, features, 0.0)
        return ops.sum(features * ops.expand_dims(self.weights_of(features, mask), -1), axis=1)

    def compute_output_shape(self, features_shape: Any, mask_shape: Any = None) -> Any:
        return (features_shape[0], features_shape[-1])

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "width": self.width}


POOLINGS: dict[str, Any] = {"mean": MaskedMean, "max": MaskedMax, "gated_attention": GatedAttention}
