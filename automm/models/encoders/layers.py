"""The encoder layers: a backbone, its read-outs, and whether it is trained.

A whole encoder takes arrays and returns read-outs. Tier 2 uses an encoder in two halves: `half_layers`.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any

import keras
from keras import ops

from automm.config.inputs import FLOAT32
from automm.data.inputs.input_sources import TOKEN_MASK, InputSource
from automm.models.devices import compute_in
from automm.models.encoders.hub.unrolled import by_place, in_float32
from automm.models.keras_internals import layers_within
from automm.models.padding import compute_empty_once
from automm.models.readouts import (
    READOUTS,
    is_sequence,
    of_modality,
    place_of,
    places_of,
    read_cells,
    read_text,
    width_of,
)

FIXED = ("pooled_dense", "rel_embedding", "relative_bias")  # layers that are never trained


class Encoder(keras.layers.Layer):
    """A backbone, and whether it is trained.

    While `trainable` is False, the backbone runs in inference mode even during training. Otherwise `fit` overrides the
    `training=False` that a functional model has recorded, and dropout inside a nested backbone is active.

    Args:
        backbone: a built Keras model.
        features: the size of the last axis of the output.
        fingerprint: identifies the weights.
        precision: in which the backbone computes (`models/devices`); outputs are float32.
        encoder: the encoder's name, for the names of outputs; '' for short names, as in models saved before input names
            contained the encoder.
    """

    modality = ""

    def __init__(
        self,
        backbone: Any,
        features: int,
        fingerprint: str,
        *,
        encoder: str = "",
        precision: str = FLOAT32,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.backbone = backbone
        self.precision: str = FLOAT32
        # Set here, because some layers of KerasHub forget the precision of their inner layers when they are loaded.
        self.compute_in(precision)
        self.features = features
        self.fingerprint = fingerprint
        self.encoder = encoder
        self.built = True

    def compute_in(self, precision: str) -> None:
        """Set the precision of the backbone."""
        if precision != self.precision and self.backbone is not None:
            compute_in(self.backbone, precision)
        self.precision = precision

    @property
    def sources(self) -> tuple[InputSource, ...]:
        """The source of each output, in order."""
        raise NotImplementedError

    @property
    def yields(self) -> tuple[str, ...]:
        """The name of each output; a suffix has an input of this name."""
        return tuple(source.name for source in self.sources)

    def named(self, *inputs: Any) -> dict[str, Any]:
        """Call the layer, and return its outputs by name."""
        return dict(zip(self.yields, keras.tree.flatten(self(*inputs)), strict=True)) if self.yields else {}

    def _source(self, how: str) -> InputSource:
        return InputSource(self.modality, self.encoder, how)

    def _training(self, training: bool | None) -> bool:
        return bool(training) and self.trainable

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "backbone": keras.saving.serialize_keras_object(self.backbone),
            "features": self.features,
            "fingerprint": self.fingerprint,
            "encoder": self.encoder,
            "precision": self.precision,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "Encoder":
        config = {**config, "backbone": keras.saving.deserialize_keras_object(config["backbone"])}
        return cls(**config)


class FrozenEncoder(Encoder):
    """An encoder whose outputs are computed once: a whole model can be cut after it (`search/features`)."""


class ReadingEncoder(Encoder):
    """An encoder that returns read-outs (`models/readouts`): one tensor, or several in order.

    While it is frozen, whole sequences are rounded to float16, as in the feature store. A whole model therefore uses
    the same numbers that its suffix was trained on.

    Args:
        readouts: short names of read-outs of its modality.

    Raises:
        ValueError: the backbone does not return a place that a read-out needs.
    """

    def __init__(self, backbone: Any, features: int, fingerprint: str, readouts: Sequence[str], **kwargs: Any):
        super().__init__(backbone, features, fingerprint, **kwargs)
        self.readouts = tuple(readouts)
        missing = places_of(self.readouts) - self.widths.keys()
        if missing:
            raise ValueError(
                f"{self.name} was built without the place {', '.join(missing)}, which the read-outs "
                f"{', '.join(self.readouts)} need"
            )

    @property
    def sources(self) -> tuple[InputSource, ...]:
        return tuple(READOUTS[name].of({self.modality: self.encoder}) for name in self.readouts)

    @property
    def widths(self) -> dict[str, int]:
        """The number of features at each place."""
        outputs = getattr(self.backbone, "output", None)  # a Sequential raises AttributeError
        if isinstance(outputs, dict) and "last" in outputs:
            return {place: int(tensor.shape[-1]) for place, tensor in outputs.items()}
        return {"last": self.features}

    def reading(self, names: Iterable[str]) -> "ReadingEncoder":
        """Return a layer with the same backbone that returns only the given read-outs, or this layer if they are equal.

        Args:
            names: inputs of a suffix. Masks and inputs of other encoders are ignored; a short name fits any encoder.
        """
        readouts = of_modality(self.modality, names, self.encoder)
        if readouts == self.readouts:
            return self
        backbone = self.backbone if self.needs_backbone(readouts) else None
        identity = {"encoder": self.encoder, "precision": self.precision, "name": self.name}
        layer = type(self)(backbone, self.features, self.fingerprint, readouts, **identity)
        if not self.trainable:
            layer.trainable = False
        return layer

    def needs_backbone(self, readouts: Sequence[str]) -> bool:
        """Return whether any of the read-outs is computed from the output of the backbone."""
        return True

    def _yielded(self, values: Sequence[Any]) -> Any:
        values = [
            _rounded(value) if source.is_sequence and not self.trainable else value
            for source, value in zip(self.sources, values, strict=True)
        ]
        return values[0] if len(values) == 1 else tuple(values)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "readouts": list(self.readouts)}


class TextReader(ReadingEncoder):
    """A text encoder. With whole sequences it also returns their mask."""

    modality = "text"

    @property
    def sources(self) -> tuple[InputSource, ...]:
        return (*super().sources, *([self._source(TOKEN_MASK)] if self._has_sequences else []))

    @property
    def _has_sequences(self) -> bool:
        return any(is_sequence(name) for name in self.readouts)

    def _read(self, states: Mapping[str, Any], real: Any) -> Any:
        values = read_text(self.readouts, states, real)
        return self._yielded([*values, real] if self._has_sequences else values)

    def _specs(self, rows: int | None, length: int | None, widths: Mapping[str, int]) -> Any:
        """Return the specs of `_read`'s outputs, for token states of these widths by place."""
        specs = []
        for name in self.readouts:
            width = width_of(name, widths[place_of(name)])
            shape = (rows, length, width) if is_sequence(name) else (rows, width)
            specs.append(keras.KerasTensor(shape, "float32"))
        if self._has_sequences:
            specs.append(keras.KerasTensor((rows, length), "int32"))
        return specs[0] if len(specs) == 1 else tuple(specs)


