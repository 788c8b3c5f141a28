"""Poolings with attention over the pictures: by their content, or with the text as the query."""

from typing import Any

import keras
from keras import ops

from automm.models.masks import masked_softmax
from automm.models.pooling.base import AttentionPooling


@keras.saving.register_keras_serializable(package="automm")
class GatedAttention(AttentionPooling):
    """Weights computed from the pictures' own features: softmax over w . (tanh(V h) * sigmoid(U h)).

    Ilse, Tomczak and Welling 2018, "Attention-based deep multiple instance learning", arXiv 1802.04712, equation 9.
    Parameters: 2 * (features + 1) * width + width + features.

    Args:
        width: rows of V and U.
    """

    def __init__(self, width: int = 64, **kwargs: Any):
        super().__init__(**kwargs)
        self.width = width
        self.content = keras.layers.Dense(width, activation="tanh", name="content")
        self.gate = keras.layers.Dense(width, activation="sigmoid", name="gate")
        self.score = keras.layers.Dense(1, use_bias=False, name="score")

    def build(self, features_shape: Any, mask_shape: Any = None, text_shape: Any = None) -> None:
        super().build(features_shape)
        self.content.build(features_shape)
        self.gate.build(features_shape)
        self.score.build((*features_shape[:-1], self.width))

    def weigh(self, features: Any, mask: Any) -> Any:
        scores = ops.squeeze(self.score(self.content(features) * self.gate(features)), -1)
        return masked_softmax(scores, mask)

    def pool(self, features: Any, mask: Any) -> Any:
        return ops.sum(features * ops.expand_dims(self.weigh(features, mask), -1), axis=1)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "width": self.width}


@keras.saving.register_keras_serializable(package="automm")
class TextAttention(AttentionPooling):
    """The text is the query, the pictures are the keys: softmax over (Q t) . (K h) / sqrt(width / heads), in each head.

    Truong and Lauw 2019, "VistaNet: visual aspect attention network for multimodal sentiment analysis" (AAAI), showed
    the use of attention between text and pictures; the attention here is the scaled dot product of Vaswani et al. 2017,
    arXiv 1706.03762, equation 1. The values are the features themselves: feature j is weighted by head j modulo
    `heads`, and a single picture is returned unchanged. The query of a review without text is the bias of Q.
    Parameters: (text_features + 1) * width + (features + 1) * width + features.

    Args:
        heads: number of queries per text; they share `width`.
        width: rows of Q and K.

    Raises:
        ValueError: `width` is not a multiple of `heads`.
    """

    hyperparameters = ("heads",)
    uses_text = True

    def __init__(self, heads: int = 1, width: int = 64, **kwargs: Any):
        super().__init__(**kwargs)
        if width % heads:
            raise ValueError(f"text attention: width {width} is not a multiple of {heads} heads")
        self.heads, self.width = heads, width
        self.question = keras.layers.Dense(width, name="question")
        self.key = keras.layers.Dense(width, name="key")

    def build(self, features_shape: Any, mask_shape: Any = None, text_shape: Any = None) -> None:
        super().build(features_shape)
        self.question.build(text_shape)
        self.key.build(features_shape)

    def weights_by_head(self, features: Any, mask: Any, text: Any) -> Any:
        """Return the weights of each head, (n, heads, max_images) float32."""
        size = self.width // self.heads
        question = ops.reshape(self.question(text), (-1, self.heads, size))
        key = ops.reshape(self.key(features), (-1, features.shape[1], self.heads, size))
        scores = ops.einsum("nhs,nphs->nhp", question, key) / size**0.5
        return masked_softmax(scores, ops.expand_dims(mask, 1))

    def weigh(self, features: Any, mask: Any, text: Any) -> Any:
        return ops.mean(self.weights_by_head(features, mask, text), axis=1)

    def pool(self, features: Any, mask: Any, text: Any) -> Any:
        heads = [feature % self.heads for feature in range(features.shape[-1])]
        weights = ops.take(self.weights_by_head(features, mask, text), heads, axis=1)
        return ops.einsum("npf,nfp->nf", features, weights)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "heads": self.heads, "width": self.width}
