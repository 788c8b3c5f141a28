"""Build the TensorFlow graph that runs training steps, for one or several models together."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from automm.models.encoders.layers import Encoder
from automm.models.keras_internals import layers_within
from automm.search.training.losses import LOSSES
from automm.search.training.options import Plan
from automm.search.training.schedule import rate_factor


def steps_function(models: Sequence[Any], plan: Plan, total_steps: int) -> Callable[[list[Any], list[Any]], float]:
    """Return a function from inputs (steps, size, ...) and other arguments to the sum of the losses.

    It makes one update per step. One graph runs many steps of all models, because calling a graph from Python takes
    longer than an update of a small head.
    """
    import tensorflow as tf

    from automm.search.training.adam import AdamW

    variables = [variable for model in models for variable in model.trainable_variables]
    optimizer = AdamW(variables, _rates(models, variables, plan), plan.options.weight_decay)
    steps_done = tf.Variable(0.0)

    def update(inputs: list[Any], parts: list[Any]) -> Any:
        with tf.GradientTape() as tape:
            given = zip(models, inputs, parts, strict=True)
            total = tf.add_n([loss_of(model, plan, batch, part) for model, batch, part in given])
        gradients = tape.gradient(total, variables)
        factor = rate_factor(steps_done.assign_add(1.0) / total_steps, plan)
        optimizer.apply(gradients, factor)
        return total

    def all_steps(inputs: list[Any], parts: list[Any]) -> Any:
        count = tf.shape(parts[0]["weights"])[0]

        def body(step: Any, total: Any) -> tuple[Any, Any]:
            now = tf.nest.map_structure(lambda array: array[step], (inputs, parts))
            return step + 1, total + update(*now)

        return tf.while_loop(lambda step, total: step < count, body, (0, 0.0), parallel_iterations=1)[1]

    traced: dict[str, Any] = {}

    def run(inputs: list[Any], parts: list[Any]) -> float:
        if not traced:  # the number of steps is left open, otherwise the last portion would be traced again
            input_specs = [_specs(model, batch) for model, batch in zip(models, inputs, strict=True)]
            others = tf.nest.map_structure(lambda array: tf.TensorSpec((None, *array.shape[1:]), array.dtype), parts)
            specs = (input_specs, others)
            traced["function"] = tf.function(all_steps, input_signature=specs, autograph=False)
        return float(traced["function"](*tf.nest.map_structure(tf.constant, (inputs, parts))))

    return run


def loss_of(model: Any, plan: Plan, batch: Any, part: Mapping[str, Any]) -> Any:
    """Return the weighted sum of a model's loss over the rows of a batch, a scalar: their weights add up to about 1.

    Args:
        part: "targets" (n, ...), as `Loss.prepare` returns them, and "weights" (n,).
    """
    import tensorflow as tf

    answers = model(batch, training=True)
    return tf.reduce_sum(LOSSES[plan.task.loss].of_rows(part["targets"], answers, plan.options) * part["weights"])


def _specs(model: Any, batch: Any) -> Any:
    """Return the input specs of many steps; sizes that the model leaves open, like the length of texts, stay open."""
    import tensorflow as tf

    free = {tensor.name: tensor.shape[1:] for tensor in model.inputs}
    if not isinstance(batch, dict):
        return tf.TensorSpec((None, *batch.shape[1:]), batch.dtype)
    return {name: tf.TensorSpec((None, array.shape[1], *free[name]), array.dtype) for name, array in batch.items()}


def _rates(models: Sequence[Any], variables: Sequence[Any], plan: Plan) -> list[float]:
    """Return a learning rate for each variable."""
    if not plan.encoder_rate:
        return [plan.learning_rate] * len(variables)
    encoders = {
        id(variable)
        for model in models
        for layer in layers_within(model)
        if isinstance(layer, Encoder)
        for variable in layer.trainable_variables
    }
    return [plan.encoder_rate if id(variable) in encoders else plan.learning_rate for variable in variables]
