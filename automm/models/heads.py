"""The layers between features and probabilities, which hand-built baselines and searched blocks share.

A *suffix* is a Keras model from encoded features to probabilities. The inputs of a suffix of n reviews, whose names
carry their source (`data/inputs/input_sources`):

| input | shape |
|---|---|
| text@minilm-l6:mean | (n, text_features) float32 |
| text_mask | (n,) float32 |
| image@efficientnet-lite0:average | (n, max_images, image_features) float32 |
| image_mask | (n, max_images) float32 |

and, where the manifest names them, metadata, history and their masks as in `data/inputs/arrays`. A suffix may read
other read-outs (`models/readouts`) of these encoders, read-outs of several encoders of a modality, or, where it trains
a CNN, the raw `images` of `data/inputs/arrays`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np
from keras import ops

from automm.data.inputs.input_sources import PIXELS, TOKEN_MASK, InputSource, default_source, source_of_input
from automm.models.fusion import OPERATORS
from automm.models.fusion.late import Apart, WeighedAnswers
from automm.models.history import HISTORIES
from automm.models.keras_internals import layers_within
from automm.models.masks import StandIn
from automm.models.pooling import POOLINGS

BASELINE_SOURCES = (default_source("text"), default_source("image"))


@dataclass(frozen=True)
class Shapes:
    """The sizes that a suffix is built for, and the encoders whose outputs it reads.

    Attributes:
        outputs: how many numbers a model gives for a review.
        head: a name of HEADS.
        columns: the shape of one review's metadata, history and their masks, where the manifest names these columns.
        encoders: the name of the encoder by modality; without it, inputs have their short names.
        other_features: the size of the features of further encoders of a modality, by the encoder's name.
    """

    text_features: int
    image_features: int
    max_images: int
    outputs: int
    head: str = field(kw_only=True)
    columns: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    image_size: int = 224  # of the stored pictures, in pixels
    cells: int = 49  # of a picture's last feature map: 7 x 7, as most CNNs have it of 224 pixels
    encoders: Mapping[str, str] = field(default_factory=dict)
    other_features: Mapping[str, int] = field(default_factory=dict)

    def source(self, modality: str) -> InputSource:
        """Return the source of the vector that the hand-built baselines read."""
        return default_source(modality).of(self.encoders)

    def of_review(self, source: InputSource) -> tuple[int | None, ...]:
        """Return the shape of one review's input."""
        if source.how == PIXELS:
            return self.max_images, self.image_size, self.image_size, 3
        if source.how == TOKEN_MASK:
            return (None,)
        of_modality = self.text_features if source.modality == "text" else self.image_features
        features = self.other_features.get(source.encoder, of_modality)
        if source.modality == "text":
            return (None, features) if source.is_sequence else (features,)
        return (self.max_images, self.cells, features) if source.is_sequence else (self.max_images, features)


# Mean and standard deviation of each feature over the training split, (features,) float32 each, by the input's name.
# Masked pictures and steps do not count. "label" has those of the targets, for a task that scales them.
Statistics = Mapping[str, tuple[np.ndarray, np.ndarray]]


class Learned(keras.layers.Layer):
    """Base: a mean and a standard deviation, set by `learn_statistics` and never changed by training.

    The numbers are weights, not configuration: a saved model holds them exactly.

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
        """Set the numbers; a constant feature is only shifted."""
        self.mean.assign(mean)
        self.deviation.assign(np.where(deviation > 1e-6, deviation, 1.0))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "features": self.features}


@keras.saving.register_keras_serializable(package="automm")
class Standardize(Learned):
    """(x - mean) / deviation with fixed numbers, then zeros where the mask is 0.

    Args:
        features: as in `Learned`.
        source: the name of the input that it standardises, for `learn_statistics`.
    """

    def __init__(self, features: int, source: str = "", **kwargs: Any):
        super().__init__(features, **kwargs)
        self.source = source

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "source": self.source}

    def call(self, values: Any, mask: Any) -> Any:
        mask = ops.expand_dims(mask, -1)
        return ops.where(mask > 0, (values - self.mean) / self.deviation, 0.0)

    def compute_output_shape(self, values_shape: Any, mask_shape: Any = None) -> Any:
        return values_shape


@keras.saving.register_keras_serializable(package="automm")
class Unscale(Learned):
    """Scale (n, 1) back to the data's unit: value * deviation + mean. The layers before it learn numbers of size 1."""

    def call(self, values: Any) -> Any:
        return values * self.deviation + self.mean

    def compute_output_shape(self, values_shape: Any) -> Any:
        return values_shape


@keras.saving.register_keras_serializable(package="automm")
class AnyPicture(keras.layers.Layer):
    """Reduce a mask (n, max_images) to (n,) float32: 1.0 where the review has any picture, or any step of a history."""

    def call(self, mask: Any) -> Any:
        return ops.max(mask, axis=-1)


@keras.saving.register_keras_serializable(package="automm")
class Indicators(keras.layers.Layer):
    """Stack masks (n,) as features (n, modalities): a model may learn from the absence of a modality."""

    def call(self, masks: Any) -> Any:
        return ops.stack(masks, axis=-1)


