"""The hand-built baselines that a search must beat, in plain Keras.

Each builder takes the sizes and returns a suffix (`models/heads`). The baselines in TRAINED are trained like a trial;
the weights of the others are computed from the training split without gradient descent.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import ops

from automm.data.inputs.input_sources import PIXELS, WORD_IDS, WORD_WEIGHTS, WORDS, default_source, source_of_input
from automm.models import packing
from automm.models.cnn.pixels import FROZEN, PixelEncoder
from automm.models.fusion.similarity import similarity_part, similarity_sources
from automm.models.heads import (
    HEADS,
    AnyPicture,
    Indicators,
    Shapes,
    answer,
    column_towers,
    fuse,
    image_tower,
    pool_images,
    standard_metadata,
    standard_steps,
    standardized,
    suffix_inputs,
    text_tower,
)
from automm.models.towers import image_part, needed_sources, text_part
from automm.models.trees.arrays import BoostedTrees
from automm.models.trees.layer import TreeSum
from automm.models.words import WordSum, WordWeights

# The model that the project began with: two encoders, a concatenation, and a small head of two dense layers. It is also
# a point of the search space.
CONCATENATION: dict[str, Any] = {
    "text/readout": "mean",
    "text/layer": "last",
    "image/source": FROZEN,
    "image/readout": "average",
    "image/stage": "last",
    "image/pooling": "mean",
    "fusion/operator": "concatenation",
    "fusion/width": 128,
    "label/layers": 2,
    "label/width": 128,
    "label/dropout": 0.5,
    "training/learning_rate": 1e-3,
}
LOW_RANK_BILINEAR: dict[str, Any] = {**CONCATENATION, "fusion/operator": "low_rank_bilinear"}
COLUMNS: dict[str, Any] = {"metadata/width": 64, "history/encoder": "gru", "history/width": 32}
READ = {
    key: CONCATENATION[key] for key in ("text/readout", "text/layer", "image/source", "image/readout", "image/stage")
}
COMPONENTS = "components_"  # the beginning of the names of layers
MEAN = {"image/pooling": CONCATENATION["image/pooling"]}
ONE_MODALITY: dict[str, Any] = {
    key: CONCATENATION[key]
    for key in ("fusion/width", "label/layers", "label/width", "label/dropout", "training/learning_rate")
}


def with_columns(values: Mapping[str, Any], columns: Collection[str]) -> dict[str, Any]:
    """Add the hyperparameters of the towers of `columns` ('metadata', 'history') to a point."""
    return {**values, **{name: value for name, value in COLUMNS.items() if name.partition("/")[0] in columns}}


def with_encoders(values: Mapping[str, Any], encoders: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """Add the first encoder of each modality that has several to a point, as a point of the space names it."""
    first = {f"{modality}/encoder": names[0] for modality, names in encoders.items() if len(names) > 1}
    return {**values, **first}


def fused(shapes: Shapes, values: dict[str, Any], pixels: PixelEncoder | None = None) -> Any:
    """Build the suffix of a point of the search space, which fuses text, pictures, metadata and history.

    Args:
        shapes: with the widths of the places that the point reads; some encoders have another width at each place.
        values: the point; missing read-outs are those of the baselines.
        pixels: the CNN that is trained with the suffix, if the point names one.
    """
    values = {**READ, **values}
    inputs = suffix_inputs(shapes, needed_sources(values, shapes.encoders))
    has_picture = AnyPicture(name="any_picture")(inputs["image_mask"])
    text, text_places = text_part(inputs, inputs["text_mask"], values, shapes.encoders.get("text", ()))
    pictures = inputs if pixels is None else pixels.named(inputs[PIXELS])
    image, image_places = image_part(pictures, inputs["image_mask"], values, text, shapes.encoders.get("image", ()))
    vectors, masks = column_towers(inputs, values)
    if sources := similarity_sources(values):
        compared, images = (inputs[source.name] for source in sources)
        similarity, both = similarity_part(compared, images, inputs["text_mask"], inputs["image_mask"], values)
        vectors, masks = [*vectors, similarity], [*masks, both]
    vector = fuse([text, image, *vectors], values, [text_places, image_places, *masks])
    outputs = answer(vector, [inputs["text_mask"], has_picture, *masks], values, shapes.outputs, shapes.head)
    return keras.Model(inputs, outputs, name="fused")


def text_only(shapes: Shapes, values: dict[str, Any]) -> Any:
    """Build a suffix that reads the text alone."""
    inputs, source = suffix_inputs(shapes), shapes.source("text")
    vector = text_tower(inputs[source.name], inputs[source.mask], source)
    vector = keras.layers.Dense(values["fusion/width"], activation="relu", name="projection")(vector)
    outputs = answer(vector, [inputs["text_mask"]], values, shapes.outputs, shapes.head)
    return keras.Model(inputs, outputs, name="text_only")


def image_only(shapes: Shapes, values: dict[str, Any]) -> Any:
    """Build a suffix that reads the pictures alone, averaged over a review."""
    inputs, source = suffix_inputs(shapes), shapes.source("image")
    vector = image_tower(inputs[source.name], inputs[source.mask], MEAN, source=source)
    vector = keras.layers.Dense(values["fusion/width"], activation="relu", name="projection")(vector)
    has_picture = AnyPicture(name="any_picture")(inputs["image_mask"])
    outputs = answer(vector, [has_picture], values, shapes.outputs, shapes.head)
    return keras.Model(inputs, outputs, name="image_only")


def packed_concatenation(shapes: Shapes, values: dict[str, Any]) -> Any:
    """Build the concatenation with one packed input, which the model unpacks itself."""
    return packing.wrap(fused(shapes, values))


TRAINED: dict[str, tuple[Callable[[Shapes, dict[str, Any]], Any], dict[str, Any]]] = {
    "image_only": (image_only, {"modalities": "image", **ONE_MODALITY}),
    "text_only": (text_only, {"modalities": "text", **ONE_MODALITY}),
    "concatenation": (fused, CONCATENATION),
    "low_rank_bilinear": (fused, LOW_RANK_BILINEAR),
    "packed_concatenation": (packed_concatenation, CONCATENATION),
}


def late_average(shapes: Shapes, members: dict[str, Any]) -> Any:
    """Build the average of the answers of trained suffixes.

    Args:
        members: the suffixes by name; they are shared, not copied.
    """
    inputs = suffix_inputs(shapes)
    for name, member in members.items():
        member.name = name
    outputs = []
    for member in members.values():
        # The inputs of members from older runs have short names.
        sources = {tensor.name: source_of_input(tensor.name).of(shapes.first_encoders) for tensor in member.inputs}
        outputs.append(member({name: inputs[source.name] for name, source in sources.items()}))
    return keras.Model(inputs, keras.layers.Average(name="label")(outputs), name="late_average")


@keras.saving.register_keras_serializable(package="automm")
class ClassShares(keras.layers.Layer):
    """Return the same row of numbers for every review, (n, outputs), for example the shares of the classes.

    Args:
        shares: the row, (outputs,).
    """

    def __init__(self, shares: list[float], **kwargs: Any):
        super().__init__(**kwargs)
        self.shares = [float(share) for share in shares]

    def call(self, anything: Any) -> Any:
        row = ops.convert_to_tensor(np.asarray([self.shares], np.float32))
        return ops.tile(row, (ops.shape(anything)[0], 1))

    def compute_output_shape(self, input_shape: Any) -> Any:
        return (input_shape[0], len(self.shares))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "shares": self.shares}


def constant(shapes: Shapes, answer: np.ndarray) -> Any:
    """Build a suffix that returns the same answer, (outputs,), for every review."""
    inputs = suffix_inputs(shapes)
    outputs = ClassShares(list(answer), name="label")(inputs["text_mask"])
    return keras.Model(inputs, outputs, name="majority")


def linear(shapes: Shapes, modalities: tuple[str, ...], *, all_encoders: bool = False) -> Any:
    """Build a softmax regression or a linear regression on frozen features; `set_linear` sets its weights.

    Args:
        modalities: the modalities to use: 'text', 'image', 'metadata', 'history'.
        all_encoders: whether to use all encoders of a modality, not the first alone.
    """
    parts = _frozen_parts(shapes, modalities, all_encoders=all_encoders)
    indicators = Indicators(name="indicators")(parts.masks)
    design = keras.layers.Concatenate(name="design")([*parts.vectors, *parts.columns, indicators])
    outputs = keras.layers.Dense(shapes.outputs, activation=HEADS[shapes.head].activation, name="label")(design)
    return keras.Model(parts.inputs, outputs, name="linear")


@dataclass(frozen=True)
class FrozenParts:
    """What a model without trained layers reads.

    Attributes:
        inputs: of the suffix.
        vectors: the standardised features of each encoder, (n, features) each; pictures averaged over a review.
        columns: standardised metadata, and history with its mask, (n, size) each.
        masks: (n,) of each modality, 1.0 where a review has it.
    """

    inputs: Mapping[str, Any]
    vectors: Sequence[Any]
    columns: Sequence[Any]
    masks: Sequence[Any]


def _frozen_parts(shapes: Shapes, modalities: Collection[str], *, all_encoders: bool) -> FrozenParts:
    sources = {modality: [shapes.source(modality)] for modality in ("text", "image")}
    if all_encoders:
        sources = {m: [default_source(m, name) for name in shapes.encoders[m]] for m in sources}
    inputs = suffix_inputs(shapes, [source for some in sources.values() for source in some])
    vectors, columns, masks = [], [], []
    if "text" in modalities:
        vectors += [text_tower(inputs[text.name], inputs[text.mask], text) for text in sources["text"]]
        masks.append(inputs["text_mask"])
    if "image" in modalities:
        for place, image in enumerate(sources["image"]):
            pictures = standardized(inputs[image.name], inputs[image.mask], image)
            vectors.append(pool_images(pictures, inputs[image.mask], MEAN, ending=f"_{place + 1}" if place else ""))
        masks.append(AnyPicture(name="any_picture")(inputs["image_mask"]))
    if "metadata" in modalities:
        columns.append(standard_metadata(inputs["metadata"], inputs["metadata_mask"]))
        masks.append(inputs["metadata_mask"])
    if "history" in modalities:
        steps = standard_steps(inputs["history"], inputs["history_mask"])
        columns += [keras.layers.Flatten(name="history_flat")(steps), inputs["history_mask"]]
        masks.append(AnyPicture(name="any_step")(inputs["history_mask"]))
    return FrozenParts(inputs, vectors, columns, masks)


def bag_of_words(shapes: Shapes) -> Any:
    """Build a softmax regression or a linear regression on the words of the text; `set_linear` sets its weights."""
    inputs = suffix_inputs(shapes, [source_of_input(name) for name in WORDS])
    weights = WordWeights(name="word_weights")(inputs[WORD_IDS], inputs[WORD_WEIGHTS])
    activation = HEADS[shapes.head].activation
    outputs = WordSum(shapes.outputs, use_bias=True, activation=activation, name="label")(inputs[WORD_IDS], weights)
    return keras.Model(inputs, outputs, name="bag_of_words")


def design_matrix(model: Any) -> Any:
    """Return the model from the inputs of a `linear` suffix to the inputs of its regression, (n, features)."""
    return keras.Model(model.inputs, model.get_layer("design").output)


def set_linear(model: Any, coefficients: np.ndarray, intercepts: np.ndarray) -> None:
    """Set the weights of a `linear` or `bag_of_words` suffix from a fitted regression.

    Args:
        coefficients: (outputs, features).
        intercepts: (outputs,).
    """
    model.get_layer("label").set_weights([coefficients.T, intercepts])


def tree_features(shapes: Shapes, modalities: tuple[str, ...], most: int) -> Any:
    """Build the model from the inputs of a suffix to what boosted trees read, (n, features) float32.

    These are principal components of each encoder's features, metadata, history, and an indicator for each modality.
    `set_components` sets the components; `with_trees` adds the trees.

    Args:
        modalities: as in `linear`; all encoders are read.
        most: the number of components of all encoders together.
    """
    parts = _frozen_parts(shapes, modalities, all_encoders=bool(shapes.encoders))
    each = max(1, most // len(parts.vectors))
    components = [
        keras.layers.Dense(
            min(each, vector.shape[-1]), name=f"{COMPONENTS}{place}", kernel_initializer="zeros", trainable=False
        )(vector)
        for place, vector in enumerate(parts.vectors, 1)
    ]
    indicators = Indicators(name="indicators")(parts.masks)
    features = keras.layers.Concatenate(name="tree_features")([*components, *parts.columns, indicators])
    return keras.Model(parts.inputs, features, name="tree_features")


def component_layers(features: Any) -> list[tuple[Any, Any]]:
    """Return the layers of components of `tree_features`, each with the model from the inputs to what it reads."""
    layers = [layer for layer in features.layers if layer.name.startswith(COMPONENTS)]
    return [(layer, keras.Model(features.inputs, layer.input)) for layer in layers]


def set_components(layer: Any, mean: np.ndarray, components: np.ndarray) -> None:
    """Set a layer of components from the mean, (features,), and the components, (components, features)."""
    layer.set_weights([components.T, -components @ mean])


def with_trees(features: Any, trees: BoostedTrees, last: Any) -> Any:
    """Add boosted trees, and the layer `last` behind their sums, to a model that `tree_features` has built."""
    sums = TreeSum.of(trees, name="trees")(features.output)
    return keras.Model({tensor.name: tensor for tensor in features.inputs}, last(sums), name="boosted_trees")
