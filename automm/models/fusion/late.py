"""Late fusion: each modality has its own head, and the weighted sum of their answers is the result."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from automm.models.fusion.base import Fusion
from automm.models.masks import masked_softmax


@keras.saving.register_keras_serializable(package="automm")
class Late(Fusion):
    """Projections with ReLU, stacked: (n, modalities, width). `heads.answer` gives each its own head.

    Parameters: the sum of (features_i + 1) * width.
    """

    activation = "relu"

    def call(self, vectors: Sequence[Any]) -> Any:
        return ops.stack(self.projected(vectors), axis=1)

    def compute_output_shape(self, input_shape: Sequence[Any]) -> Any:
        return (input_shape[0][0], len(input_shape), self.width)


@keras.saving.register_keras_serializable(package="automm")
class Apart(keras.layers.Layer):
    """Split (n, modalities, width) into a list of (n, width)."""

    def call(self, vectors: Any) -> list[Any]:
        return [vectors[:, place] for place in range(vectors.shape[1])]

    def compute_output_shape(self, shape: Any) -> list[Any]:
        return [(shape[0], shape[2])] * shape[1]


@keras.saving.register_keras_serializable(package="automm")
class WeighedAnswers(keras.layers.Layer):
    """Average the answers of the modalities, (n, outputs) each, with learned weights.

    This is the weighted sum rule (Kittler et al. 1998, "On combining classifiers"). The weights are trained with the
    heads and are equal at first. They add up to 1 over the modalities that are present; an absent modality has the
    weight 0. If all are absent, all are used.
    Parameters: one per modality.
    """

    def build(self, answers_shape: Sequence[Any], masks_shape: Any = None) -> None:
        self.scores = self.add_weight(shape=(len(answers_shape),), initializer="zeros", name="scores")

    def call(self, answers: Sequence[Any], masks: Sequence[Any]) -> Any:
        present = ops.stack(masks, axis=-1)
        present = ops.where(ops.max(present, axis=-1, keepdims=True) > 0, present, 1.0)
        weights = masked_softmax(self.scores, present)
        return ops.einsum("nm,nmc->nc", weights, ops.stack(answers, axis=1))

    def compute_output_shape(self, answers_shape: Sequence[Any], masks_shape: Any = None) -> Any:
        return answers_shape[0]
