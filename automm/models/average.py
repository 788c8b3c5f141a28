"""Several models of one candidate become one: the mean of their probabilities, weighted or not.

Fold models averaged are the candidate that was cross-validated (bagging, Breiman 1996): each has seen other rows, so
the mean varies less than any of them. An ensemble is the same layer with other members and weights.
"""

from collections.abc import Sequence
from typing import Any

import keras

from automm.models.packing import packed_layout, unwrap, wrap


@keras.saving.register_keras_serializable(package="automm")
class WeightedMean(keras.layers.Layer):
    """A list of (n, classes) in, (n, classes) out.

    Args:
        weights: one a member, not negative; they are divided by their sum.
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
    """One model with the members' inputs whose output is their mean. A single member is its own mean.

    Args:
        members: models whose inputs of one name have one shape; they are shared, not copied, and are renamed
            `<name>_1`, `<name>_2`, ... If one is packed, all must be, and the result is.
        weights: one a member, the same for all if None.
    """
    if len(members) == 1:
        return members[0]
    inner = [unwrap(member) for member in members]
    wanted = {tensor.name: tensor for member in inner for tensor in member.inputs}
    inputs = {key: keras.Input(tensor.shape[1:], name=key, dtype=tensor.dtype) for key, tensor in wanted.items()}
    outputs = []
    for place, member in enumerate(inner, 1):
        member.name = f"{name}_{place}"
        outputs.append(member({tensor.name: inputs[tensor.name] for tensor in member.inputs}))
    mean = WeightedMean(weights or [1.0] * len(inner), name="label")(outputs)
    model = keras.Model(inputs, mean, name=name)
    return model if packed_layout(members[0]) is None else wrap(model)


def members_of(model: Any) -> list[Any]:
    """The models whose mean `average` made; a model that is no mean is its own only member."""
    inner = unwrap(model)
    if not any(isinstance(layer, WeightedMean) for layer in inner.layers):
        return [inner]
    members = [layer for layer in inner.layers if isinstance(layer, keras.Model)]
    return sorted(members, key=lambda member: int(member.name.rpartition("_")[2]))  # a fold's model must be that fold's
