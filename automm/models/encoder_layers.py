"""The encoder layers: a backbone, its read-out, and whether it is trained.

A whole encoder reads arrays and yields a vector. For tier 2 it comes as two layers: a lower half, frozen, whose states
are computed once, and an upper half that is trained and ends in the same read-out.
"""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops


class Encoder(keras.layers.Layer):
    """A backbone, and whether it is trained.

    While `trainable` is False the backbone runs in inference mode whatever the caller says: a `training=False` that was
    recorded in a functional model is overridden by `fit`, and dropout inside a nested backbone would fire.

    Args:
        backbone: a built Keras model.
        features: the size of the last axis of what comes out.
        fingerprint: names the weights.
    """

    def __init__(self, backbone: Any, features: int, fingerprint: str, **kwargs: Any):
        super().__init__(**kwargs)
        self.backbone = backbone
        self.features = features
        self.fingerprint = fingerprint
        self.built = True

    def _training(self, training: bool | None) -> bool:
        return bool(training) and self.trainable

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "backbone": keras.saving.serialize_keras_object(self.backbone),
            "features": self.features,
            "fingerprint": self.fingerprint,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "Encoder":
        config = {**config, "backbone": keras.saving.deserialize_keras_object(config["backbone"])}
        return cls(**config)


class FrozenEncoder(Encoder):
    """An encoder behind which a whole model is cut: what it yields is computed once (`search/prefix`)."""

    yields: tuple[str, ...] = ()  # names of what comes out, as the inputs of a suffix


@keras.saving.register_keras_serializable(package="automm")
class TextEncoder(FrozenEncoder):
    """Mean of the last layer's token states, [PAD] left out. Token ids (n, length) int32 in, (n, features) float32 out.

    The mean, not the pooled [CLS]: sentence-transformers models are trained for it, and a linear model on frozen
    features is far better with it.
    """

    yields = ("text",)

    def call(self, token_ids: Any, training: bool | None = None) -> Any:
        states, real = _token_states(self.backbone, token_ids, self._training(training))
        return _mean_of_tokens(states, real)

    def compute_output_shape(self, input_shape: Sequence[int | None]) -> tuple[int | None, int]:
        return (input_shape[0], self.features)


@keras.saving.register_keras_serializable(package="automm")
class ImageEncoder(FrozenEncoder):
    """Global average of the last feature map.

    (n, max_images, height, width, 3) uint8 in, (n, max_images, features) float32 out.

    Zero pictures that fill a review up are encoded too; whoever pools leaves them out by the mask.
    """

    yields = ("image",)

    def call(self, images: Any, training: bool | None = None) -> Any:
        cells = self.backbone(_side_by_side(images), training=self._training(training))
        return _in_reviews(ops.mean(cells, axis=(1, 2)), images)

    def compute_output_shape(self, input_shape: Sequence[int | None]) -> tuple[int | None, ...]:
        return (input_shape[0], input_shape[1], self.features)


@keras.saving.register_keras_serializable(package="automm")
class TextLower(FrozenEncoder):
    """Token states of a middle layer, and the mask of what is no [PAD].

    Token ids (n, length) int32 in, ((n, length, features) float32, (n, length) int32) out.
    """

    yields = ("text_states", "token_mask")

    def call(self, token_ids: Any, training: bool | None = None) -> Any:
        return _token_states(self.backbone, token_ids, self._training(training))

    def compute_output_spec(self, token_ids: Any, training: bool | None = None) -> Any:
        return (
            keras.KerasTensor((*token_ids.shape, self.features), "float32"),
            keras.KerasTensor(token_ids.shape, "int32"),
        )


@keras.saving.register_keras_serializable(package="automm")
class ImageLower(FrozenEncoder):
    """A middle feature map of each picture: (n, max_images, height, width, 3) uint8 in, (n, max_images, h, w, features)
    float32 out."""

    yields = ("image_cells",)

    def call(self, images: Any, training: bool | None = None) -> Any:
        return _in_reviews(self.backbone(_side_by_side(images), training=self._training(training)), images)

    def compute_output_spec(self, images: Any, training: bool | None = None) -> Any:
        cells = self.backbone.compute_output_shape((1, *images.shape[2:]))
        return keras.KerasTensor((*images.shape[:2], *cells[1:]), "float32")


@keras.saving.register_keras_serializable(package="automm")
class TextUpper(Encoder):
    """What `TextLower` yields in, the vector of `TextEncoder` out: (n, features) float32."""

    def call(self, states: Any, real: Any, training: bool | None = None) -> Any:
        given = {"states": states, "padding_mask": real}
        several = isinstance(self.backbone.input, dict)
        wanted = {name: given[name] for name in self.backbone.input} if several else states
        return _mean_of_tokens(self.backbone(wanted, training=self._training(training)), real)

    def compute_output_shape(self, states_shape: Any, real_shape: Any = None) -> Any:
        return (states_shape[0], self.features)


@keras.saving.register_keras_serializable(package="automm")
class ImageUpper(Encoder):
    """What `ImageLower` yields in, the vectors of `ImageEncoder` out: (n, max_images, features) float32."""

    def call(self, cells: Any, training: bool | None = None) -> Any:
        flat = ops.reshape(cells, (-1, *cells.shape[2:]))
        maps = self.backbone(flat, training=self._training(training))
        return _in_reviews(ops.mean(maps, axis=(1, 2)), cells)

    def compute_output_shape(self, cells_shape: Any) -> Any:
        return (*cells_shape[:2], self.features)


def unfreeze(layer: Any) -> None:
    """Make an encoder trainable, but for what must not move.

    Batch norm keeps the statistics of pre-training: zero pictures that fill a review up would spoil them. BERT's own
    read-out stays, since the mean of token states passes it by.
    """
    layer.trainable = True
    for inner in layer._flatten_layers(include_self=False, recursive=True):
        if isinstance(inner, keras.layers.BatchNormalization) or inner.name == "pooled_dense":
            inner.trainable = False


def _token_states(backbone: Any, token_ids: Any, training: bool) -> tuple[Any, Any]:
    token_ids = ops.cast(token_ids, "int32")
    real = ops.cast(ops.not_equal(token_ids, 0), "int32")
    inputs = {"token_ids": token_ids, "padding_mask": real, "segment_ids": ops.zeros_like(token_ids)}
    outputs = backbone({name: inputs[name] for name in backbone.input}, training=training)
    return (outputs["sequence_output"] if isinstance(outputs, dict) else outputs), real


def _mean_of_tokens(states: Any, real: Any) -> Any:
    weight = ops.cast(ops.expand_dims(real, -1), states.dtype)
    return ops.sum(states * weight, axis=1) / ops.maximum(ops.sum(weight, axis=1), 1.0)


def _side_by_side(images: Any) -> Any:
    """(n, max_images, height, width, 3) to (n * max_images, height, width, 3) float32."""
    return ops.cast(ops.reshape(images, (-1, *images.shape[2:])), "float32")


def _in_reviews(values: Any, pictures: Any) -> Any:
    """(n * max_images, ...) back to (n, max_images, ...)."""
    shape = ops.shape(pictures)
    return ops.reshape(values, (shape[0], shape[1], *values.shape[1:]))
