"""Compute one model's loss on a batch of training rows."""

from collections.abc import Mapping
from typing import Any

import keras

from automm.data.inputs.input_sources import mask_of
from automm.search.training.losses import LOSSES
from automm.search.training.options import Plan
from automm.search.training.parts import Parts

Part = Mapping[str, Any]  # arguments of a batch: targets (n, ...), weights (n,)


class Criterion:
    """The training loss of a model, and the variables that it depends on.

    Auxiliary heads belong to the criterion: they are trained with the model, but are not part of it.

    Args:
        model: a suffix or a whole model; auxiliary heads need a suffix with a fusion.
        plan: the training options, the task with its loss, and the seed for the auxiliary heads' initial weights.
    """

    def __init__(self, model: Any, plan: Plan):
        options, seed = plan.options, plan.seed
        self._model, self._options, self._loss = model, options, LOSSES[plan.task.loss]
        self._parts = Parts(model) if options.auxiliary else None
        self._auxiliary: list[Any] = []
        if self._parts is not None and options.auxiliary:
            self._auxiliary = [
                _auxiliary_head(size, model.output_shape[-1], seed + place)
                for place, size in enumerate(self._parts.sizes)
            ]

    @property
    def variables(self) -> list[Any]:
        """Return the trainable variables of the model, then those of auxiliary heads."""
        auxiliary = [variable for head in self._auxiliary for variable in head.trainable_variables]
        return [*self._model.trainable_variables, *auxiliary]

    def loss(self, batch: Any, part: Part) -> Any:
        """Return the weighted sum of the loss over the rows, a scalar: weights of a batch add up to about 1."""
        if self._parts is None:
            return self._weighed(self._model(batch, training=True), part["targets"], part["weights"])
        fused, vectors = self._parts.read(batch)
        total = self._weighed(self._parts.answer(fused), part["targets"], part["weights"])
        if self._auxiliary:
            for head, vector, modality in zip(self._auxiliary, vectors, self._parts.modalities, strict=True):
                weights = part["weights"] * _presence(batch, modality)
                total += self._options.auxiliary * self._weighed(head(vector), part["targets"], weights)
        return total

    def _weighed(self, answers: Any, targets: Any, weights: Any) -> Any:
        import tensorflow as tf

        return tf.reduce_sum(self._loss.of_rows(targets, answers, self._options) * weights)


def _auxiliary_head(size: int, classes: int, seed: int) -> Any:
    """Return a layer from (n, size) to (n, classes) probabilities; built, so that its variables exist."""
    first = keras.initializers.GlorotUniform(seed)
    head = keras.layers.Dense(classes, activation="softmax", kernel_initializer=first, name="auxiliary")
    head.build((None, size))
    return head


def _presence(batch: Mapping[str, Any], modality: str) -> Any:
    """Return (n,) float32: 1.0 where the review has the modality."""
    import tensorflow as tf

    mask = batch[mask_of(modality)]
    return tf.reduce_max(tf.reshape(mask, (tf.shape(mask)[0], -1)), axis=1)
