"""The base class of poolings, which handles masked pictures and reviews without pictures; POOLINGS is in `__init__`."""

from typing import Any

import keras
from keras import ops

from automm.models.masks import StandIn, real_ones


class Pooling(keras.layers.Layer):
    """Base: (n, max_images, features) and a mask (n, max_images) in, one vector a review out.

    A masked-out picture never changes the result, NaN in its place included; the order of the pictures does not matter
    (but for `First`); a review without pictures gives the learned vector of `no_picture`.
    """

    hyperparameters: tuple[str, ...] = ()  # of the search space, `image/...`: arguments of the constructor
    asked_by_text = False  # whether it is called with the text's vector, (n, text_features), as well

    def __init__(self, **kwargs: Any):
        super().__init__(**kwargs)
        self.no_picture = StandIn(name="no_picture")

    def build(self, features_shape: Any, mask_shape: Any = None, text_shape: Any = None) -> None:
        self.no_picture.build(self.compute_output_shape(features_shape))

    def call(self, features: Any, mask: Any, text: Any = None) -> Any:
        features = real_ones(features, mask)
        pooled = self.pool(features, mask) if text is None else self.pool(features, mask, text)
        return self.no_picture(pooled, ops.max(mask, axis=1))

    def pool(self, features: Any, mask: Any, *text: Any) -> Any:
        """(n, size); whatever is finite for a review without pictures. Masked features are zeros already."""
        raise NotImplementedError

    def compute_output_shape(self, features_shape: Any, mask_shape: Any = None, text_shape: Any = None) -> Any:
        return (features_shape[0], features_shape[-1])


class Weighing(Pooling):
    """Base of those that give each picture a weight, which can be read out."""

    def weights_of(self, features: Any, mask: Any, *text: Any) -> Any:
        """(n, max_images) float32: 0 for masked pictures, else adding up to 1 in a review."""
        return self.weigh(real_ones(features, mask), mask, *text)

    def weigh(self, features: Any, mask: Any, *text: Any) -> Any:
        """The same of features that are zeros where they are masked."""
        raise NotImplementedError
