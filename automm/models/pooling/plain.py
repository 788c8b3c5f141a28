"""Poolings without attention: the first picture, the mean, the maximum, and a deep set."""

from typing import Any

import keras
from keras import ops

from automm.models.pooling.base import Pooling


@keras.saving.register_keras_serializable(package="automm")
class First(Pooling):
    """Return the first real picture, for example a cover picture. Parameters: features."""

    def pool(self, features: Any, mask: Any) -> Any:
        first = ops.where(ops.cumsum(mask, axis=1) == 1.0, mask, 0.0)
        return ops.sum(features * ops.expand_dims(first, -1), axis=1)


@keras.saving.register_keras_serializable(package="automm")
class MaskedMean(Pooling):
    """Average over the real pictures. Parameters: features."""

    def pool(self, features: Any, mask: Any) -> Any:
        return ops.sum(features, axis=1) / ops.maximum(ops.sum(mask, axis=1, keepdims=True), 1.0)


@keras.saving.register_keras_serializable(package="automm")
class MaskedMax(Pooling):
    """The largest value of each feature over the real pictures. Parameters: features."""

    def pool(self, features: Any, mask: Any) -> Any:
        return ops.max(ops.where(ops.expand_dims(mask, -1) > 0, features, -1e9), axis=1)


@keras.saving.register_keras_serializable(package="automm")
class SumOfSets(Pooling):
    """rho(sum of phi(h)) over the real pictures, (n, width): unlike a mean, it can count pictures.

    Zaheer et al. 2017, "Deep sets", arXiv 1703.06114, theorem 2; phi and rho are a dense layer with ReLU each.
    Parameters: (features + 1) * width + (width + 1) * width + width.

    Args:
        width: of phi and rho.
    """

    def __init__(self, width: int = 128, **kwargs: Any):
        super().__init__(**kwargs)
        self.width = width
        self.phi = keras.layers.Dense(width, activation="relu", name="phi")
        self.rho = keras.layers.Dense(width, activation="relu", name="rho")

    def build(self, features_shape: Any, mask_shape: Any = None, text_shape: Any = None) -> None:
        super().build(features_shape)
        self.phi.build(features_shape)
        self.rho.build((features_shape[0], self.width))

    def pool(self, features: Any, mask: Any) -> Any:
        return self.rho(ops.sum(self.phi(features) * ops.expand_dims(mask, -1), axis=1))

    def compute_output_shape(self, features_shape: Any, mask_shape: Any = None, text_shape: Any = None) -> Any:
        return (features_shape[0], self.width)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "width": self.width}
