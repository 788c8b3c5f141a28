"""Fusions that multiply every feature of one modality with every feature of another, in fewer numbers than that takes.

A full bilinear map of two vectors has features_1 * features_2 * width weights: 63 million for 384 and 1,280 features
and a width of 128. Each class here is another way to have fewer.
"""

import math
from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from automm.models.fusion.base import Fusion, Ranked, dense, multiplied


@keras.saving.register_keras_serializable(package="automm")
class Bilinear(Ranked):
    """W [u_1; ...; u_m; u_i (x) u_j for i < j]: projections, and all products of two of their features, (n, width).

    A full bilinear map (Tenenbaum and Freeman 2000, "Separating style and content with bilinear models") of modalities
    that were made small first; that the projections stand beside the products, as in the tensor fusion of Zadeh et al.
    2017, arXiv 1707.07250, lets each modality speak alone.
    Parameters: the sum of (features_i + 1) * rank, and (m * rank + m * (m - 1) / 2 * rank**2 + 1) * width.

    Args:
        rank: the size of each projection, and so the most that the rank of a product's matrix can be.
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
    `width`. A modality that is absent (zeros) leaves only the bias of its projection.
    Parameters: the sum of (features_i + 1) * width, and (width + 1) * width.
    """

    activation = "tanh"
    projection_scale = 0.1  # at 1.0 the tanh of standardised features is saturated and nothing is learned
    first_bias = "ones"  # tanh(1 + u) tanh(1 + v) has terms in u and in v alone, so each modality learns from the start

    def build(self, input_shape: Sequence[Any]) -> None:
        super().build(input_shape)
        self.output_projection = keras.layers.Dense(self.width, name="output_projection")
        self.output_projection.build((input_shape[0][0], self.width))

    def call(self, vectors: Sequence[Any]) -> Any:
        return self.output_projection(multiplied(self.projected(vectors)))


@keras.saving.register_keras_serializable(package="automm")
class Mutan(Ranked):
    """The sum over r of the products (M_r u) * (N_r v) with u = tanh(U x), v = tanh(V y): (n, width).

    Ben-younes et al. 2017, "MUTAN: multimodal Tucker fusion for visual question answering", arXiv 1705.06676: a Tucker
    decomposition whose core tensor has slices of rank `rank`. `width` is the size of u and v too.
    Parameters: the sum over modalities of (features_i + 1) * width + (width + 1) * width * rank.

    Args:
        rank: of each slice of the core.
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
        return ops.sum(ops.reshape(multiplied(factors), (-1, self.rank, self.width)), axis=1)


@keras.saving.register_keras_serializable(package="automm")
class FactorizedBilinear(Ranked):
    """Products (U x) * (V y), summed in groups of `rank`; signed square root, then length sqrt(width): (n, width).

    Yu et al. 2017, "Multi-modal factorized bilinear pooling with co-attention learning for visual question answering"
    (MFB), arXiv 1708.01471. The paper normalises to length 1; times sqrt(width) a feature
    is as large as other fusions', whatever the width. Its dropout is the head's.
    Parameters: the sum of (features_i + 1) * width * rank.

    Args:
        rank: k in the paper: products that are added up to one feature.
    """

    @property
    def projection_width(self) -> int:
        return self.width * self.rank

    def build(self, input_shape: Sequence[Any]) -> None:
        self.first_bias = _unit_bias(self.rank, len(input_shape))
        self.projection_scale = self.rank ** (-1 / len(input_shape))  # so that a sum of products has a variance of 1
        super().build(input_shape)

    def call(self, vectors: Sequence[Any]) -> Any:
        products = ops.reshape(multiplied(self.projected(vectors)), (-1, self.width, self.rank))
        summed = ops.sum(products, axis=-1)
        # The slope of a square root is infinite at 0, and that of a length too: both are rounded off there.
        rooted = summed / ops.sqrt(ops.abs(summed) + 1e-4)
        length = ops.sqrt(ops.sum(ops.square(rooted), axis=-1, keepdims=True) + 1e-6)
        return rooted / length * math.sqrt(self.width)


def _unit_bias(rank: int, modalities: int) -> Any:
    """First biases whose product, summed over the rank, is 1: (1 + u)(1 + v) has terms in u and in v alone."""
    return keras.initializers.Constant(rank ** (-1 / modalities))
