"""The two encoder layers: a backbone, its read-out, and whether it is trained."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="automm")
class FrozenEncoder(keras.layers.Layer):
    """A backbone, and whether it is trained.

    While `trainable` is False the backbone runs in inference mode whatever the caller says: a `training=False` that was
    recorded in a functional model is overridden by `fit`, and dropout inside a nested backbone would fire.

    Args:
        backbone: a built Keras model.
        features: the size of the vector that comes out.
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
    def from_config(cls, config: dict[str, Any]) -> "FrozenEncoder":
        config = {**config, "backbone": keras.saving.deserialize_keras_object(config["backbone"])}
        return cls(**config)


@keras.saving.register_keras_serializable(package="automm")
class TextEncoder(FrozenEncoder):
    """Mean of the last layer's token states, [PAD] left out. Token ids (n, length) int32 in, (n, features) float32 out.

    The mean, not the pooled [CLS]: sentence-transformers models are trained for it, and a linear model on frozen
    features is far better with it.
    """

    def call(self, token_ids: Any, training: bool | None = None) -> Any:
        token_ids = ops.cast(token_ids, "int32")
        real = ops.cast(ops.not_equal(token_ids, 0), "int32")
        inputs = {"token_ids": token_ids, "padding_mask": real, "segment_ids": ops.zeros_like(token_ids)}
        outputs = self.backbone({name: inputs[name] for name in self.backbone.input}, training=self._training(training))
        states = outputs["sequence_output"] if isinstance(outputs, dict) else outputs
        weight = ops.cast(ops.expand_dims(real, -1), states.dtype)
        return ops.sum(states * weight, axis=1) / ops.maximum(ops.sum(weight, axis=1), 1.0)

    def compute_output_shape(self, input_shape: Sequence[int | None]) -> tuple[int | None, int]:
        return (input_shape[0], self.features)


@keras.saving.register_keras_serializable(package="automm")
class ImageEncoder(FrozenEncoder):
    """Global average of the last feature map.

    (n, max_images, height, width, 3) uint8 in, (n, max_images, features) float32 out.

    Zero pictures that fill a review up are encoded too; whoever pools leaves them out by the mask.
    """

    def call(self, images: Any, training: bool | None = None) -> Any:
        shape = ops.shape(images)
        height, width = images.shape[2:4]
        flat = ops.cast(ops.reshape(images, (-1, height, width, 3)), "float32")
        cells = self.backbone(flat, training=self._training(training))
        return ops.reshape(ops.mean(cells, axis=(1, 2)), (shape[0], shape[1], self.features))

    def compute_output_shape(self, input_shape: Sequence[int | None]) -> tuple[int | None, ...]:
        return (input_shape[0], input_shape[1], self.features)
