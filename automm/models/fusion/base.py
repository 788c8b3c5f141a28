"""What all fusions share: a projection of each modality, whose first weights let every modality learn at once."""

from collections.abc import Sequence
from typing import Any

import keras


class Fusion(keras.layers.Layer):
    """Base: a list of one or more vectors (n, features_i) in, (n, out) out.

    A modality that is absent comes as a vector that is the same for all reviews without it (`models/heads`), so that
    nothing of it can change the result.

    Args:
        width: the size of what comes out, or of a modality's part of it.
    """

    hyperparameters: tuple[str, ...] = ("width",)  # of the search space, `fusion/...`: arguments of the constructor
    of_sequences = False
    activation: str | None = None  # behind the projections
    projection_scale = 1.0  # variance of a projection's output for inputs of variance 1, before training
    first_bias: Any = "zeros"

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
                bias=self.first_bias,
                activation=self.activation,
            )
            for place, shape in enumerate(input_shape)
        ]

    def projected(self, vectors: Sequence[Any]) -> list[Any]:
        """The vectors, each through its projection."""
        return [layer(vector) for layer, vector in zip(self.projections, vectors, strict=True)]

    def unimodal(self, vectors: Sequence[Any]) -> list[Any]:
        """What each modality has become before it meets the others: (n, size) each."""
        return self.projected(vectors)

    def compute_output_shape(self, input_shape: Sequence[Any]) -> Any:
        return (input_shape[0][0], self.width)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "width": self.width}


class Ranked(Fusion):
    """Base of those with a second size.

    Args:
        rank: what it is, each of them says.
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
    """A built dense layer whose output has the variance `scale` for inputs of variance 1, before its activation."""
    layer = keras.layers.Dense(
        width,
        activation=activation,
        kernel_initializer=keras.initializers.VarianceScaling(scale, "fan_in"),
        bias_initializer=bias,
        name=name,
    )
    layer.build(shape)
    return layer


def multiplied(vectors: Sequence[Any]) -> Any:
    """The elementwise product of one or more."""
    product, *others = vectors
    for vector in others:
        product = product * vector
    return product
