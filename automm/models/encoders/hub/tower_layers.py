"""The layers of towers that KerasHub does not have, or does not save."""

import inspect
from typing import Any

import keras
import numpy as np
from keras import ops


@keras.saving.register_keras_serializable(package="automm")
class PatchCells(keras.layers.Layer):
    """Drops the states before the patches ([CLS], registers), and places those of the patches as cells of a map:
    (n, prefix + side * side, features) to (n, side, side, features)."""

    def __init__(self, prefix: int, side: int, **kwargs: Any):
        super().__init__(**kwargs)
        self.prefix, self.side = prefix, side

    def call(self, states: Any) -> Any:
        return ops.reshape(states[:, self.prefix :], (-1, self.side, self.side, states.shape[-1]))

    def compute_output_shape(self, shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return (shape[0], self.side, self.side, shape[-1])

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "prefix": self.prefix, "side": self.side}


@keras.saving.register_keras_serializable(package="automm")
class Patches(keras.layers.Layer):
    """Corrects the length of picture states: SigLIP's embedding announces a [CLS] that it does not have.

    Args:
        count: of the patches.
    """

    def __init__(self, count: int, **kwargs: Any):
        super().__init__(**kwargs)
        self.count = count

    def call(self, states: Any) -> Any:
        return ops.reshape(states, (-1, self.count, states.shape[-1]))

    def compute_output_shape(self, shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return (shape[0], self.count, shape[-1])

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "count": self.count}


@keras.saving.register_keras_serializable(package="automm")
class SavedLayer(keras.layers.Layer):
    """A layer of KerasHub that saves arguments which it does not take: in 0.32 the embedding and the blocks of ViT.

    Args:
        layer: built, with one input.
    """

    def __init__(self, layer: Any, **kwargs: Any):
        super().__init__(**kwargs)
        self.layer = layer
        self.built = True

    def call(self, inputs: Any) -> Any:
        return self.layer(inputs)

    def compute_output_spec(self, inputs: Any) -> Any:
        return self.layer.compute_output_spec(inputs)

    def get_config(self) -> dict[str, Any]:
        saved = keras.saving.serialize_keras_object(self.layer)
        taken = {*inspect.signature(type(self.layer)).parameters, "name", "trainable", "dtype"}
        saved["config"] = {name: value for name, value in saved["config"].items() if name in taken}
        return {**super().get_config(), "layer": saved}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "SavedLayer":
        return cls(**{**config, "layer": keras.saving.deserialize_keras_object(config["layer"])})


@keras.saving.register_keras_serializable(package="automm")
class RelativePositions(SavedLayer):
    """DeBERTa's embeddings of relative positions, from states (n, length, features), of which only n matters.

    KerasHub's layer has no method that builds it; it is called once instead.
    """

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        config["layer"].pop("build_config", None)
        return config

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "RelativePositions":
        layer = keras.saving.deserialize_keras_object(config["layer"])
        layer(np.zeros((1, 1, layer.hidden_dim), np.float32))
        return cls(**{**config, "layer": layer})


@keras.saving.register_keras_serializable(package="automm")
class TokenAt(keras.layers.Layer):
    """Returns one state of each sequence: (n, length, features) to (n, features).

    Args:
        where: 'first', 'last', or 'end' for the last one that is not padding.
    """

    def __init__(self, where: str, **kwargs: Any):
        super().__init__(**kwargs)
        self.where = where

    def call(self, states: Any, padding_mask: Any = None) -> Any:
        if self.where == "first":
            return states[:, 0]
        if self.where == "last":
            return states[:, -1]
        place = ops.sum(ops.cast(padding_mask, "int32"), axis=1) - 1
        return ops.squeeze(ops.take_along_axis(states, place[:, None, None], axis=1), axis=1)

    def compute_output_shape(self, states_shape: Any, padding_mask_shape: Any = None) -> tuple[int | None, ...]:
        return (states_shape[0], states_shape[-1])

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "where": self.where}


@keras.saving.register_keras_serializable(package="automm")
class RotaryBlock(keras.layers.Layer):
    """A block of DINOv3 with the positions of its patches, which depend on the size of the picture alone.

    Args:
        block: KerasHub's layer.
        cos, sin: (patches, features of a head).
        prefix: the number of states before the patches.
    """

    def __init__(self, block: Any, cos: Any, sin: Any, prefix: int, **kwargs: Any):
        super().__init__(**kwargs)
        self.block, self.prefix = block, prefix
        self.cos, self.sin = np.asarray(cos, np.float32), np.asarray(sin, np.float32)
        self.built = True

    def call(self, states: Any, training: bool | None = None) -> Any:
        positions = ops.cast(self.cos, states.dtype), ops.cast(self.sin, states.dtype)
        return self.block(states, position_embeddings=positions, num_prefix_tokens=self.prefix, training=training)

    def compute_output_shape(self, shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return shape

    def get_config(self) -> dict[str, Any]:
        block = keras.saving.serialize_keras_object(self.block)
        positions = {"cos": self.cos.tolist(), "sin": self.sin.tolist()}
        return {**super().get_config(), "block": block, **positions, "prefix": self.prefix}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "RotaryBlock":
        block = keras.saving.deserialize_keras_object(config["block"])
        if not block.built:
            block.build((None, None, block.hidden_dim))
        return cls(**{**config, "block": block})
