"""Explain a model by the weights that its attention poolings give to each picture."""

from typing import Any

import keras

from automm.models.average import combiners_of, members_of, shares_of
from automm.models.keras_internals import layers_within, run_through_graph
from automm.models.pooling.base import AttentionPooling


class Explained:
    """A model that also returns the weights of the pictures. `models/whole.compiled` accepts it like a model.

    Args:
        model: a whole model or a suffix with at least one attention pooling; it may be packed or an average of models.

    Attributes:
        poolings: number of attention poolings that the weights are averaged over: those of fold models and of members
            of an ensemble. The share of each is the weight of its model.
    """

    def __init__(self, model: Any):
        self.model, self.inputs = model, model.inputs
        self.poolings = count_attention_poolings(model)

    def __call__(self, batch: Any, training: bool = False) -> dict[str, Any]:
        """Return {"probabilities": the model's output, "weights": (n, max_images) float32}.

        The weights of masked pictures are 0; those of a review's real pictures add up to 1.
        """
        weighted: list[tuple[float, Any]] = []
        probabilities = _run(self.model, batch, 1.0, weighted)
        total = sum(share for share, _ in weighted)
        return {"probabilities": probabilities, "weights": sum(share / total * weights for share, weights in weighted)}


def count_attention_poolings(model: Any) -> int:
    """Return the number of attention poolings of a model."""
    return sum(isinstance(layer, AttentionPooling) for layer in layers_within(model))


def _run(model: Any, batch: Any, share: float, weighted: list[tuple[float, Any]]) -> Any:
    """Call a functional model in inference mode; append (share, weights) of each attention pooling to `weighted`."""
    shares = _shares(model)

    def visit(operation: Any) -> Any:
        def run_inner(given: Any, **recorded: Any) -> Any:  # a loaded model's nodes hold `mask` and `training` as None
            return _run(operation, given, share * shares.get(operation.name, 1.0), weighted)

        def record_weights(*given: Any) -> Any:
            weighted.append((share, operation.weights_of(*given)))
            return operation(*given)

        if isinstance(operation, keras.Model):
            return run_inner
        return record_weights if isinstance(operation, AttentionPooling) else operation

    inputs = [batch[tensor.name] for tensor in model.inputs] if isinstance(batch, dict) else [batch]
    return run_through_graph(model, inputs, visit)


def _shares(model: Any) -> dict[str, float]:
    """Return the weight of each member of an average by its name; {} if the model is not an average."""
    if not combiners_of(model):
        return {}
    return {member.name: share for member, share in zip(members_of(model), shares_of(model), strict=True)}
