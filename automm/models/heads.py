"""What stands between features and probabilities: the parts that hand-built baselines and searched blocks share.

A *suffix* is a Keras model from encoded features to probabilities. Its inputs, by name (n reviews):

| input | shape |
|---|---|
| text | (n, text_features) float32 |
| text_mask | (n,) float32 |
| image | (n, max_images, image_features) float32 |
| image_mask | (n, max_images) float32 |

and, where the manifest names them, metadata, history and their masks as in `data/inputs/arrays`. In place of `text` and
`image` it may have other read-outs of the encoders, by their names (`models/readouts`), and in place of `image` the
raw `images` of `data/inputs/arrays`, where it has a CNN of its own.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np
from keras import ops

from automm.models.fusion import OPERATORS
from automm.models.fusion.late import Apart, WeighedAnswers
from automm.models.history import HISTORIES
from automm.models.keras_internals import layers_within
from automm.models.masks import StandIn
from automm.models.pooling import POOLINGS
from automm.models.readouts import PIXELS, TOKEN_MASK, is_sequence, of_modality

STANDARDIZE = "_standardize"  # after the name of an input, in that of its layer


@dataclass(frozen=True)
class Shapes:
    """Sizes that a suffix is built for.

    Attributes:
        outputs: how many numbers a model gives for a review.
        head: a name of HEADS.
        columns: of metadata, history and their masks, as far as there are some: the shape of one review's.
    """

    text_features: int
    image_features: int
    max_images: int
    outputs: int
    head: str = field(kw_only=True)
    columns: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    image_size: int = 224  # of the stored pictures, in pixels
    cells: int = 49  # of a picture's last feature map: 7 x 7, as most CNNs have it of 224 pixels


# Mean and standard deviation of each feature over the training split, (features,) float32 each, by the input's name.
# Those of pictures and of steps are taken over real ones only. "label": of the targets, for a task that scales them.
Statistics = Mapping[str, tuple[np.ndarray, np.ndarray]]


class Learned(keras.layers.Layer):
    """Base: a mean and a deviation that `learn_statistics` sets, and training never changes.

    The numbers are weights, not configuration, so that a saved model holds them exactly.

    Args:
        features: the size of the last axis.
    """

    def __init__(self, features: int, **kwargs: Any):
        super().__init__(**kwargs)
        self.features = features
        self.mean = self.add_weight(
            shape=(features,), initializer="zeros", trainable=False, name="mean", dtype="float32"
        )
        self.deviation = self.add_weight(
            shape=(features,), initializer="ones", trainable=False, name="deviation", dtype="float32"
        )
        self.built = True

    def learn(self, mean: np.ndarray, deviation: np.ndarray) -> None:
        """Set the numbers; a feature that never varies is only shifted."""
        self.mean.assign(mean)
        self.deviation.assign(np.where(deviation > 1e-6, deviation, 1.0))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "features": self.features}


@keras.saving.register_keras_serializable(package="automm")
class Standardize(Learned):
    """(x - mean) / deviation with fixed numbers, then zeros where the mask is 0."""

    def call(self, values: Any, mask: Any) -> Any:
        mask = ops.expand_dims(mask, -1)
        return ops.where(mask > 0, (values - self.mean) / self.deviation, 0.0)

    def compute_output_shape(self, values_shape: Any, mask_shape: Any = None) -> Any:
        return values_shape


@keras.saving.register_keras_serializable(package="automm")
class Unscale(Learned):
    """(n, 1) in, value * deviation + mean out: a head learns numbers of size 1, and answers in the data's unit."""

    def call(self, values: Any) -> Any:
        return values * self.deviation + self.mean

    def compute_output_shape(self, values_shape: Any) -> Any:
        return values_shape


@keras.saving.register_keras_serializable(package="automm")
class AnyPicture(keras.layers.Layer):
    """(n, max_images) mask in, (n,) float32 out: 1.0 where the review has a picture. Of a history's mask: a step."""

    def call(self, mask: Any) -> Any:
        return ops.max(mask, axis=-1)


@keras.saving.register_keras_serializable(package="automm")
class Indicators(keras.layers.Layer):
    """Masks (n,) side by side as features: (n, modalities). A model may learn what it means that one is absent."""

    def call(self, masks: Any) -> Any:
        return ops.stack(masks, axis=-1)


