"""The layers between features and answers, for hand-built baselines and for the blocks of a search.

A *suffix* is a Keras model from encoded features to answers. Its inputs for n reviews; a name contains its source
(`data/inputs/input_sources`):

| input | shape |
|---|---|
| text@minilm-l6:mean | (n, text_features) float32 |
| text_mask | (n,) float32 |
| image@efficientnet-lite0:average | (n, max_images, image_features) float32 |
| image_mask | (n, max_images) float32 |

If the manifest names such columns, metadata, history and their masks are inputs too (`data/inputs/arrays`). A suffix
may also read other read-outs of these encoders (`models/readouts`), read-outs of several encoders of a modality, or the
raw `images` if it trains a CNN.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np
from keras import ops

from automm.data.inputs.input_sources import PIXELS, TOKEN_MASK, InputSource, default_source, source_of_input
from automm.data.inputs.words import MOST_TERMS
from automm.models.fusion import OPERATORS
from automm.models.fusion.late import Apart, WeighedAnswers
from automm.models.history import HISTORIES
from automm.models.keras_internals import layers_within
from automm.models.masks import StandIn
from automm.models.pooling import POOLINGS
from automm.models.words import WORD_DTYPES, WordWeights

BASELINE_SOURCES = (default_source("text"), default_source("image"))


@dataclass(frozen=True)
class Shapes:
    """The sizes that a suffix is built for, and the encoders whose outputs it reads.

    Attributes:
        outputs: the number of values that a model returns for a review.
        head: a name of HEADS.
        columns: the shapes of one review's metadata, history and their masks, if the manifest names these columns.
        encoders: the names of the encoders by modality, first encoder first; without a name, an input has its short
            name.
        of_sources: the shapes of one review's read-outs, where they are known.
    """

    text_features: int
    image_features: int
    max_images: int
    outputs: int
    head: str = field(kw_only=True)
    columns: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    image_size: int = 224  # of the stored pictures, in pixels
    cells: int = 49  # of a picture's last feature map: 7 x 7 in most CNNs, for 224 pixels
    encoders: Mapping[str, Sequence[str]] = field(default_factory=dict)
    of_sources: Mapping[InputSource, tuple[int | None, ...]] = field(default_factory=dict)

    @property
    def first_encoders(self) -> dict[str, str]:
        """The first encoder of each modality, which the hand-built baselines read."""
        return {modality: names[0] for modality, names in self.encoders.items()}

    def source(self, modality: str) -> InputSource:
        """Return the source of the vector that the hand-built baselines read."""
        return default_source(modality).of(self.first_encoders)

    def of_review(self, source: InputSource) -> tuple[int | None, ...]:
        """Return the shape of one review's input."""
        if source.how == PIXELS:
            return self.max_images, self.image_size, self.image_size, 3
        if source.how == TOKEN_MASK:
            return (None,)
        if source.how in WORD_DTYPES:
            return (MOST_TERMS,)
        if source in self.of_sources:
            return self.of_sources[source]
        if source.modality == "text":
            return (None, self.text_features) if source.is_sequence else (self.text_features,)
        cells = (self.cells,) if source.is_sequence else ()
        return (self.max_images, *cells, self.image_features)


# Mean and standard deviation of each feature over the training split, (features,) float32 each, by the input's name.
# Masked pictures and steps do not count. "label" is the entry of the targets, for a head that scales by them. The entry
# of the words is their idf alone.
Statistics = Mapping[str, tuple[np.ndarray, ...]]


class FixedStatistics(keras.layers.Layer):
    """Base: a mean and a standard deviation, set by `learn_statistics` and never changed by training.

    They are weights, not configuration, so a saved model has their exact values.

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
        """Set mean and standard deviation, (features,) each. A constant feature is only shifted."""
        self.mean.assign(mean)
        self.deviation.assign(np.where(deviation > 1e-6, deviation, 1.0))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "features": self.features}


@keras.saving.register_keras_serializable(package="automm")
class Standardize(FixedStatistics):
    """Standardise features, (x - mean) / deviation, and set masked places to zero.

    Args:
        features: as in `FixedStatistics`.
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
class Unscale(FixedStatistics):
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
    """Stack masks (n,) into features (n, modalities), from which a model learns that a modality is absent."""

    def call(self, masks: Any) -> Any:
        return ops.stack(masks, axis=-1)


def suffix_inputs(shapes: Shapes, sources: Sequence[InputSource] = BASELINE_SOURCES) -> dict[str, Any]:
    """Return fresh Keras inputs of a suffix, by name: its sources, the columns, and the masks of all modalities.

    Args:
        sources: read-outs, token masks, pixels. A source without an encoder gets the first of `shapes`.
    """
    dtypes = {TOKEN_MASK: "int32", PIXELS: "uint8", **WORD_DTYPES}
    sizes: dict[str, tuple[int | None, ...]] = {"text_mask": (), "image_mask": (shapes.max_images,), **shapes.columns}
    inputs = {name: keras.Input(size, name=name, dtype="float32") for name, size in sizes.items()}
    for source in (source.of(shapes.first_encoders) for source in sources):
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
    return pool_images(standardized(image, image_mask, source), image_mask, values, text)


