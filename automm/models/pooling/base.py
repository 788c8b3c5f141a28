"""The base classes of poolings: they mask pictures, and give reviews without pictures a learned vector.

`POOLINGS` in `models/pooling/__init__` names the poolings.
"""

from typing import Any

import keras
from keras import ops

from automm.models.masks import StandIn, zero_masked


class Pooling(keras.layers.Layer):
    """Base: pools (n, max_images, features) with a mask (n, max_images) into one vector per review, (n, size).

    A masked picture never changes the result, even if it is NaN. The order of the pictures does not matter, except in
    `First`. A review without pictures gives the learned vector of `no_picture`.
    """

    hyperparameters: tuple[str, ...] = ()  # of the search space, `image/...`: arguments of the constructor
    uses_text = False  # whether it also takes the text's vector, (n, text_features)

    def __init__(self, **kwargs: Any):
        super().__init__(**kwargs)
        self.no_picture = StandIn(name="no_picture")

    def build(self, features_shape: Any, mask_shape: Any = None, text_shape: Any = None) -> None:
        self.no_picture.build(self.compute_output_shape(features_shape))

    def call(self, features: Any, mask: Any, text: Any = None) -> Any:
        features = zero_masked(features, mask)
        pooled = self.pool(features, mask) if text is None else self.pool(features, mask, text)
        return self.no_picture(pooled, ops.max(mask, axis=1))

    def pool(self, features: Any, mask: Any, *text: Any) -> Any:
        """Return (n, size), any finite numbers for a review without pictures. Masked features are already zeros."""
        raise NotImplementedError

    def compute_output_shape(self, features_shape: Any, mask_shape: Any = None, text_shape: Any = None) -> Any:
        return (features_shape[0], features_shape[-1])


class AttentionPooling(Pooling):
    """Base of poolings that compute a weight for each picture."""

    def weights_of(self, features: Any, mask: Any, *text: Any) -> Any:
        """Return the weights, (n, max_images) float32: 0 for masked pictures; the others of a review add up to 1."""
        return self.weigh(zero_masked(features, mask), mask, *text)

    def weigh(self, features: Any, mask: Any, *text: Any) -> Any:
        """Return the weights like `weights_of`; masked features are already zeros."""
        raise NotImplementedError
