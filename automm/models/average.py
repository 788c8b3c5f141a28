"""Combine several models into one that returns their mean answer, weighted or not.

The average of the fold models is the candidate that was cross-validated (bagging, Breiman 1996): each fold model was
trained on other rows, so the mean varies less than each of them. An ensemble uses the same layer with other members and
weights.
"""

from collections.abc import Sequence
from typing import Any

import keras

from automm.models.packing import packed_layout, unwrap, wrap


@keras.saving.register_keras_serializable(package="automm")
class WeightedMean(keras.layers.Layer):
    """Average a list of answers, (n, outputs) each, to (n, outputs).

    Args:
        weights: one per member, not negative; they are divided by their sum.
    """

    def __init__(self, weights: Sequence[float], **kwargs: Any):
        super().__init__(**kwargs)
        self.weights_of_members = [float(weight) for weight in weights]

    def call(self, members: Any) -> Any:
        total = sum(self.weights_of_members)
        shares = [weight / total for weight in self.weights_of_members]
        return sum(share * member for share, member in zip(shares, members, strict=True))

    def compute_output_shape(self, shapes: Any) -> Any:
        return shapes[0]

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "weights": self.weights_of_members}


def average(members: Sequence[Any], weights: Sequence[float] | None = None, *, name: str = "folds") -> Any:
    """Build one model that returns the mean of its members; a single member is returned unchanged.

    Args:
        members: models; inputs with the same name have the same shape. They are shared, not copied, and renamed
            `<name>_1`, `<name>_2`, ... If one is packed, all must be, and the result is packed too.
        weights: one per member; None for equal weights.
        name: of the model.
    """
    if len(members) == 1:
        return members[0]
    inner = [unwrap(member) for member in members]
    tensors = {tensor.name: tensor for member in inner for tensor in member.inputs}
    inputs = {key: keras.Input(tensor.shape[1:], name=key, dtype=tensor.dtype) for key, tensor in tensors.items()}
    outputs = []
    for place, member in enumerate(inner, 1):
        member.name = f"{name}_{place}"
        outputs.append(member({tensor.name: inputs[tensor.name] for tensor in member.inputs}))
    mean = WeightedMean(weights or [1.0] * len(inner), name="label")(outputs)
    model = keras.Model(inputs, mean, name=name)
    return model if packed_layout(members[0]) is None else wrap(model)


def members_of(model: Any) -> list[Any]:
    """Return the members of a model that `average` built; for any other model, the model itself."""
    inner = unwrap(model)
    if not any(isinstance(layer, WeightedMean) for layer in inner.layers):
        return [inner]
    members = [layer for layer in inner.layers if isinstance(layer, keras.Model)]
    return sorted(members, key=lambda member: int(member.name.rpartition("_")[2]))  # in the order of the folds


def shares_of(model: Any) -> list[float]:
    """Return the share of each of `members_of(model)` in the mean; their sum is 1."""
    means = [layer for layer in unwrap(model).layers if isinstance(layer, WeightedMean)]
    weights = means[0].weights_of_members if means else [1.0]
    return [weight / sum(weights) for weight in weights]
