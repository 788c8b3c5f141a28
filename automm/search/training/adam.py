"""AdamW (Loshchilov and Hutter 2019, arXiv 1711.05101) with TensorFlow's fused kernel.

Keras' own optimizer computes the same numbers in about ten operations per variable. For small heads, which a search
trains by the hundred, this takes half of a training step and half of the tracing time.
"""

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-7


class AdamW:
    """Updates the variables of one or several independent models together.

    Args:
        variables: Keras variables.
        rates: a learning rate for each variable.
        weight_decay: decoupled weight decay, multiplied by the rate; applied to matrices, not to biases.
    """

    def __init__(self, variables: Sequence[Any], rates: Sequence[float], weight_decay: float):
        self._variables, self._rates, self._decay = list(variables), list(rates), weight_decay
        self._moments = [(tf.Variable(tf.zeros(v.shape)), tf.Variable(tf.zeros(v.shape))) for v in self._variables]
        self._powers = tf.Variable([BETA_1, BETA_2])

    def apply(self, gradients: Sequence[Any], factor: Any) -> None:
        """Make one step. Variables without a gradient are not changed.

        Args:
            gradients: one per variable, or None.
            factor: of all rates: a schedule.
        """
        power_1, power_2 = tf.unstack(self._powers)
        for variable, rate, gradient, (first, second) in zip(
            self._variables, self._rates, gradients, self._moments, strict=True
        ):
            if gradient is None:
                continue
            value = variable.value
            rate = factor * tf.constant(rate)
            if self._decay and len(variable.shape) > 1:
                value.assign(value * (1.0 - rate * self._decay))
            tf.raw_ops.ResourceApplyAdam(
                var=value.handle,
                m=first.handle,
                v=second.handle,
                beta1_power=power_1,
                beta2_power=power_2,
                lr=rate,
                beta1=BETA_1,
                beta2=BETA_2,
                epsilon=EPSILON,
                grad=tf.convert_to_tensor(gradient),
            )
        self._powers.assign(self._powers * [BETA_1, BETA_2])
