"""Fusions in which one modality gates or scales the features of another."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from automm.models.fusion.base import Fusion, dense


@keras.saving.register_keras_serializable(package="automm")
class GatedUnit(Fusion):
    """The sum of gate_i * tanh(W_i x_i), with gate_i = sigmoid(Z_i [x_1; ...; x_m]): (n, width).

    Arevalo et al. 2017, "Gated multimodal units for information fusion" (GMU), arXiv 1702.01992, in its form for any
    number of modalities: the input of each gate is all of them.
    Parameters: the sum of (features_i + 1) * width, and m * (sum of features_i + 1) * width.
    """

    activation = "tanh"
    projection_scale = 0.1  # at 1.0 the tanh of standardised features is saturated, and so is the sigmoid

    def build(self, input_shape: Sequence[Any]) -> None:
        super().build(input_shape)
        everything = (None, sum(shape[-1] for shape in input_shape))
        self.gates = [
            dense(f"gate_{place}", self.width, everything, scale=self.projection_scale, activation="sigmoid")
            for place in range(len(input_shape))
        ]

    def call(self, vectors: Sequence[Any]) -> Any:
        everything = ops.concatenate(vectors, axis=-1)
        return sum(gate(everything) * part for gate, part in zip(self.gates, self.projected(vectors), strict=True))


@keras.saving.register_keras_serializable(package="automm")
class Film(Fusion):
    """The first modality scales and shifts the others: relu((1 + gamma_i(x_1)) * W_i x_i + beta_i(x_1)), concatenated:
    (n, (modalities - 1) * width).

    Perez et al. 2018, "FiLM: visual reasoning with a general conditioning layer", arXiv 1709.07871, equations 1 and 2,
    with 1 + gamma as in its appendix. The text is the first modality here and conditions the pictures; if another
    modality is absent, beta still has an effect. A single modality is projected with ReLU.
    Parameters: the sum over i > 1 of (features_i + 1) * width + (features_1 + 1) * 2 * width; a single modality has
    (features_1 + 1) * width.
    """

    condition_scale = 0.1  # small initial gamma and beta: at first nearly a plain projection

    def build(self, input_shape: Sequence[Any]) -> None:
        first, *others = input_shape
        super().build(others or [first])
        self.conditions = [
            dense(f"condition_{place}", 2 * self.width, first, scale=self.condition_scale)
            for place in range(len(others))
        ]

    def call(self, vectors: Sequence[Any]) -> Any:
        first, *others = vectors
        if not others:
            return ops.relu(self.projections[0](first))
        answers = []
        for condition, vector in zip(self.conditions, self.projected(others), strict=True):
            gamma, beta = ops.split(condition(first), 2, axis=-1)
            answers.append(ops.relu((1.0 + gamma) * vector + beta))
        return ops.concatenate(answers, axis=-1)

    def compute_output_shape(self, input_shape: Sequence[Any]) -> Any:
        return (input_shape[0][0], self.width * max(1, len(input_shape) - 1))
