"""Towers: from the read-outs of an encoder to the input of a fusion: a vector or a sequence, and its mask."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import keras
from keras import ops

from automm.config.inputs import ALL
from automm.data.inputs.input_sources import (
    LAST,
    PIXELS,
    PLACES,
    SEQUENCE,
    TOKEN_MASK,
    WORDS,
    InputSource,
    source_of_input,
)
from automm.models.cnn.pixels import FROZEN
from automm.models.fusion import OPERATORS
from automm.models.fusion.similarity import similarity_sources
from automm.models.heads import AnyPicture, pool_images, standardized, text_tower
from automm.models.masks import StandIn
from automm.models.readouts import POOLED
from automm.models.token_attention import TokenAttention
from automm.models.words import word_tower

ATTENTION = "attention"  # a trained read-out of the text, from whole token states
LAST_AND_TWO_THIRDS = "last_and_two_thirds"  # the read-outs of both places, concatenated


def chosen_encoders(modality: str, values: Mapping[str, Any], encoders: Sequence[str]) -> tuple[str, ...]:
    """Return the encoders of a modality that a point reads: the one that it names, all, or else the first.

    Args:
        encoders: all of the modality, first encoder first; none if inputs have short names.
    """
    names = tuple(encoders) or ("",)
    chosen = values.get(f"{modality}/encoder", names[0])
    return names if chosen == ALL else (chosen,)


def side_by_side(parts: Sequence[tuple[Any, Any]], values: Mapping[str, Any], modality: str) -> tuple[Any, Any]:
    """Join what several encoders of a modality give: each is projected to `fusion/width`, then they are concatenated.

    Args:
        parts: vectors (n, features) with the same mask (n,) each; or sequences (n, length, features), each with its
            own mask (n, length).

    Returns:
        The vector or the sequence of all, and its mask. A single part is returned as it is.
    """
    if len(parts) == 1:
        return parts[0]
    projected = [
        keras.layers.Dense(values["fusion/width"], activation="relu", name=f"{modality}_projection_{place}")(features)
        for place, (features, _) in enumerate(parts, 1)
    ]
    masks = [mask for _, mask in parts]
    is_sequence = len(projected[0].shape) == 3
    join = keras.layers.Concatenate(axis=1 if is_sequence else -1, name=f"{modality}_side_by_side")
    if not is_sequence:
        return join(projected), masks[0]
    return join(projected), keras.layers.Concatenate(axis=1, name=f"{modality}_masks")(masks)


def text_part(
    read: Mapping[str, Any], text_mask: Any, values: Mapping[str, Any], encoders: Sequence[str] = ()
) -> tuple[Any, Any]:
    """Return the text features that the point `values` of the search space chooses.

    Args:
        read: inputs by name, including the read-outs of the text.
        text_mask: (n,).
        encoders: the text encoders that the point may choose from.

    Returns:
        A vector (n, features), with the words in it if the point reads them, and `text_mask`; for a fusion of sequences
        token states (n, length, features) and their mask (n, length), 0 also where there is no text.
    """
    chosen = chosen_encoders("text", values, encoders)
    features, mask = side_by_side(
        [_text_of(read, text_mask, values, encoder, _ending(place)) for place, encoder in enumerate(chosen)],
        values,
        "text",
    )
    if not reads_words(values):
        return features, mask
    words = word_tower(read, values["words/width"])
    return keras.layers.Concatenate(name="text_and_words")([features, words]), mask


def _ending(place: int) -> str:
    """Return the ending of names of layers that several encoders have."""
    return f"_{place + 1}" if place else ""


def _text_of(
    read: Mapping[str, Any], text_mask: Any, values: Mapping[str, Any], encoder: str, ending: str
) -> tuple[Any, Any]:
    sources = [replace(source, encoder=encoder) for source in _text_readouts(values)]
    layers = [read[source.name] for source in sources]
    if not sources[0].is_sequence:
        layers = [text_tower(layer, text_mask, source) for layer, source in zip(layers, sources, strict=True)]
    features = _concatenated(layers, f"text_layers{ending}")
    if not sources[0].is_sequence:
        return features, text_mask
    token_mask = read[InputSource("text", encoder, TOKEN_MASK).name]
    mask = Present(name=f"tokens_present{ending}")(token_mask, text_mask)
    if takes_sequences(values):
        return features, mask
    vector = TokenAttention(name=f"text_readout{ending}")(features, mask)
    return StandIn(name=f"text_stand_in{ending}")(vector, text_mask), text_mask


def image_part(
    read: Mapping[str, Any],
    image_mask: Any,
    values: Mapping[str, Any],
    text: Any = None,
    encoders: Sequence[str] = (),
) -> tuple[Any, Any]:
    """Return the picture features that the point `values` chooses.

    Args:
        read: inputs by name, including the read-outs of the pictures.
        image_mask: (n, max_images).
        text: the text's vector, for a pooling that uses it as its query.
        encoders: the picture encoders that the point may choose from; a CNN that the point trains has none.

    Returns:
        A vector (n, size) and (n,), 1.0 where there is any picture; for a fusion of sequences the cells of all pictures
        (n, max_images * cells, features) and their mask (n, max_images * cells).
    """
    chosen = ("",) if trains_pixels(values) else chosen_encoders("image", values, encoders)
    return side_by_side(
        [_image_of(read, image_mask, values, text, encoder, _ending(place)) for place, encoder in enumerate(chosen)],
        values,
        "image",
    )


def _image_of(
    read: Mapping[str, Any], image_mask: Any, values: Mapping[str, Any], text: Any, encoder: str, ending: str
) -> tuple[Any, Any]:
    sources = [replace(source, encoder=encoder) for source in _image_readouts(values)]
    stages = [read[source.name] for source in sources]
    if sources[0].is_sequence:
        return CellsOfAll(name=f"cells_of_all{ending}")(stages[0], image_mask)
    if not trains_pixels(values):
        stages = [standardized(stage, image_mask, source) for stage, source in zip(stages, sources, strict=True)]
    vector = pool_images(_concatenated(stages, f"image_stages{ending}"), image_mask, values, text, ending)
    return vector, AnyPicture(name=f"image_present{ending}")(image_mask)


def needed_sources(
    values: Mapping[str, Any], encoders: Mapping[str, Sequence[str]] = MappingProxyType({})
) -> list[InputSource]:
    """Return the sources that a point reads.

    The text's read-outs come first, then the pictures' or the pixels, the masks of tokens where the text is read
    as a sequence, the vectors that a similarity compares, and the words.

    Args:
        encoders: the encoders of each modality that the point may choose from; without them, sources have none.
    """
    chosen = {modality: chosen_encoders(modality, values, encoders.get(modality, ())) for modality in ("text", "image")}
    texts = [replace(source, encoder=name) for name in chosen["text"] for source in _text_readouts(values)]
    images = [replace(source, encoder=name) for name in chosen["image"] for source in _image_readouts(values)]
    if trains_pixels(values):
        images = [InputSource("image", "", PIXELS)]
    masks = [InputSource("text", text.encoder, TOKEN_MASK) for text in texts if text.is_sequence]
    words = [source_of_input(name) for name in WORDS] if reads_words(values) else []
    return list(dict.fromkeys([*texts, *images, *masks, *similarity_sources(values), *words]))


def _text_readouts(values: Mapping[str, Any]) -> list[InputSource]:
    whole = takes_sequences(values)
    how = SEQUENCE["text"] if whole or values["text/readout"] == ATTENTION else values["text/readout"]
    return _at_places(InputSource("text", "", how), values["text/layer"])


def _at_places(source: InputSource, chosen: str) -> list[InputSource]:
    """Return a read-out at the chosen place or places; an encoder's own vector has one place only."""
    if chosen != LAST_AND_TWO_THIRDS:
        return [replace(source, place=chosen)]
    return [source] if source.how == POOLED else [replace(source, place=place) for place in PLACES]


def _concatenated(features: Sequence[Any], name: str) -> Any:
    return features[0] if len(features) == 1 else keras.layers.Concatenate(name=name)(features)


def image_how(values: Mapping[str, Any]) -> str:
    """Return the read-out of a picture's feature map that a point chooses: a name of IMAGE_READOUTS, or 'cells'."""
    return SEQUENCE["image"] if takes_sequences(values) else values["image/readout"]


def _image_readouts(values: Mapping[str, Any]) -> list[InputSource]:
    return _at_places(
        InputSource("image", "", image_how(values)), LAST if trains_pixels(values) else values["image/stage"]
    )


def trains_pixels(values: Mapping[str, Any]) -> bool:
    """Return whether the point trains a CNN on the pictures, in place of the frozen encoder."""
    return bool(values["image/source"] != FROZEN)


def reads_words(values: Mapping[str, Any]) -> bool:
    """Return whether the point reads the words of the text beside its encoders."""
    return bool(values.get("words/width"))


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
