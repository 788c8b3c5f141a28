"""What a model looked at: the weights that its poolings gave to each picture."""

from typing import Any

import keras

from automm.models.average import WeightedMean, members_of
from automm.models.keras_internals import layers_within, run_through_graph
from automm.models.packing import unwrap
from automm.models.pooling.base import Weighing


class Explained:
    """A model whose predictions come with the weights of their pictures. `models/whole.compiled` takes it as a model.

    Args:
        model: whole or a suffix, packed or not, an average of models or none; `poolings_of` has found some in it.

    Attributes:
        poolings: over so many the weights are a mean: of fold models, and of those members of an ensemble that weigh
            pictures at all, each with its own share.
    """

    def __init__(self, model: Any):
        self.model, self.inputs = model, model.inputs
        self.poolings = poolings_of(model)

    def __call__(self, batch: Any, training: bool = False) -> dict[str, Any]:
        """{"probabilities": what the model gives, "weights": (n, max_images) float32}.

        Weights are 0 for masked pictures, and else add up to 1 in a review.
        """
        found: list[tuple[float, Any]] = []
        probabilities = _run(self.model, batch, 1.0, found)
        total = sum(share for share, _ in found)
        return {"probabilities": probabilities, "weights": sum(share / total * weights for share, weights in found)}


def poolings_of(model: Any) -> int:
    """How many poolings of a model weigh pictures."""
    return sum(isinstance(layer, Weighing) for layer in layers_within(model))


def _run(model: Any, batch: Any, share: float, found: list[tuple[float, Any]]) -> Any:
    """What a functional model gives, in inference mode; what its poolings weigh is noted, with what it counts for."""
    shares = _shares(model)

    def visit(operation: Any) -> Any:
        def run_inner(given: Any, **recorded: Any) -> Any:  # a loaded model's nodes hold `mask` and `training` as None
            return _run(operation, given, share * shares.get(operation.name, 1.0), found)

        def note(*given: Any) -> Any:
            found.append((share, operation.weights_of(*given)))
            return operation(*given)

        if isinstance(operation, keras.Model):
            return run_inner
        return note if isinstance(operation, Weighing) else operation

    inputs = [batch[tensor.name] for tensor in model.inputs] if isinstance(batch, dict) else [batch]
    return run_through_graph(model, inputs, visit)


def _shares(model: Any) -> dict[str, float]:
    """What each member of an average counts for, by its name; empty where the model is none."""
    means = [layer for layer in unwrap(model).layers if isinstance(layer, WeightedMean)]
    if not means:
        return {}
    weights = means[0].weights_of_members
    members = members_of(model)
    return {member.name: weight / sum(weights) for member, weight in zip(members, weights, strict=True)}
