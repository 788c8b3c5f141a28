"""A suffix and its encoders become one whole model: raw arrays in, probabilities out."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np

PICTURES_AT_ONCE = (
    16  # activations of more no longer fit the caches, and their memory goes back to the system each time
)


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


def rows_at_once(max_images: int) -> int:
    """How many reviews a whole model is given at a time on a CPU."""
    return max(1, PICTURES_AT_ONCE // max_images)


def compiled(model: Any) -> Callable[[Any], np.ndarray]:
    """A whole model as one graph in inference mode: batch in, (n, classes) out.

    Half the time of calling its hundreds of layers one by one. Traced once, whatever the batch sizes are.
    """
    import tensorflow as tf

    specs = {tensor.name: tf.TensorSpec(tensor.shape, tensor.dtype) for tensor in model.inputs}
    one = next(iter(specs.values())) if len(specs) == 1 else None
    function = tf.function(lambda batch: model(batch, training=False), input_signature=[one or specs], autograph=False)
    return lambda batch: np.asarray(function(tf.nest.map_structure(tf.constant, batch)))
