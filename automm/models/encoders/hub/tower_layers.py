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


@keras.saving.register_keras_serializable(package="automm")
class RelativeBias(keras.layers.Layer):
    """The bias of attention by the distance of two tokens, (1, heads, length, length), from states (n, length,
    features), of which only the length matters.

    Half of the buckets is for tokens behind. Small distances have a bucket each, larger ones share one by their
    logarithm, and all from `furthest` on share the last (T5; Raffel et al. 2020, arXiv 1910.10683).
    """

    def __init__(self, heads: int, buckets: int = 32, furthest: int = 128, **kwargs: Any):
        super().__init__(**kwargs)
        self.heads, self.buckets, self.furthest = heads, buckets, furthest

    def build(self, shape: tuple[int | None, ...]) -> None:
        self.table = self.add_weight(shape=(self.buckets, self.heads), name="table")

    def call(self, states: Any) -> Any:
        places = ops.arange(ops.shape(states)[1])
        distances = places[None] - places[:, None]
        # Looked up, not computed: rounded logarithms may differ between engines.
        numbers = ops.take(self._bucket_of_distance(), ops.minimum(ops.abs(distances), self.furthest))
        numbers += ops.where(distances > 0, self.buckets // 2, 0)
        return ops.transpose(ops.take(self.table, numbers, axis=0), (2, 0, 1))[None]

    def _bucket_of_distance(self) -> np.ndarray:
        """Return the bucket of each distance from 0 to `furthest`: (furthest + 1,) int32."""
        half, exact = self.buckets // 2, self.buckets // 4
        shares = np.arange(1, half - exact) / (half - exact)
        first = np.ceil(np.round(exact * (self.furthest / exact) ** shares, 6))  # distances of the buckets behind
        return np.searchsorted([*range(1, exact + 1), *first], np.arange(self.furthest + 1), "right").astype(np.int32)

    def compute_output_shape(self, shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return (1, self.heads, shape[1], shape[1])

    def get_config(self) -> dict[str, Any]:
        sizes = {"heads": self.heads, "buckets": self.buckets, "furthest": self.furthest}
        return {**super().get_config(), **sizes}


@keras.saving.register_keras_serializable(package="automm")
class BiasedBlock(keras.layers.Layer):
    """A block of MPNet (Song et al. 2020, arXiv 2004.09297): attention with a bias, and two dense layers; states are
    normalised after each sum.

    Args:
        heads: of the attention.
        inner: the width between the dense layers.
    """

    def __init__(self, heads: int, inner: int, dropout: float = 0.1, **kwargs: Any):
        super().__init__(**kwargs)
        self.heads, self.inner, self.dropout_rate = heads, inner, dropout

    def build(self, states_shape: Any, bias_shape: Any = None, mask_shape: Any = None) -> None:
        features = states_shape[-1]
        parts = (None, self.heads, features // self.heads)

        def layer(kind: Any, name: str, shape: Any, *args: Any, **kwargs: Any) -> Any:
            built = kind(*args, **kwargs, dtype=self.dtype_policy, name=name)
            built.build(shape)
            return built

        dense, norm = keras.layers.EinsumDense, keras.layers.LayerNormalization
        self.query, self.key, self.value = (
            layer(dense, name, states_shape, "btf,fhd->bthd", parts, bias_axes="hd")
            for name in ("query", "key", "value")
        )
        read = (*states_shape[:2], *parts[1:])
        self.mixed = layer(dense, "mixed", read, "bthd,hdf->btf", (None, features), bias_axes="f")
        self.mixed_norm = layer(norm, "mixed_norm", states_shape, epsilon=1e-5)
        self.wide = layer(keras.layers.Dense, "wide", states_shape, self.inner, activation="gelu")
        self.narrow = layer(keras.layers.Dense, "narrow", (*states_shape[:2], self.inner), features)
        self.norm = layer(norm, "norm", states_shape, epsilon=1e-5)
        self.dropout = layer(keras.layers.Dropout, "dropout", states_shape, self.dropout_rate)

    def call(self, states: Any, bias: Any, mask: Any, training: bool | None = None) -> Any:
        """Return states (n, length, features).

        Args:
            bias: (1, heads, length, length), by query and key.
            mask: (n, length), 1 where a token is not padding.
        """
        given, real = (self.query(states), self.key(states), self.value(states)), ops.cast(mask, "bool")
        read = self.mixed(ops.dot_product_attention(*given, bias=bias, mask=real[:, None, None]))
        states = self.mixed_norm(states + self.dropout(read, training=training))
        return self.norm(states + self.dropout(self.narrow(self.wide(states)), training=training))

    def compute_output_shape(self, states_shape: Any, bias_shape: Any = None, mask_shape: Any = None) -> Any:
        return states_shape

    def get_config(self) -> dict[str, Any]:
        sizes = {"heads": self.heads, "inner": self.inner, "dropout": self.dropout_rate}
        return {**super().get_config(), **sizes}
