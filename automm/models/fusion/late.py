"""Late fusion: every modality has a head of its own, and their answers are weighed."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from automm.models.fusion.base import Fusion
from automm.models.masks import masked_softmax


@keras.saving.register_keras_serializable(package="automm")
class Late(Fusion):
    """Projections with ReLU, kept apart: (n, modalities, width). `heads.classify` gives each a head, and joins them.

    Parameters: the sum of (features_i + 1) * width.
    """

    activation = "relu"

    def call(self, vectors: Sequence[Any]) -> Any:
        return ops.stack(self.projected(vectors), axis=1)

    def compute_output_shape(self, input_shape: Sequence[Any]) -> Any:
        return (input_shape[0][0], len(input_shape), self.width)


@keras.saving.register_keras_serializable(package="automm")
class Apart(keras.layers.Layer):
    """(n, modalities, width) in, a list of (n, width) out."""

    def call(self, vectors: Any) -> list[Any]:
        return [vectors[:, place] for place in range(vectors.shape[1])]

    def compute_output_shape(self, shape: Any) -> list[Any]:
        return [(shape[0], shape[2])] * shape[1]


@keras.saving.register_keras_serializable(package="automm")
class WeighedAnswers(keras.layers.Layer):
    """The modalities' answers, (n, out) each, times learned weights that add up to 1 over those that are present.

    A weighted sum rule (Kittler et al. 1998, "On combining classifiers") whose weights are learned with the heads; they
    begin equal. An absent modality has no say, and where all are absent each has its own.
    Parameters: one a modality.
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
