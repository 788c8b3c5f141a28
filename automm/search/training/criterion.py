"""Compute one model's loss on a batch of training rows."""

from collections.abc import Mapping
from typing import Any

import keras

from automm.search.training.losses import LOSSES
from automm.search.training.modulation import Modulation, presence
from automm.search.training.options import Plan
from automm.search.training.parts import Parts

Part = Mapping[str, Any]  # arguments of a batch: targets (n, ...), weights (n,)


class Criterion:
    """The training loss of a model, and the variables that it depends on.

    Auxiliary heads belong to the criterion: they are trained with the model, but are not part of it.

    Args:
        model: a suffix or a whole model; auxiliary heads and modulation need a suffix with a fusion.
        plan: the training options, the task with its loss, and the seed for the auxiliary heads' initial weights.
    """

    def __init__(self, model: Any, plan: Plan):
        options, seed = plan.options, plan.seed
        self._model, self._options, self._loss = model, options, LOSSES[plan.task.loss]
        self._parts = Parts(model) if options.auxiliary or options.modulation else None
        self._auxiliary: list[Any] = []
        if self._parts is not None and options.auxiliary:
            self._auxiliary = [
                _auxiliary_head(size, model.output_shape[-1], seed + place)
                for place, size in enumerate(self._parts.sizes)
            ]
        self._modulation = None
        if self._parts is not None and options.modulation:
            self._modulation = Modulation(model, self._parts, options.modulation)

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
                weights = part["weights"] * presence(batch, modality)
                total += self._options.auxiliary * self._weighed(head(vector), part["targets"], weights)
        return total

    def step_factors(self, batch: Any, part: Part) -> list[Any]:
        """Return the factor of each variable's step."""
        if self._modulation is None:
            return [1.0] * len(self.variables)
        shares = self._modulation.step_factors(batch, part)
        return [*shares, *[1.0] * (len(self.variables) - len(shares))]

    def _weighed(self, answers: Any, targets: Any, weights: Any) -> Any:
        import tensorflow as tf

        return tf.reduce_sum(self._loss.of_rows(targets, answers, self._options) * weights)


def _auxiliary_head(size: int, classes: int, seed: int) -> Any:
    """Return a layer from (n, size) to (n, classes) probabilities; built, so that its variables exist."""
    first = keras.initializers.GlorotUniform(seed)
    head = keras.layers.Dense(classes, activation="softmax", kernel_initializer=first, name="auxiliary")
    head.build((None, size))
    return head