class ImageReader(ReadingEncoder):
    """A picture encoder. Zero pictures that pad a review are computed too, once; the pooling masks them."""

    modality = "image"

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self.supports_jit = (
            False  # XLA needs static shapes (the number of empty pictures varies), and is no faster here
        )

    def _read(self, maps: Mapping[str, Any], pictures: Any) -> Any:
        """Compute the read-outs of feature maps by place, picture by picture; `pictures` has a row for each review."""
        return self._yielded([group_by_review(value, pictures) for value in read_cells(self.readouts, maps)])

    def _specs(self, rows: int | None, pictures: int, shapes: Mapping[str, Sequence[int]]) -> Any:
        """Return the specs of `_read`'s outputs, for feature maps (height, width, features) by place."""
        specs = []
        for name in self.readouts:
            *cells, features = shapes[place_of(name)]
            shape = (math.prod(cells), features) if is_sequence(name) else (features,)
            specs.append(keras.KerasTensor((rows, pictures, *shape), "float32"))
        return specs[0] if len(specs) == 1 else tuple(specs)


@keras.saving.register_keras_serializable(package="automm")
class TextEncoder(TextReader, FrozenEncoder):
    """Encodes token ids and their mask, (n, length) int32 each, as read-outs: vectors (n, features) float32, or whole
    sequences (n, length, features) float32.

    Models from before tokens had a mask of their own call it without; then id 0 is padding.
    """

    def call(self, token_ids: Any, padding_mask: Any = None, training: bool | None = None) -> Any:
        return self._read(*token_states(self.backbone, token_ids, padding_mask, self._training(training)))

    def compute_output_spec(self, token_ids: Any, padding_mask: Any = None, training: bool | None = None) -> Any:
        return self._specs(token_ids.shape[0], token_ids.shape[1], self.widths)


