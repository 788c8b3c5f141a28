"""One model's loss on a batch of training rows."""

from collections.abc import Mapping
from typing import Any

import keras

from automm.search.training.losses import LOSSES
from automm.search.training.modulation import Modulation, presence
from automm.search.training.options import Plan
from automm.search.training.parts import Parts

Part = Mapping[str, Any]  # of a batch: targets (n, ...), weights (n,); with mixup: partners (n,) and kept ()


class Criterion:
    """What training makes small, with what it takes of variables.

    Auxiliary heads are the criterion's own: they are trained with the model, and are no part of it.

    Args:
        model: a suffix or a whole model; options that work between its parts need a suffix with a fusion.
        plan: names the options, and the task, whose loss it is; its seed is that of the auxiliary heads' first weights.
    """

    def __init__(self, model: Any, plan: Plan):
        options, seed = plan.options, plan.seed
        self._model, self._options, self._loss = model, options, LOSSES[plan.task.loss]
        self._parts = Parts(model) if options.mixup or options.auxiliary or options.modulation else None
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
        """Those of the model, then those of auxiliary heads."""
        own = [variable for head in self._auxiliary for variable in head.trainable_variables]
        return [*self._model.trainable_variables, *own]

    def loss(self, batch: Any, part: Part) -> Any:
        """A number: the weighted sum over the rows. Weights of a batch add up to about 1, so that it is a mean."""
        if self._parts is None:
            return self._weighed(self._model(batch, training=True), part["targets"], part["weights"])
        fused, own = self._parts.read(batch)
        if self._options.mixup:
            total = self._mixed(fused, part)
        else:
            total = self._weighed(self._parts.answer(fused), part["targets"], part["weights"])
        if self._auxiliary:
            for head, vector, modality in zip(self._auxiliary, own, self._parts.modalities, strict=True):
                weights = part["weights"] * presence(batch, modality)
                total += self._options.auxiliary * self._weighed(head(vector), part["targets"], weights)
        return total

    def shares(self, batch: Any, part: Part) -> list[Any]:
        """By what the step of each variable is multiplied."""
        if self._modulation is None:
            return [1.0] * len(self.variables)
        shares = self._modulation.shares(batch, part)
        return [*shares, *[1.0] * (len(self.variables) - len(shares))]

    def _weighed(self, answers: Any, targets: Any, weights: Any) -> Any:
        import tensorflow as tf

        return tf.reduce_sum(self._loss.of_rows(targets, answers, self._options) * weights)

    def _mixed(self, fused: Any, part: Part) -> Any:
        """Pairs of fused vectors are mixed, and so are their losses: of a cross-entropy, the same as soft labels."""
        import tensorflow as tf

        assert self._parts is not None
        kept, partners = part["kept"], part["partners"]
        probabilities = self._parts.answer(kept * fused + (1.0 - kept) * tf.gather(fused, partners))
        targets, weights = part["targets"], part["weights"]
        others = tf.gather(targets, partners), tf.gather(weights, partners)
        return kept * self._weighed(probabilities, targets, weights) + (1.0 - kept) * self._weighed(
            probabilities, *others
        )


def _auxiliary_head(size: int, classes: int, seed: int) -> Any:
    """(n, size) in, (n, classes) probabilities out; built, or the optimizer would not know its variables."""
    first = keras.initializers.GlorotUniform(seed)
    head = keras.layers.Dense(classes, activation="softmax", kernel_initializer=first, name="auxiliary")
    head.build((None, size))
    return head
