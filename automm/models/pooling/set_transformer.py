"""A set transformer of one layer: pictures attend to each other before they are pooled."""

from typing import Any

import keras
from keras import ops

from automm.models.masks import masked_softmax
from automm.models.pooling.base import AttentionPooling


@keras.saving.register_keras_serializable(package="automm")
class SetTransformer(AttentionPooling):
    """PMA(SAB(W h)): self-attention among the pictures, then attention by one learned seed, (n, width).

    Lee et al. 2019, "Set transformer: a framework for attention-based permutation-invariant neural networks",
    arXiv 1810.00825, equations 6 to 8 and 11. Its induced blocks (ISAB) save work on sets of hundreds; for the few
    pictures of a review, SAB itself is cheaper. `weights_of` returns the weights of the seed, averaged over the heads;
    they are weights of pictures after self-attention.
    Parameters: (features + 1) * width + 11 * (width + 1) * width + 10 * width.

    Args:
        heads: of both attention blocks; they share `width`.
        width: of the output.
    """

    hyperparameters = ("heads",)

    def __init__(self, heads: int = 1, width: int = 64, **kwargs: Any):
        super().__init__(**kwargs)
        self.heads, self.width = heads, width
        self.entry = keras.layers.Dense(width, name="entry")
        self.among = AttentionBlock(heads, width, name="among")
        self.before_seed = keras.layers.Dense(width, activation="relu", name="before_seed")
        self.by_seed = AttentionBlock(heads, width, name="by_seed")

    def build(self, features_shape: Any, mask_shape: Any = None, text_shape: Any = None) -> None:
        super().build(features_shape)
        inner = (*features_shape[:-1], self.width)
        self.entry.build(features_shape)
        self.among.build(inner)
        self.before_seed.build(inner)
        self.by_seed.build(inner)
        self.seed = self.add_weight(shape=(1, 1, self.width), initializer="glorot_uniform", name="seed")

    def attended(self, features: Any, mask: Any) -> Any:
        """Return the pictures after self-attention, (n, max_images, width)."""
        projected = self.entry(features)
        return self.before_seed(self.among(projected, projected, mask))

    def seeds(self, features: Any) -> Any:
        """Repeat the seed for each review: (n, 1, width)."""
        return ops.repeat(self.seed, ops.shape(features)[0], axis=0)

    def weigh(self, features: Any, mask: Any) -> Any:
        weights = self.by_seed.weights_by_head(self.seeds(features), self.attended(features, mask), mask)
        return ops.mean(weights[:, :, 0], axis=1)

    def pool(self, features: Any, mask: Any) -> Any:
        return self.by_seed(self.seeds(features), self.attended(features, mask), mask)[:, 0]

    def compute_output_shape(self, features_shape: Any, mask_shape: Any = None, text_shape: Any = None) -> Any:
        return (features_shape[0], self.width)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "heads": self.heads, "width": self.width}


@keras.saving.register_keras_serializable(package="automm")
class AttentionBlock(keras.layers.Layer):
    """MAB(X, Y) = norm(H + rFF(H)) with H = norm(X + attention of X on Y), (n, x, width).

    Lee et al. 2019, equations 6 and 7; rFF is one dense layer with ReLU, as in the authors' code.
    Parameters: 5 * (width + 1) * width + 4 * width.

    Args:
        heads: number of attention heads; they share `width`.
        width: of X, of Y, and of the output.

    Raises:
        ValueError: `width` is not a multiple of `heads`.
    """

    def __init__(self, heads: int, width: int, **kwargs: Any):
        super().__init__(**kwargs)
        if width % heads:
            raise ValueError(f"attention: width {width} is not a multiple of {heads} heads")
        self.heads, self.width = heads, width
        self.question, self.key, self.value, self.merge = (
            keras.layers.Dense(width, name=name) for name in ("question", "key", "value", "merge")
        )
        self.forward = keras.layers.Dense(width, activation="relu", name="forward")
        self.first_norm = keras.layers.LayerNormalization(epsilon=1e-6, name="first_norm")
        self.second_norm = keras.layers.LayerNormalization(epsilon=1e-6, name="second_norm")

    def build(self, x_shape: Any, y_shape: Any = None, mask_shape: Any = None) -> None:
        for layer in (self.question, self.key, self.value, self.merge, self.forward, self.first_norm, self.second_norm):
            layer.build(x_shape)

    def weights_by_head(self, x: Any, y: Any, mask: Any) -> Any:
        """Return the weights of each head, (n, heads, x, y) float32; 0 where `mask`, (n, y), is 0."""
        scores = ops.einsum("nxhs,nyhs->nhxy", self._split_heads(self.question(x)), self._split_heads(self.key(y)))
        return masked_softmax(scores / (self.width // self.heads) ** 0.5, mask[:, None, None, :])

    def call(self, x: Any, y: Any, mask: Any) -> Any:
        answer = ops.einsum("nhxy,nyhs->nxhs", self.weights_by_head(x, y, mask), self._split_heads(self.value(y)))
        hidden = self.first_norm(x + self.merge(ops.reshape(answer, (-1, ops.shape(x)[1], self.width))))
        return self.second_norm(hidden + self.forward(hidden))

    def compute_output_shape(self, x_shape: Any, y_shape: Any = None, mask_shape: Any = None) -> Any:
        return (*x_shape[:-1], self.width)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "heads": self.heads, "width": self.width}

    def _split_heads(self, values: Any) -> Any:
        """Reshape (n, places, width) to (n, places, heads, width / heads)."""
        return ops.reshape(values, (-1, ops.shape(values)[1], self.heads, self.width // self.heads))
