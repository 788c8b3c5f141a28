"""Schedules of the learning rate: the factor of all rates after a share of the steps."""

import math
from collections.abc import Callable
from typing import Any

from automm.search.training.options import Plan


def cosine(done: Any) -> Any:
    """Return the factor of cosine annealing without restarts: from 1 to 0 (Loshchilov and Hutter 2017, arXiv
    1608.03983, equation 5).

    Args:
        done: the share of steps that are done, a scalar tensor.
    """
    import tensorflow as tf

    return 0.5 * (1.0 + tf.cos(math.pi * done))


# None: the rate is constant, and patience ends the training. With a schedule, the epochs are fixed: a rate that falls
# makes the score better until the end.
SCHEDULES: dict[str, Callable[[Any], Any] | None] = {"constant": None, "cosine": cosine}


def rate_factor(done: Any, plan: Plan) -> Any:
    """Return the factor of all learning rates; with a warm-up a linear rise, then a linear fall to 0.

    Args:
        done: the share of steps that are done, a scalar tensor.
    """
    import tensorflow as tf

    if plan.warm_up:
        return tf.minimum(done / plan.warm_up, tf.maximum(0.0, (1.0 - done) / (1.0 - plan.warm_up)))
    schedule = SCHEDULES[plan.options.schedule]
    return 1.0 if schedule is None else schedule(done)
