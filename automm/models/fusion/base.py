"""The base class of fusions: a projection of each modality, initialised so that all modalities learn from the start."""

from collections.abc import Sequence
from typing import Any

import keras


class Fusion(keras.layers.Layer):
    """Base: fuses a list of one or more vectors (n, features_i) into (n, size).

    An absent modality is represented by the same vector in all reviews without it (`models/heads`).

    Args:
        width: the size of the output, or of each modality's part of it.
    """

    hyperparameters: tuple[str, ...] = ("width",)  # of the search space, `fusion/...`: arguments of the constructor
    of_sequences = False
    activation: str | None = None  # of the projections
    projection_scale = 1.0  # variance of a projection's output for inputs of variance 1, before training
    initial_bias: Any = "zeros"

    def __init__(self, width: int = 128, **kwargs: Any):
        super().__init__(**kwargs)
        self.width = width

    @property
    def projection_width(self) -> int:
        """The size of each modality's projection."""
        return self.width

    def build(self, input_shape: Sequence[Any]) -> None:
        self.projections = [
            dense(
                f"projection_{place}",
                self.projection_width,
                shape,
                scale=self.projection_scale,
                bias=self.initial_bias,
                activation=self.activation,
            )
            for place, shape in enumerate(input_shape)
        ]

    def projected(self, vectors: Sequence[Any]) -> list[Any]:
        """Apply its projection to each vector: (n, projection_width) each."""
        return [layer(vector) for layer, vector in zip(self.projections, vectors, strict=True)]

    def compute_output_shape(self, input_shape: Sequence[Any]) -> Any:
        return (input_shape[0][0], self.width)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "width": self.width}


class RankedFusion(Fusion):
    """Base of fusions with a second size.

    Args:
        rank: its meaning is given by each subclass.
    """

    hyperparameters = ("width", "rank")

    def __init__(self, width: int = 128, rank: int = 8, **kwargs: Any):
        super().__init__(width, **kwargs)
        self.rank = rank

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "rank": self.rank}


def dense(
    name: str, width: int, shape: Any, *, scale: float = 1.0, bias: Any = "zeros", activation: str | None = None
) -> Any:
    """Build a dense layer whose output, before the activation, has the variance `scale` for inputs of variance 1."""
    layer = keras.layers.Dense(
        width,
        activation=activation,
        kernel_initializer=keras.initializers.VarianceScaling(scale, "fan_in"),
        bias_initializer=bias,
        name=name,
    )
    layer.build(shape)
    return layer


def elementwise_product(vectors: Sequence[Any]) -> Any:
    """Return the elementwise product of one or more vectors."""
    product, *others = vectors
    for vector in others:
        product = product * vector
    return product
