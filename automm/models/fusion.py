"""The vectors of several modalities become one.

Each fusion takes a list of two or more vectors (n, features_i), projects each to `width`, and returns one (n, out).
"""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops


class Fusion(keras.layers.Layer):
    """Base: one projection a modality.

    Args:
        width: the size of each projection.
        activation: after the projection, or None.
    """

    hyperparameters: tuple[str, ...] = ("width",)  # of the search space, `fusion/width`; arguments of the constructor
    projection_scale = 1.0  # variance of a projection's output for inputs of variance 1, before training
    first_bias = "zeros"

    def __init__(self, width: int = 128, activation: str | None = None, **kwargs: Any):
        super().__init__(**kwargs)
        self.width = width
        self.activation = activation
        self.projections: list[Any] = []

    def build(self, input_shape: Sequence[Any]) -> None:
        self.projections = [
            keras.layers.Dense(
                self.width,
                activation=self.activation,
                kernel_initializer=keras.initializers.VarianceScaling(self.projection_scale, "fan_in"),
                bias_initializer=self.first_bias,
                name=f"projection_{place}",
            )
            for place in range(len(input_shape))
        ]
        for projection, shape in zip(self.projections, input_shape, strict=True):
            projection.build(shape)

    def projected(self, vectors: Sequence[Any]) -> list[Any]:
        return [layer(vector) for layer, vector in zip(self.projections, vectors, strict=True)]

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "width": self.width, "activation": self.activation}


@keras.saving.register_keras_serializable(package="automm")
class Concatenation(Fusion):
    """Projections side by side: (n, modalities * width)."""

    def __init__(self, width: int = 128, activation: str | None = "relu", **kwargs: Any):
        super().__init__(width, activation, **kwargs)

    def call(self, vectors: Sequence[Any]) -> Any:
        return ops.concatenate(self.projected(vectors), axis=-1)

    def compute_output_shape(self, input_shape: Sequence[Any]) -> Any:
        return (input_shape[0][0], self.width * len(input_shape))


@keras.saving.register_keras_serializable(package="automm")
class Product(Fusion):
    """The elementwise product of 1 + projection, beside the projections: (n, (modalities + 1) * width).

    One is added so that a modality that says nothing (zeros) leaves the product as it is.
    """

    def call(self, vectors: Sequence[Any]) -> Any:
        projected = self.projected(vectors)
        product = ops.ones_like(projected[0])
        for vector in projected:
            product = product * (1.0 + vector)
        return ops.concatenate([*projected, product - 1.0], axis=-1)

    def compute_output_shape(self, input_shape: Sequence[Any]) -> Any:
        return (input_shape[0][0], self.width * (len(input_shape) + 1))


@keras.saving.register_keras_serializable(package="automm")
class LowRankBilinear(Fusion):
    """Hadamard product of tanh projections, projected again: P^T (tanh(U^T x) * tanh(V^T y)), (n, width).

    Kim et al. 2017, "Hadamard product for low-rank bilinear pooling" (MLB), arXiv 1610.04325, equation 6. The rank is
    `width`. A modality that is absent (zeros) leaves only the bias of its projection.
    """

    projection_scale = 0.1  # at 1.0 the tanh of standardised features is saturated and nothing is learned
    first_bias = "ones"  # tanh(1 + u) tanh(1 + v) has terms in u and in v alone, so each modality learns from the start

    def __init__(self, width: int = 128, activation: str | None = "tanh", **kwargs: Any):
        super().__init__(width, activation, **kwargs)
        self.output_projection = keras.layers.Dense(width, name="output_projection")

    def build(self, input_shape: Sequence[Any]) -> None:
        super().build(input_shape)
        self.output_projection.build((input_shape[0][0], self.width))

    def call(self, vectors: Sequence[Any]) -> Any:
        first, *others = self.projected(vectors)
        for vector in others:
            first = first * vector
        return self.output_projection(first)

    def compute_output_shape(self, input_shape: Sequence[Any]) -> Any:
        return (input_shape[0][0], self.width)


FUSIONS: dict[str, Any] = {
    "concatenation": Concatenation,
    "product": Product,
    "low_rank_bilinear": LowRankBilinear,
}
