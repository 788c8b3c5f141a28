"""Bilinear fusions: they multiply the features of one modality with the features of another.

A full bilinear map of two vectors has features_1 * features_2 * width weights: 63 million for 384 and 1,280 features
and a width of 128. Each class here reduces this number in a different way.
"""

import math
from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from automm.models.fusion.base import Fusion, RankedFusion, dense, elementwise_product


@keras.saving.register_keras_serializable(package="automm")
class Bilinear(RankedFusion):
    """W [u_1; ...; u_m; u_i (x) u_j for i < j]: projections, and all products of two of their features, (n, width).

    A full bilinear map (Tenenbaum and Freeman 2000, "Separating style and content with bilinear models") of small
    projections of the modalities. The projections are also concatenated with the products, as in the tensor fusion of
    Zadeh et al. 2017, arXiv 1707.07250, which lets each modality contribute alone.
    Parameters: the sum of (features_i + 1) * rank, and (m * rank + m * (m - 1) / 2 * rank**2 + 1) * width.

    Args:
        rank: the size of each projection, which limits the rank of a bilinear form.
    """

    @property
    def projection_width(self) -> int:
        return self.rank

    def build(self, input_shape: Sequence[Any]) -> None:
        super().build(input_shape)
        count = len(input_shape)
        terms = count * self.rank + count * (count - 1) // 2 * self.rank**2
        self.output_projection = dense("output_projection", self.width, (None, terms))

    def call(self, vectors: Sequence[Any]) -> Any:
        projected = self.projected(vectors)
        products = [
            ops.reshape(ops.einsum("na,nb->nab", left, right), (-1, self.rank**2))
            for place, left in enumerate(projected)
            for right in projected[place + 1 :]
        ]
        return self.output_projection(ops.concatenate([*projected, *products], axis=-1))


@keras.saving.register_keras_serializable(package="automm")
class LowRankBilinear(Fusion):
    """Hadamard product of tanh projections, projected again: P^T (tanh(U^T x) * tanh(V^T y)), (n, width).

    Kim et al. 2017, "Hadamard product for low-rank bilinear pooling" (MLB), arXiv 1610.04325, equation 6. The rank is
    `width`. An absent modality (zeros) contributes only the bias of its projection.
    Parameters: the sum of (features_i + 1) * width, and (width + 1) * width.
    """

    activation = "tanh"
    projection_scale = 0.1  # at 1.0 the tanh of standardised features is saturated and nothing is learned
    initial_bias = (
        "ones"  # tanh(1 + u) tanh(1 + v) has terms in u and in v alone, so each modality learns from the start
    )

    def build(self, input_shape: Sequence[Any]) -> None:
        super().build(input_shape)
        self.output_projection = keras.layers.Dense(self.width, name="output_projection")
        self.output_projection.build((input_shape[0][0], self.width))

    def call(self, vectors: Sequence[Any]) -> Any:
        return self.output_projection(elementwise_product(self.projected(vectors)))


@keras.saving.register_keras_serializable(package="automm")
class Mutan(RankedFusion):
    """The sum over r of the products (M_r u) * (N_r v) with u = tanh(U x), v = tanh(V y): (n, width).

    Ben-younes et al. 2017, "MUTAN: multimodal Tucker fusion for visual question answering", arXiv 1705.06676: a Tucker
    decomposition whose core tensor has slices of rank `rank`. `width` is the size of u and v too.
    Parameters: the sum over modalities of (features_i + 1) * width + (width + 1) * width * rank.

    Args:
        rank: of each slice of the core tensor.
    """

    activation = "tanh"
    projection_scale = 0.1  # as in LowRankBilinear

    def build(self, input_shape: Sequence[Any]) -> None:
        super().build(input_shape)
        size, bias = self.width * self.rank, _unit_bias(self.rank, len(input_shape))
        self.factors = [
            dense(f"factor_{place}", size, (None, self.width), bias=bias) for place in range(len(input_shape))
        ]

    def call(self, vectors: Sequence[Any]) -> Any:
        factors = [factor(vector) for factor, vector in zip(self.factors, self.projected(vectors), strict=True)]
        return ops.sum(ops.reshape(elementwise_product(factors), (-1, self.rank, self.width)), axis=1)


@keras.saving.register_keras_serializable(package="automm")
class FactorizedBilinear(RankedFusion):
    """Products (U x) * (V y), summed in groups of `rank`; signed square root, then length sqrt(width): (n, width).

    Yu et al. 2017, "Multi-modal factorized bilinear pooling with co-attention learning for visual question answering"
    (MFB), arXiv 1708.01471. The paper normalises to length 1; the factor sqrt(width) gives features the same size as in
    other fusions, for every width. The dropout of the paper is that of the head.
    Parameters: the sum of (features_i + 1) * width * rank.

    Args:
        rank: k in the paper: the number of products whose sum is one feature.
    """

    @property
    def projection_width(self) -> int:
        return self.width * self.rank

    def build(self, input_shape: Sequence[Any]) -> None:
        self.initial_bias = _unit_bias(self.rank, len(input_shape))
        self.projection_scale = self.rank ** (-1 / len(input_shape))  # a sum of products then has the variance 1
        super().build(input_shape)

    def call(self, vectors: Sequence[Any]) -> Any:
        products = ops.reshape(elementwise_product(self.projected(vectors)), (-1, self.width, self.rank))
        summed = ops.sum(products, axis=-1)
        # The gradients of a square root and of a length are infinite at 0: a small constant limits them.
        rooted = summed / ops.sqrt(ops.abs(summed) + 1e-4)
        length = ops.sqrt(ops.sum(ops.square(rooted), axis=-1, keepdims=True) + 1e-6)
        return rooted / length * math.sqrt(self.width)


def _unit_bias(rank: int, modalities: int) -> Any:
    """Return initial biases whose product, summed over the rank, is 1: (1 + u)(1 + v) has terms in u and v alone."""
    return keras.initializers.Constant(rank ** (-1 / modalities))