def suffix_inputs(shapes: Shapes, names: Sequence[str] = ("text", "image")) -> dict[str, Any]:
    """Fresh named Keras inputs of a suffix: read-outs (`models/readouts`), columns, and the masks of all modalities."""
    sizes: dict[str, tuple[int | None, ...]] = {"text_mask": (), "image_mask": (shapes.max_images,), **shapes.columns}
    for name in of_modality("text", names):
        sizes[name] = (None, shapes.text_features) if is_sequence(name) else (shapes.text_features,)
    for name in of_modality("image", names):
        inner = (shapes.cells, shapes.image_features) if is_sequence(name) else (shapes.image_features,)
        sizes[name] = (shapes.max_images, *inner)
    inputs = {name: keras.Input(size, name=name, dtype="float32") for name, size in sizes.items()}
    if TOKEN_MASK in names:
        inputs[TOKEN_MASK] = keras.Input((None,), name=TOKEN_MASK, dtype="int32")
    if PIXELS in names:
        picture = (shapes.max_images, shapes.image_size, shapes.image_size, 3)
        inputs[PIXELS] = keras.Input(picture, name=PIXELS, dtype="uint8")
    return inputs


def text_tower(text: Any, text_mask: Any, name: str = "text") -> Any:
    """Standardised text features, a learned vector where there is no text: (n, text_features).

    Args:
        name: of the read-out, whose statistics are taken.
    """
    text = Standardize(text.shape[-1], name=name + STANDARDIZE)(text, text_mask)
    return StandIn(name="text_stand_in")(text, text_mask)


def image_tower(image: Any, image_mask: Any, values: Mapping[str, Any], text: Any = None, name: str = "image") -> Any:
    """Standardised picture features, pooled over the pictures: (n, size), a size of the pooling's own.

    Args:
        text: the text tower's vector, for a pooling that asks by it.
        name: of the read-out, whose statistics are taken.
    """
    image = Standardize(image.shape[-1], name=name + STANDARDIZE)(image, image_mask)
    return pooled(image, image_mask, values, text)


def pooled(image: Any, image_mask: Any, values: Mapping[str, Any], text: Any = None) -> Any:
    """One vector of a review's pictures: (n, max_images, features) to (n, size), a size of the pooling's own."""
    pooling = chosen(POOLINGS, "image/pooling", values, name="image_pooling")
    return pooling(image, image_mask, text) if pooling.asked_by_text else pooling(image, image_mask)


def metadata_tower(metadata: Any, mask: Any, values: Mapping[str, Any]) -> Any:
    """Standardised numbers and indicators through a dense layer, a learned vector where all is missing: (n, size)."""
    dense = keras.layers.Dense(values["metadata/width"], activation="relu", name="metadata_dense")
    return StandIn(name="metadata_stand_in")(dense(standard_metadata(metadata, mask)), mask)


def standard_metadata(metadata: Any, mask: Any) -> Any:
    """(n, columns): numbers standardised, indicators as they are, zeros where all is missing."""
    return Standardize(metadata.shape[-1], name="metadata" + STANDARDIZE)(metadata, mask)


def history_tower(history: Any, mask: Any, values: Mapping[str, Any]) -> Any:
    """Standardised steps through the encoder that a point names, a learned vector where there is none: (n, size)."""
    encoder = chosen(HISTORIES, "history/encoder", values, name="history_encoder")
    vector = encoder(standard_steps(history, mask), mask)
    return StandIn(name="history_stand_in")(vector, AnyPicture(name="history_any")(mask))


def standard_steps(history: Any, mask: Any) -> Any:
    """(n, steps, 1) standardised, zeros where a step is masked out."""
    steps = keras.layers.Reshape((history.shape[-1], 1), name="history_steps")(history)
    return Standardize(1, name="history" + STANDARDIZE)(steps, mask)


