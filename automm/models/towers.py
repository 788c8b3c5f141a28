"""From what an encoder yields to what a fusion takes: a vector a modality, or a sequence, with its mask."""

from collections.abc import Mapping
from typing import Any

import keras
from keras import ops

from automm.models.cnn.pixels import FROZEN
from automm.models.fusion import OPERATORS
from automm.models.heads import AnyPicture, image_tower, pooled, text_tower
from automm.models.masks import StandIn
from automm.models.readouts import PIXELS, SEQUENCE, TOKEN_MASK, Readout, is_sequence
from automm.models.token_attention import TokenAttention

ATTENTION = "attention"  # a read-out of the text that is trained, from whole token states


def text_part(read: Mapping[str, Any], text_mask: Any, values: Mapping[str, Any]) -> tuple[Any, Any]:
    """The text as the point `values` of the search space reads it.

    Args:
        read: read-outs of the text by name.
        text_mask: (n,).

    Returns:
        A vector (n, features) and `text_mask`; for a fusion of sequences token states (n, length, features) and their
        mask (n, length), 0 also where there is no text.
    """
    name = asked_for(values)[0]
    if not is_sequence(name):
        return text_tower(read[name], text_mask, name), text_mask
    mask = Present(name="tokens_present")(read[TOKEN_MASK], text_mask)
    if takes_sequences(values):
        return read[name], mask
    return StandIn(name="text_stand_in")(TokenAttention(name="text_readout")(read[name], mask), text_mask), text_mask


def image_part(
    read: Mapping[str, Any], image_mask: Any, values: Mapping[str, Any], text: Any = None
) -> tuple[Any, Any]:
    """The pictures as the point `values` reads them.

    Args:
        read: read-outs of the pictures by name, of an encoder that is frozen or trained.
        image_mask: (n, max_images).
        text: the text's vector, for a pooling that asks by it.

    Returns:
        A vector (n, size) and (n,), 1.0 where there is any picture; for a fusion of sequences the cells of all pictures
        (n, max_images * cells, features) and their mask (n, max_images * cells).
    """
    name = _image_readout(values)
    if is_sequence(name):
        return CellsOfAll(name="cells_of_all")(read[name], image_mask)
    if trains_pixels(values):
        return pooled(read[name], image_mask, values, text), AnyPicture(name="image_present")(image_mask)
    return image_tower(read[name], image_mask, values, text, name), AnyPicture(name="image_present")(image_mask)


def asked_for(values: Mapping[str, Any]) -> list[str]:
    """Names of the read-outs that a point asks for, or of pixels, and of what comes with them."""
    whole = takes_sequences(values)
    text = SEQUENCE["text"] if whole or values["text/readout"] == ATTENTION else values["text/readout"]
    image = PIXELS if trains_pixels(values) else _image_readout(values)
    names = [Readout("text", text, values["text/layer"]).name, image]
    return [*names, TOKEN_MASK] if text == SEQUENCE["text"] else names


def image_how(values: Mapping[str, Any]) -> str:
    """How a point reads a picture's feature map: a name of IMAGE_READOUTS, or 'cells'."""
    return SEQUENCE["image"] if takes_sequences(values) else values["image/readout"]


def _image_readout(values: Mapping[str, Any]) -> str:
    place = "last" if trains_pixels(values) else values["image/stage"]
    return Readout("image", image_how(values), place).name


def trains_pixels(values: Mapping[str, Any]) -> bool:
    """Whether a CNN of the point's own reads the pictures, and not the frozen encoder."""
    return bool(values["image/source"] != FROZEN)


def takes_sequences(values: Mapping[str, Any]) -> bool:
    """Whether the fusion of a point takes whole sequences."""
    return bool(OPERATORS[values["fusion/operator"]].of_sequences)


@keras.saving.register_keras_serializable(package="automm")
class Present(keras.layers.Layer):
    """(n, length) int32 and (n,) float32 in, (n, length) float32 out: 1.0 for word pieces of a text that is there."""

    def call(self, token_mask: Any, text_mask: Any) -> Any:
        return ops.cast(token_mask, "float32") * ops.expand_dims(text_mask, -1)

    def compute_output_shape(self, token_mask_shape: Any, text_mask_shape: Any = None) -> Any:
        return token_mask_shape


@keras.saving.register_keras_serializable(package="automm")
class CellsOfAll(keras.layers.Layer):
    """(n, max_images, cells, features) and (n, max_images) in; all pictures' cells in a row and their mask out."""

    def call(self, cells: Any, image_mask: Any) -> tuple[Any, Any]:
        _, pictures, places, features = cells.shape
        mask = ops.repeat(ops.cast(image_mask, "float32"), places, axis=1)
        return ops.reshape(cells, (-1, pictures * places, features)), mask

    def compute_output_shape(self, cells_shape: Any, image_mask_shape: Any = None) -> Any:
        rows, pictures, places, features = cells_shape
        return (rows, pictures * places, features), (rows, pictures * places)
