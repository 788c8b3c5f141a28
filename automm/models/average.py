"""Combine several models into one: a weighted mean of their answers, or a logistic regression on them.

The average of the fold models is the candidate that was cross-validated (bagging, Breiman 1996): each fold model was
trained on other rows, so the mean varies less than each of them. An ensemble uses the same layers with other members.
"""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from automm.models.packing import packed_layout, unwrap, wrap
from automm.tasks.classification import SMALLEST


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


@keras.saving.register_keras_serializable(package="automm")
class LogMean(keras.layers.Layer):
    """Combine a list of probabilities, (n, classes) each, to (n, classes).

    softmax(sum of coefficient * log p, and the biases): a stacked logistic regression (Wolpert 1992); of one member
    without biases, a temperature of 1 / coefficient.

    Args:
        coefficients: one per member.
        biases: one per class; [] for none.
    """

    def __init__(self, coefficients: Sequence[float], biases: Sequence[float], **kwargs: Any):
        super().__init__(**kwargs)
        self.weights_of_members = [float(coefficient) for coefficient in coefficients]
        self.biases = [float(bias) for bias in biases]

    def call(self, members: Any) -> Any:
        scores = ops.convert_to_tensor(self.biases or [0.0], "float32")
        for coefficient, member in zip(self.weights_of_members, members, strict=True):
            scores = scores + coefficient * ops.log(ops.clip(member, SMALLEST, 1.0))
        return ops.softmax(scores)

    def compute_output_shape(self, shapes: Any) -> Any:
        return shapes[0]

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "coefficients": self.weights_of_members, "biases": self.biases}


@keras.saving.register_keras_serializable(package="automm")
class Decision(keras.layers.Layer):
    """Decide the label from probabilities, (n, classes) to (n,) int32: the largest log p plus the bias of the class."""

    def __init__(self, biases: Sequence[float], **kwargs: Any):
        super().__init__(**kwargs)
        self.biases = [float(bias) for bias in biases]

    def call(self, probabilities: Any) -> Any:
        scores = ops.log(ops.clip(probabilities, SMALLEST, 1.0)) + ops.convert_to_tensor(self.biases, "float32")
        # Not `ops.argmax`: Keras compares bits there, which ONNX does not know.
        return ops.cast(ops.top_k(scores, k=1)[1][:, 0], "int32")

    def compute_output_spec(self, probabilities: Any) -> Any:
        return keras.KerasTensor((probabilities.shape[0],), "int32")

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "biases": self.biases}


def with_decision(model: Any, biases: Sequence[float]) -> Any:
    """Return the model with a second output: {"probabilities": (n, classes), "label": (n,) int32, its position}."""
    answers = model.output
    outputs = {"probabilities": answers, "label": Decision(biases, name="decision")(answers)}
    return keras.Model(model.input, outputs, name=model.name)


def without_decision(model: Any) -> Any:
    """Return the model with its probabilities as the only output; a model without a decision is returned unchanged."""
    if not isinstance(model.output, dict):
        return model
    return keras.Model(model.input, model.output["probabilities"], name=model.name)


def average(members: Sequence[Any], weights: Sequence[float] | None = None, *, name: str = "folds") -> Any:
    """Build one model that returns the mean of its members; a single member is returned unchanged.

    Args:
        members: as in `combine`.
        weights: one per member; None for equal weights.
        name: of the model.
    """
    if len(members) == 1:
        return members[0]
    return combine(members, [WeightedMean(weights or [1.0] * len(members), name="label")], name=name)


def combine(members: Sequence[Any], layers: Sequence[Any], *, name: str) -> Any:
    """Build one model that combines the answers of its members.

    Args:
        members: models; inputs with the same name have the same shape. They are shared, not copied, and renamed
            `<name>_1`, `<name>_2`, ... If one is packed, all must be, and the result is packed too.
        layers: WeightedMean or LogMean: the first is called with the answers of the members, each other one with the
            answers of the layer before.
        name: of the model.
    """
    inner = [unwrap(member) for member in members]
    tensors = {tensor.name: tensor for member in inner for tensor in member.inputs}
    inputs = {key: keras.Input(tensor.shape[1:], name=key, dtype=tensor.dtype) for key, tensor in tensors.items()}
    outputs = []
    for place, member in enumerate(inner, 1):
        member.name = f"{name}_{place}"
        outputs.append(member({tensor.name: inputs[tensor.name] for tensor in member.inputs}))
    for layer in layers:
        outputs = [layer(outputs)]
    model = keras.Model(inputs, outputs[0], name=name)
    return model if packed_layout(members[0]) is None else wrap(model)


def combiners_of(model: Any) -> list[Any]:
    """Return the layers with which `combine` combined the members of a model, in their order; [] for other models."""
    return [layer for layer in unwrap(model).layers if isinstance(layer, WeightedMean | LogMean)]


def members_of(model: Any) -> list[Any]:
    """Return the members of a model that `combine` built; for any other model, the model itself."""
    inner = unwrap(model)
    if not combiners_of(inner):
        return [inner]
    members = [layer for layer in inner.layers if isinstance(layer, keras.Model)]
    return sorted(members, key=lambda member: int(member.name.rpartition("_")[2]))  # in the order of the folds


def combined(model: Any, answers: Sequence[np.ndarray]) -> np.ndarray:
    """Return the answers of a model from those of its members, (n, outputs) float32 each.

    Args:
        answers: of `members_of(model)`; or of the single member of an ensemble, which may be a mean of fold models.
    """
    parts: list[Any] = list(answers)
    for layer in combiners_of(model) if len(parts) == len(members_of(model)) else []:
        parts = [layer(parts)]
    return np.asarray(parts[0], np.float32)


def shares_of(model: Any) -> list[float]:
    """Return the weight of each of `members_of(model)`, divided by the sum of the weights."""
    layers = combiners_of(model)
    weights = layers[0].weights_of_members if layers else [1.0]
    return [weight / sum(weights) for weight in weights]