def column_towers(inputs: Mapping[str, Any], values: Mapping[str, Any]) -> tuple[list[Any], list[Any]]:
    """The vectors of metadata and history, as far as there are such inputs, and the mask (n,) of each."""
    vectors, masks = [], []
    if "metadata" in inputs:
        vectors.append(metadata_tower(inputs["metadata"], inputs["metadata_mask"], values))
        masks.append(inputs["metadata_mask"])
    if "history" in inputs:
        vectors.append(history_tower(inputs["history"], inputs["history_mask"], values))
        masks.append(AnyPicture(name="any_step")(inputs["history_mask"]))
    return vectors, masks


def fuse(parts: list[Any], values: Mapping[str, Any], masks: Sequence[Any] = ()) -> Any:
    """One vector of several modalities.

    Args:
        parts: a vector a modality; also sequences, where the fusion takes such, and then `masks` are those of all.
    """
    fusion = chosen(OPERATORS, "fusion/operator", values, name="fusion")
    return fusion(parts, list(masks)) if fusion.of_sequences else fusion(parts)


def chosen(operators: Mapping[str, Any], hyperparameter: str, values: Mapping[str, Any], *, name: str) -> Any:
    """The layer that a point of the search space names, with the hyperparameters that its class says it has.

    Args:
        operators: the legal names, and a class each.
        hyperparameter: 'image/pooling'; the layer's own are named like it: 'image/heads'.
        name: of the layer.
    """
    block = hyperparameter.partition("/")[0]
    operator = operators[values[hyperparameter]]
    return operator(**{key: values[f"{block}/{key}"] for key in operator.hyperparameters}, name=name)


@dataclass(frozen=True)
class Head:
    """The last layers of a model.

    Attributes:
        activation: of a linear model's only layer.
        layers: (vector (n, size), outputs, name) -> answers (n, outputs), the last layer under this name.
    """

    activation: str | None
    layers: Callable[[Any, int, str], Any]


def _softmax(vector: Any, outputs: int, name: str) -> Any:
    return keras.layers.Dense(outputs, activation="softmax", name=name)(vector)


def _number(vector: Any, outputs: int, name: str) -> Any:
    return Unscale(outputs, name=name)(keras.layers.Dense(outputs, name=f"{name}_scaled")(vector))


# A task names its own. Two labels get a softmax too, so that one metric code serves every number of labels.
HEADS: dict[str, Head] = {"softmax": Head("softmax", _softmax), "number": Head(None, _number)}


def answer(vector: Any, masks: list[Any], values: Mapping[str, Any], outputs: int, head: str) -> Any:
    """Dense layers with dropout before each, then the head of the task: (n, outputs).

    Where the fusion has kept the modalities apart, (n, modalities, size), each has such layers of its own, and their
    answers are weighed.

    Args:
        masks: (n,) each, one a modality in the fusion's order.
        head: a name of HEADS.
        values: `label/layers`, `label/dropout`, and `label/width` where there are layers.
    """
    if len(vector.shape) == 2:
        with_masks = keras.layers.Concatenate(name="presence")([vector, Indicators(name="indicators")(masks)])
        return _head(with_masks, values, outputs, head, prefix="head", name="label")
    parts = Apart(name="apart")(vector)
    answers = [
        _head(part, values, outputs, head, prefix=f"head_{place}", name=f"label_{place}")
        for place, part in enumerate(parts)
    ]
    return WeighedAnswers(name="label")(answers, masks)


def _head(x: Any, values: Mapping[str, Any], outputs: int, head: str, *, prefix: str, name: str) -> Any:
    x = keras.layers.Dropout(values["label/dropout"], name=f"{prefix}_dropout_0")(x)
    for place in range(1, values["label/layers"] + 1):
        x = keras.layers.Dense(values["label/width"], activation="relu", name=f"{prefix}_dense_{place}")(x)
        x = keras.layers.Dropout(values["label/dropout"], name=f"{prefix}_dropout_{place}")(x)
    return HEADS[head].layers(x, outputs, name)


def learn_statistics(model: Any, statistics: Statistics) -> None:
    """Give the training split's statistics to the layers of a suffix that want some, nested models included."""
    for layer in layers_within(model):
        if isinstance(layer, Learned):
            name = "label" if isinstance(layer, Unscale) else layer.name.removesuffix(STANDARDIZE)
            layer.learn(*statistics[name])
