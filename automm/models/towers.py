"""Towers: from the read-outs of an encoder to the input of a fusion: a vector or a sequence, and its mask."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import keras
from keras import ops

from automm.data.inputs.input_sources import LAST, PIXELS, SEQUENCE, TOKEN_MASK, InputSource
from automm.models.cnn.pixels import FROZEN
from automm.models.fusion import OPERATORS
from automm.models.heads import AnyPicture, image_tower, pool_images, text_tower
from automm.models.masks import StandIn
from automm.models.token_attention import TokenAttention

ATTENTION = "attention"  # a trained read-out of the text, from whole token states


def text_part(read: Mapping[str, Any], text_mask: Any, values: Mapping[str, Any], encoder: str = "") -> tuple[Any, Any]:
    """Return the text features that the point `values` of the search space chooses.

    Args:
        read: inputs by name, including the read-outs of the text.
        text_mask: (n,).
        encoder: the name of the text encoder.

    Returns:
        A vector (n, features) and `text_mask`; for a fusion of sequences token states (n, length, features) and their
        mask (n, length), 0 also where there is no text.
    """
    source = replace(needed_sources(values)[0], encoder=encoder)
    features = read[source.name]
    if not source.is_sequence:
        return text_tower(features, text_mask, source), text_mask
    token_mask = read[InputSource("text", encoder, TOKEN_MASK).name]
    mask = Present(name="tokens_present")(token_mask, text_mask)
    if takes_sequences(values):
        return features, mask
    return StandIn(name="text_stand_in")(TokenAttention(name="text_readout")(features, mask), text_mask), text_mask


def image_part(
    read: Mapping[str, Any], image_mask: Any, values: Mapping[str, Any], text: Any = None, encoder: str = ""
) -> tuple[Any, Any]:
    """Return the picture features that the point `values` chooses.

    Args:
        read: inputs by name, including the read-outs of the pictures.
        image_mask: (n, max_images).
        text: the text's vector, for a pooling that uses it as its query.
        encoder: the name of the picture encoder; '' for a CNN that the point trains.

    Returns:
        A vector (n, size) and (n,), 1.0 where there is any picture; for a fusion of sequences the cells of all pictures
        (n, max_images * cells, features) and their mask (n, max_images * cells).
    """
    source = replace(_image_readout(values), encoder=encoder)
    features = read[source.name]
    if source.is_sequence:
        return CellsOfAll(name="cells_of_all")(features, image_mask)
    if trains_pixels(values):
        return pool_images(features, image_mask, values, text), AnyPicture(name="image_present")(image_mask)
    return image_tower(features, image_mask, values, text, source), AnyPicture(name="image_present")(image_mask)


def needed_sources(values: Mapping[str, Any]) -> list[InputSource]:
    """Return the sources that a point reads, without their encoders.

    The text's read-out comes first, then the pictures' or the pixels, then the mask of tokens where the text is read
    as a sequence.
    """
    whole = takes_sequences(values)
    how = SEQUENCE["text"] if whole or values["text/readout"] == ATTENTION else values["text/readout"]
    text = InputSource("text", "", how, values["text/layer"])
    image = InputSource("image", "", PIXELS) if trains_pixels(values) else _image_readout(values)
    return [text, image, *([InputSource("text", "", TOKEN_MASK)] if text.is_sequence else [])]


def image_how(values: Mapping[str, Any]) -> str:
    """Return the read-out of a picture's feature map that a point chooses: a name of IMAGE_READOUTS, or 'cells'."""
    return SEQUENCE["image"] if takes_sequences(values) else values["image/readout"]


def _image_readout(values: Mapping[str, Any]) -> InputSource:
    place = LAST if trains_pixels(values) else values["image/stage"]
    return InputSource("image", "", image_how(values), place)


def trains_pixels(values: Mapping[str, Any]) -> bool:
    """Return whether the point trains a CNN on the pictures, in place of the frozen encoder."""
    return bool(values["image/source"] != FROZEN)


def takes_sequences(values: Mapping[str, Any]) -> bool:
    """Return whether the fusion of a point takes whole sequences."""
    return bool(OPERATORS[values["fusion/operator"]].of_sequences)


@keras.saving.register_keras_serializable(package="automm")
class Present(keras.layers.Layer):
    """Combine masks (n, length) int32 and (n,) float32 into (n, length) float32: 1.0 for the word pieces of a text."""

    def call(self, token_mask: Any, text_mask: Any) -> Any:
        return ops.cast(token_mask, "float32") * ops.expand_dims(text_mask, -1)

    def compute_output_shape(self, token_mask_shape: Any, text_mask_shape: Any = None) -> Any:
        return token_mask_shape


@keras.saving.register_keras_serializable(package="automm")
class CellsOfAll(keras.layers.Layer):
    """Join the cells of a review's pictures: (n, max_images, cells, features) and the pictures' mask (n, max_images) to
    (n, max_images * cells, features) and the cells' mask (n, max_images * cells)."""

    def call(self, cells: Any, image_mask: Any) -> tuple[Any, Any]:
        _, pictures, places, features = cells.shape
        mask = ops.repeat(ops.cast(image_mask, "float32"), places, axis=1)
        return ops.reshape(cells, (-1, pictures * places, features)), mask

    def compute_output_shape(self, cells_shape: Any, image_mask_shape: Any = None) -> Any:
        rows, pictures, places, features = cells_shape
        return (rows, pictures * places, features), (rows, pictures * places)