def suffix_inputs(shapes: Shapes, sources: Sequence[InputSource] = BASELINE_SOURCES) -> dict[str, Any]:
    """Return fresh Keras inputs of a suffix, by name: its sources, the columns, and the masks of all modalities.

    Args:
        sources: read-outs, masks of tokens, pixels; those without an encoder are read of the encoders of `shapes`.
    """
    dtypes = {TOKEN_MASK: "int32", PIXELS: "uint8"}
    sizes: dict[str, tuple[int | None, ...]] = {"text_mask": (), "image_mask": (shapes.max_images,), **shapes.columns}
    inputs = {name: keras.Input(size, name=name, dtype="float32") for name, size in sizes.items()}
    for source in (source.of(shapes.encoders) for source in sources):
        dtype = dtypes.get(source.how, "float32")
        inputs[source.name] = keras.Input(shapes.of_review(source), name=source.name, dtype=dtype)
    return inputs


def standardized(values: Any, mask: Any, source: InputSource) -> Any:
    """Standardise the values of a source by its statistics, with zeros where the mask is 0."""
    layer = Standardize(values.shape[-1], source=source.name, name=f"{source.layer_name}_standardize")
    return layer(values, mask)


def text_tower(text: Any, text_mask: Any, source: InputSource = BASELINE_SOURCES[0]) -> Any:
    """Standardise text features, and put a learned vector where there is no text: (n, text_features)."""
    text = standardized(text, text_mask, source)
    return StandIn(name=f"{source.layer_name}_stand_in")(text, text_mask)


def image_tower(
    image: Any,
    image_mask: Any,
    values: Mapping[str, Any],
    text: Any = None,
    source: InputSource = BASELINE_SOURCES[1],
) -> Any:
    """Standardise picture features, and pool them over the pictures: (n, size), where the pooling sets the size.

    Args:
        text: the text tower's vector, for a pooling that uses it as its query.
    """
    return pooled(standardized(image, image_mask, source), image_mask, values, text)


def pooled(image: Any, image_mask: Any, values: Mapping[str, Any], text: Any = None) -> Any:
    """Pool a review's pictures: (n, max_images, features) to (n, size), where the pooling sets the size."""
    pooling = chosen(POOLINGS, "image/pooling", values, name="image_pooling")
    return pooling(image, image_mask, text) if pooling.asked_by_text else pooling(image, image_mask)


def metadata_tower(metadata: Any, mask: Any, values: Mapping[str, Any]) -> Any:
    """Standardise numbers and indicators, and apply a dense layer: (n, size), a learned vector where all is missing."""
    dense = keras.layers.Dense(values["metadata/width"], activation="relu", name="metadata_dense")
    return StandIn(name="metadata_stand_in")(dense(standard_metadata(metadata, mask)), mask)


def standard_metadata(metadata: Any, mask: Any) -> Any:
    """Standardise numbers and keep indicators: (n, columns), zeros where all is missing."""
    return standardized(metadata, mask, source_of_input("metadata"))


def history_tower(history: Any, mask: Any, values: Mapping[str, Any]) -> Any:
    """Standardise steps, and apply the encoder that a point names: (n, size), a learned vector where none is real."""
    encoder = chosen(HISTORIES, "history/encoder", values, name="history_encoder")
    vector = encoder(standard_steps(history, mask), mask)
    return StandIn(name="history_stand_in")(vector, AnyPicture(name="history_any")(mask))


def standard_steps(history: Any, mask: Any) -> Any:
    """Standardise a history: (n, steps) to (n, steps, 1), zeros where a step is masked."""
    steps = keras.layers.Reshape((history.shape[-1], 1), name="history_steps")(history)
    return standardized(steps, mask, source_of_input("history"))


def column_towers(inputs: Mapping[str, Any], values: Mapping[str, Any]) -> tuple[list[Any], list[Any]]:
    """Return the vectors of metadata and history, of those that are inputs, and the mask (n,) of each."""
    vectors, masks = [], []
    if "metadata" in inputs:
        vectors.append(metadata_tower(inputs["metadata"], inputs["metadata_mask"], values))
        masks.append(inputs["metadata_mask"])
    if "history" in inputs:
        vectors.append(history_tower(inputs["history"], inputs["history_mask"], values))
        masks.append(AnyPicture(name="any_step")(inputs["history_mask"]))
    return vectors, masks


def fuse(parts: list[Any], values: Mapping[str, Any], masks: Sequence[Any] = ()) -> Any:
    """Fuse several modalities into one vector.

    Args:
        parts: a vector for each modality, or a sequence for a fusion of sequences, which also needs `masks`.
    """
    fusion = chosen(OPERATORS, "fusion/operator", values, name="fusion")
    return fusion(parts, list(masks)) if fusion.of_sequences else fusion(parts)


def chosen(operators: Mapping[str, Any], hyperparameter: str, values: Mapping[str, Any], *, name: str) -> Any:
    """Return the layer that a point of the search space names, with the hyperparameters that its class lists.

    Args:
        operators: the class of each legal name.
        hyperparameter: 'image/pooling'; the layer's hyperparameters begin with the same word: 'image/heads'.
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
    """Set the statistics of a suffix's layers, those of nested models too.

    Args:
        statistics: of the training rows, by the name of the input that a layer standardises.
    """
    for layer in layers_within(model):
        if isinstance(layer, Learned):
            layer.learn(*statistics["label" if isinstance(layer, Unscale) else layer.source])
