"""The encoder layers: a backbone, its read-outs, and whether it is trained.

A whole encoder reads arrays and yields read-outs. For tier 2 it comes in two halves: `half_layers`.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import keras
from keras import ops

from automm.models.keras_internals import layers_within
from automm.models.padding import empty_once
from automm.models.readouts import READOUTS, TOKEN_MASK, is_sequence, of_modality, places_of, read_cells, read_text


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
    """An encoder behind which a whole model is cut: what it yields is computed once (`search/features/cut`)."""

    yields: tuple[str, ...] = ()  # names of what comes out, as the inputs of a suffix


class ReadingEncoder(Encoder):
    """An encoder that yields read-outs (`models/readouts`): a tensor, or several in order.

    While it is frozen, whole sequences have the digits of float16, as they are stored: or a whole model would read
    other numbers than its suffix was trained on.

    Args:
        readouts: names, all of its own modality.

    Raises:
        ValueError: the backbone does not yield a place that a read-out names.
    """

    modality = ""

    def __init__(self, backbone: Any, features: int, fingerprint: str, readouts: Sequence[str], **kwargs: Any):
        super().__init__(backbone, features, fingerprint, **kwargs)
        self.readouts = tuple(readouts)
        self.yields = self.readouts
        missing = places_of(self.readouts) - self.widths.keys()
        if missing:
            raise ValueError(f"{self.name} was built without {', '.join(missing)}: {', '.join(self.readouts)}")

    @property
    def widths(self) -> dict[str, int]:
        """Features by place."""
        outputs = getattr(self.backbone, "output", None)  # a Sequential raises AttributeError
        if isinstance(outputs, dict) and "two_thirds" in outputs:
            return {place: int(tensor.shape[-1]) for place, tensor in outputs.items()}
        return {"last": self.features}

    def reading(self, names: Sequence[str]) -> "ReadingEncoder":
        """This layer, or one with the same backbone, that yields those of `names` that are of its modality."""
        readouts = of_modality(self.modality, names)
        if readouts == self.readouts:
            return self
        backbone = self.backbone if self.needs_backbone(readouts) else None
        layer = type(self)(backbone, self.features, self.fingerprint, readouts, name=self.name)
        if not self.trainable:
            layer.trainable = False
        return layer

    def needs_backbone(self, readouts: Sequence[str]) -> bool:
        """Whether any of them is read behind it."""
        return True

    def named(self, *inputs: Any) -> dict[str, Any]:
        """What it yields, by name."""
        return dict(zip(self.yields, keras.tree.flatten(self(*inputs)), strict=True)) if self.yields else {}

    def _yielded(self, values: Sequence[Any]) -> Any:
        values = [
            _rounded(value) if is_sequence(name) and not self.trainable else value
            for name, value in zip(self.yields, values, strict=True)
        ]
        return values[0] if len(values) == 1 else tuple(values)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "readouts": list(self.readouts)}


class TextReader(ReadingEncoder):
    """Beside whole sequences it yields their mask."""

    modality = "text"

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        if any(is_sequence(name) for name in self.readouts):
            self.yields = (*self.readouts, TOKEN_MASK)

    def _read(self, states: Mapping[str, Any], real: Any) -> Any:
        values = read_text(self.readouts, states, real)
        return self._yielded(values if self.yields == self.readouts else [*values, real])

    def _specs(self, rows: int | None, length: int | None, widths: Mapping[str, int]) -> Any:
        """What `_read` gives, of token states of these widths by place."""
        specs = []
        for name in self.readouts:
            width = widths[READOUTS[name].place]
            shape = (rows, length, width) if is_sequence(name) else (rows, width)
            specs.append(keras.KerasTensor(shape, "float32"))
        if self.yields != self.readouts:
            specs.append(keras.KerasTensor((rows, length), "int32"))
        return specs[0] if len(specs) == 1 else tuple(specs)


class ImageReader(ReadingEncoder):
    """Zero pictures that fill a review up are read too, once; whoever pools leaves them out by the mask."""

    modality = "image"

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self.supports_jit = False  # how many pictures are empty is not known beforehand; nor does XLA gain here

    def _read(self, maps: Mapping[str, Any], pictures: Any) -> Any:
        """Of feature maps by place, picture by picture; `pictures` has a row a review."""
        return self._yielded([in_reviews(value, pictures) for value in read_cells(self.readouts, maps)])

    def _specs(self, rows: int | None, pictures: int, shapes: Mapping[str, Sequence[int]]) -> Any:
        """What `_read` gives, of feature maps of these shapes by place: (height, width, features)."""
        specs = []
        for name in self.readouts:
            height, width, features = shapes[READOUTS[name].place]
            kept = (height * width, features) if is_sequence(name) else (features,)
            specs.append(keras.KerasTensor((rows, pictures, *kept), "float32"))
        return specs[0] if len(specs) == 1 else tuple(specs)


@keras.saving.register_keras_serializable(package="automm")
class TextEncoder(TextReader, FrozenEncoder):
    """Token ids (n, length) int32 in, read-outs out: (n, features) float32 each, but for whole sequences."""

    def call(self, token_ids: Any, training: bool | None = None) -> Any:
        return self._read(*token_states(self.backbone, token_ids, self._training(training)))

    def compute_output_spec(self, token_ids: Any, training: bool | None = None) -> Any:
        return self._specs(token_ids.shape[0], token_ids.shape[1], self.widths)


@keras.saving.register_keras_serializable(package="automm")
class ImageEncoder(ImageReader, FrozenEncoder):
    """(n, max_images, height, width, 3) uint8 in, read-outs out: (n, max_images, features) float32 each, but for whole
    sequences, which are (n, max_images, cells, features)."""

    def call(self, images: Any, training: bool | None = None) -> Any:
        backbone = partial(self.backbone, training=self._training(training))
        return self._read(_by_place(empty_once(backbone, *side_by_side(images))), images)

    def compute_output_spec(self, images: Any, training: bool | None = None) -> Any:
        maps = _by_place(self.backbone.compute_output_shape((1, *images.shape[2:])))
        return self._specs(images.shape[0], images.shape[1], {place: shape[1:] for place, shape in maps.items()})


def unfreeze(layer: Any) -> None:
    """Make an encoder trainable, but for what must not move.

    Batch norm keeps the statistics of pre-training: zero pictures that fill a review up would spoil them. BERT's own
    read-out stays, since ours pass it by.
    """
    layer.trainable = True
    for inner in layers_within(layer):
        if isinstance(inner, keras.layers.BatchNormalization) or inner.name == "pooled_dense":
            inner.trainable = False


def token_states(backbone: Any, token_ids: Any, training: bool) -> tuple[dict[str, Any], Any]:
    """Token states by place, and what is no [PAD]."""
    token_ids = ops.cast(token_ids, "int32")
    real = ops.cast(ops.not_equal(token_ids, 0), "int32")
    inputs = {"token_ids": token_ids, "padding_mask": real, "segment_ids": ops.zeros_like(token_ids)}
    return _by_place(backbone({name: inputs[name] for name in backbone.input}, training=training)), real


def _by_place(outputs: Any) -> dict[str, Any]:
    """What a backbone yields: by place, or of the last one alone, which KerasHub's transformers give a name."""
    if not isinstance(outputs, dict):
        return {"last": outputs}
    return outputs if "last" in outputs else {"last": outputs["sequence_output"]}


def _rounded(sequence: Any) -> Any:
    return ops.cast(ops.cast(sequence, "float16"), "float32")


def side_by_side(images: Any) -> tuple[Any, int]:
    """(n, max_images, height, width, 3) to (n * max_images, height, width, 3) float32; and max_images."""
    return ops.cast(ops.reshape(images, (-1, *images.shape[2:])), "float32"), images.shape[1]


def in_reviews(values: Any, pictures: Any) -> Any:
    """(n * max_images, ...) back to (n, max_images, ...)."""
    shape = ops.shape(pictures)
    return ops.reshape(values, (shape[0], shape[1], *values.shape[1:]))