def pool_images(image: Any, image_mask: Any, values: Mapping[str, Any], text: Any = None, ending: str = "") -> Any:
    """Pool a review's pictures: (n, max_images, features) to (n, size), where the pooling sets the size.

    Args:
        ending: of the layer's name.
    """
    pooling = layer_of_point(POOLINGS, "image/pooling", values, name=f"image_pooling{ending}")
    return pooling(image, image_mask, text) if pooling.uses_text else pooling(image, image_mask)


def metadata_tower(metadata: Any, mask: Any, values: Mapping[str, Any]) -> Any:
    """Standardise numbers and indicators, and apply a dense layer: (n, size), a learned vector where all is missing."""
    dense = keras.layers.Dense(values["metadata/width"], activation="relu", name="metadata_dense")
    return StandIn(name="metadata_stand_in")(dense(standard_metadata(metadata, mask)), mask)


def standard_metadata(metadata: Any, mask: Any) -> Any:
    """Standardise numbers and keep indicators: (n, columns), zeros where all is missing."""
    return standardized(metadata, mask, source_of_input("metadata"))


def history_tower(history: Any, mask: Any, values: Mapping[str, Any]) -> Any:
    """Standardise steps, and apply the encoder that a point names: (n, size), a learned vector where none is real."""
    encoder = layer_of_point(HISTORIES, "history/encoder", values, name="history_encoder")
    vector = encoder(standard_steps(history, mask), mask)
    return StandIn(name="history_stand_in")(vector, AnyPicture(name="history_any")(mask))


def standard_steps(history: Any, mask: Any) -> Any:
    """Standardise a history: (n, steps) to (n, steps, 1), zeros where a step is masked."""
    steps = keras.layers.Reshape((history.shape[-1], 1), name="history_steps")(history)
    return standardized(steps, mask, source_of_input("history"))


def column_towers(inputs: Mapping[str, Any], values: Mapping[str, Any]) -> tuple[list[Any], list[Any]]:
    """Return the vectors (n, size) of metadata and history, if they are inputs, and the mask (n,) of each."""
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
        parts: a vector for each modality; or a sequence, for a fusion of sequences, which also needs `masks`.
    """
    fusion = layer_of_point(OPERATORS, "fusion/operator", values, name="fusion")
    return fusion(parts, list(masks)) if fusion.of_sequences else fusion(parts)


def layer_of_point(operators: Mapping[str, Any], hyperparameter: str, values: Mapping[str, Any], *, name: str) -> Any:
    """Build the layer that a point of the search space names, with the hyperparameters that its class lists.

    Args:
        operators: layer classes by legal name.
        hyperparameter: for example 'image/pooling'. The layer's hyperparameters have the same prefix: 'image/heads'.
        name: of the layer.
    """
    block = hyperparameter.partition("/")[0]
    operator = operators[values[hyperparameter]]
    return operator(**{key: values[f"{block}/{key}"] for key in operator.hyperparameters}, name=name)


@dataclass(frozen=True)
class Head:
    """The last layers of a model.

    Attributes:
        activation: of the only layer of a linear model.
        layers: (vector (n, size), outputs, name) -> answers (n, outputs); `name` is the name of the last layer.
        scaled: whether its answers are scaled by mean and standard deviation of the training targets.
    """

    activation: str | None
    layers: Callable[[Any, int, str], Any]
    scaled: bool = False


def _softmax(vector: Any, outputs: int, name: str) -> Any:
    return keras.layers.Dense(outputs, activation="softmax", name=name)(vector)


def _number(vector: Any, outputs: int, name: str) -> Any:
    return Unscale(outputs, name=name)(keras.layers.Dense(outputs, name=f"{name}_scaled")(vector))


# By the name in a task. Two labels get a softmax too, so the metrics work for every number of labels.
HEADS: dict[str, Head] = {"softmax": Head("softmax", _softmax), "number": Head(None, _number, scaled=True)}


def answer(vector: Any, masks: list[Any], values: Mapping[str, Any], outputs: int, head: str) -> Any:
    """Apply dense layers, with dropout before each, and the head of the task: (n, outputs).

    A late fusion returns the modalities separately, (n, modalities, size). Then each modality gets its own layers, and
    the weighted sum of their answers is returned.

    Args:
        masks: (n,) each, one per modality in the order of the fusion.
        values: `label/layers`, `label/dropout`, and `label/width` if there are layers.
        head: a name of HEADS.
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
    """Set the statistics of all layers of a suffix, including nested models.

    Args:
        statistics: computed on the training rows, by the name of the input that a layer standardises.
    """
    for layer in layers_within(model):
        if isinstance(layer, FixedStatistics | WordWeights):
            layer.learn(*statistics["label" if isinstance(layer, Unscale) else layer.source])