@keras.saving.register_keras_serializable(package="automm")
class ImageEncoder(ImageReader, FrozenEncoder):
    """Encodes pictures (n, max_images, height, width, 3) uint8 as read-outs: vectors (n, max_images, features) float32,
    or whole sequences (n, max_images, cells, features) float32."""

    def call(self, images: Any, training: bool | None = None) -> Any:
        backbone = partial(self.backbone, training=self._training(training))
        return self._read(in_float32(by_place(compute_empty_once(backbone, *flatten_reviews(images)))), images)

    def compute_output_spec(self, images: Any, training: bool | None = None) -> Any:
        maps = by_place(self.backbone.compute_output_shape((1, *images.shape[2:])))
        return self._specs(images.shape[0], images.shape[1], {place: shape[1:] for place, shape in maps.items()})


def unfreeze(layer: Any) -> None:
    """Make an encoder trainable, except its batch normalisation, BERT's pooled output and relative positions.

    Batch normalisation keeps the statistics of pre-training: the zero pictures that pad a review would distort them. No
    read-out uses BERT's pooled output. The layers of the frozen lower half use the relative positions too. Trained
    layers compute in float32: in float16 small gradients would become 0.
    """
    layer.trainable = True
    layer.compute_in(FLOAT32)
    for inner in layers_within(layer):
        if isinstance(inner, keras.layers.BatchNormalization) or inner.name in FIXED:
            inner.trainable = False


def token_states(backbone: Any, token_ids: Any, padding_mask: Any, training: bool) -> tuple[dict[str, Any], Any]:
    """Return token states (n, length, features) by place, and (n, length) int32, 1 where a token is not padding.

    Args:
        padding_mask: as the result; None if id 0 is padding, and nothing else.
    """
    token_ids = ops.cast(token_ids, "int32")
    real = ops.cast(ops.not_equal(token_ids, 0) if padding_mask is None else padding_mask, "int32")
    inputs = {"token_ids": token_ids, "padding_mask": real, "segment_ids": ops.zeros_like(token_ids)}
    if not isinstance(backbone.input, dict):  # the lower half of an encoder that has no mask
        return in_float32(by_place(backbone(token_ids, training=training))), real
    return in_float32(by_place(backbone({name: inputs[name] for name in backbone.input}, training=training))), real


def _rounded(sequence: Any) -> Any:
    return ops.cast(ops.cast(sequence, "float16"), "float32")


def flatten_reviews(images: Any) -> tuple[Any, int]:
    """Return pictures as (n * max_images, height, width, 3) float32, and max_images.

    Args:
        images: (n, max_images, height, width, 3).
    """
    return ops.cast(ops.reshape(images, (-1, *images.shape[2:])), "float32"), images.shape[1]


def group_by_review(values: Any, pictures: Any) -> Any:
    """Reshape (n * max_images, ...) back to (n, max_images, ...)."""
    shape = ops.shape(pictures)
    return ops.reshape(values, (shape[0], shape[1], *values.shape[1:]))
