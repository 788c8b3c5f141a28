"""A suffix and its encoders become one whole model: raw arrays in, probabilities out."""

from typing import Any

import keras


def raw_inputs(sequence_length: int, image_shape: tuple[int, int, int, int]) -> dict[str, Any]:
    """Fresh named Keras inputs for the arrays of `data/arrays`."""
    return {
        "token_ids": keras.Input((sequence_length,), name="token_ids", dtype="int32"),
        "text_mask": keras.Input((), name="text_mask", dtype="float32"),
        "images": keras.Input(image_shape, name="images", dtype="uint8"),
        "image_mask": keras.Input((image_shape[0],), name="image_mask", dtype="float32"),
    }


def compose(
    suffix: Any,
    text_encoder: Any,
    image_encoder: Any,
    *,
    sequence_length: int,
    image_shape: tuple[int, int, int, int],
) -> Any:
    """The whole model of a suffix.

    Args:
        suffix: a model with the inputs of `models/heads`.
        text_encoder, image_encoder: layers of `models/encoders`; shared, not copied.
        sequence_length: of `token_ids`.
        image_shape: (max_images, height, width, 3).

    Returns:
        A Keras model that takes a dict of the four raw arrays, and yields (n, classes) float32.
    """
    inputs = raw_inputs(sequence_length, image_shape)
    probabilities = suffix(
        {
            "text": text_encoder(inputs["token_ids"]),
            "text_mask": inputs["text_mask"],
            "image": image_encoder(inputs["images"]),
            "image_mask": inputs["image_mask"],
        }
    )
    return keras.Model(inputs, probabilities, name="candidate")
