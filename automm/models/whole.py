"""A suffix and its encoders become one whole model: raw arrays in, probabilities out."""

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any

import keras
import numpy as np

from automm.models.encoders.sources import ImageSource, TextSource
from automm.models.packing import unwrap
from automm.models.readouts import READOUTS, TOKEN_MASK

STATES = ("text_states", "image_cells")  # what the lower halves yield, beside a mask
PICTURES_AT_ONCE = (
    16  # activations of more no longer fit the caches, and their memory goes back to the system each time
)


def raw_inputs(sequence_length: int, image_shape: tuple[int, int, int, int]) -> dict[str, Any]:
    """Fresh named Keras inputs for the arrays of `data/inputs/arrays`."""
    return {
        "token_ids": keras.Input((sequence_length,), name="token_ids", dtype="int32"),
        "text_mask": keras.Input((), name="text_mask", dtype="float32"),
        "images": keras.Input(image_shape, name="images", dtype="uint8"),
        "image_mask": keras.Input((image_shape[0],), name="image_mask", dtype="float32"),
    }


def passing(suffix: Any) -> dict[str, Any]:
    """Fresh inputs for what a suffix takes as it is: masks, metadata, history, pixels."""
    encoded = {*READOUTS, TOKEN_MASK, *STATES}
    return {
        tensor.name: keras.Input(tensor.shape[1:], name=tensor.name, dtype=tensor.dtype)
        for tensor in suffix.inputs
        if tensor.name not in encoded
    }


@dataclass(frozen=True)
class EncoderLayers:
    """The frozen layers that a whole model may need; each is asked for only where it is needed, and built once.

    Attributes:
        whole: () -> (TextEncoder, ImageEncoder), which yield all read-outs that a suffix may ask for.
        halves: () -> (TextLower, TextUpper, ImageLower, ImageUpper), as pre-trained.
    """

    whole: Callable[[], tuple[Any, Any]]
    halves: Callable[[], tuple[Any, Any, Any, Any]]

    @classmethod
    def of(
        cls, text: TextSource, image: ImageSource, image_size: int, names: Sequence[str] = ("text", "image")
    ) -> "EncoderLayers":
        """Those of two encoders.

        Args:
            names: read-outs that a suffix may ask for; others are left out.
        """

        def whole() -> tuple[Any, Any]:
            with undisturbed():
                return text.build(names), image.build(names, image_size)

        def halves() -> tuple[Any, Any, Any, Any]:
            with undisturbed():
                return *text.halves(), *image.halves(image_size)

        return cls(cache(whole), cache(halves))


@contextmanager
def undisturbed() -> Iterator[None]:
    """Leave the random states as they were: Keras draws a seed for each layer, and whoever asks for encoders first may
    be in the middle of a trial, whose first weights shall not hang on that."""
    states = random.getstate(), np.random.get_state()
    try:
        yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])


def compose(
    suffix: Any,
    layers: EncoderLayers,
    *,
    sequence_length: int,
    image_shape: tuple[int, int, int, int],
) -> Any:
    """The whole model of a suffix.

    Args:
        suffix: a model with the inputs of `models/heads`, or of `fine_tunable`, or of both.
        layers: shared, not copied.
        sequence_length: of `token_ids`.
        image_shape: (max_images, height, width, 3).

    Returns:
        A Keras model that takes a dict of the raw arrays, and yields (n, classes) float32.
    """
    inputs = raw_inputs(sequence_length, image_shape)
    wanted = {tensor.name for tensor in suffix.inputs}
    given = passing(suffix)
    inputs |= given
    if wanted & {*STATES}:
        text_lower, text_upper, image_lower, image_upper = layers.halves()
        given["text_states"], given["token_mask"] = text_lower(inputs["token_ids"])
        given["image_cells"] = image_lower(inputs["images"])
        # Other members of an ensemble read what the pre-trained upper halves make of the same states.
        given |= text_upper.reading(wanted).named(given["text_states"], given["token_mask"])
        given |= image_upper.reading(wanted).named(given["image_cells"])
    else:
        text_encoder, image_encoder = layers.whole()
        given |= text_encoder.reading(wanted).named(inputs["token_ids"])
        given |= image_encoder.reading(wanted).named(inputs["images"])
    return keras.Model(inputs, suffix({name: given[name] for name in given if name in wanted}), name="candidate")


def parameters_of(model: Any, layers: EncoderLayers) -> int:
    """How many numbers a candidate's whole model holds.

    Args:
        model: whole already, or a suffix that `compose` would make whole.
    """
    inner = unwrap(model)
    wanted = {tensor.name for tensor in inner.inputs}
    if "token_ids" in wanted:
        parts = []
    elif wanted & {*STATES}:
        text_lower, text_upper, image_lower, image_upper = layers.halves()
        parts = [part.reading(wanted) for part in (text_upper, image_upper)]
        parts += [text_lower, image_lower] if parts[1].yields or "image_cells" in wanted else [text_lower]
    else:
        parts = [layer for layer in layers.whole() if layer.reading(wanted).yields]
    return int(inner.count_params() + sum(part.count_params() for part in parts))


def fine_tunable(suffix: Any, text_upper: Any, image_upper: Any, states: Mapping[str, Any]) -> Any:
    """A suffix with the upper halves of both encoders before it, ready to be trained.

    Args:
        suffix: a model with the inputs of `models/heads`; shared, not copied.
        text_upper, image_upper: layers of this model's own, which yield what the suffix asks for.
        states: shape without the batch and dtype of what the lower halves yield, by name; without `image_cells` for a
            suffix that reads pixels.

    Returns:
        A model with the inputs of `states`, and whatever the suffix takes as it is.
    """
    inputs = {name: keras.Input(shape, name=name, dtype=dtype) for name, (shape, dtype) in states.items()}
    others = passing(suffix)
    given = text_upper.named(inputs["text_states"], inputs["token_mask"]) | others
    if "image_cells" in inputs:
        given |= image_upper.named(inputs["image_cells"])
    outputs = suffix({tensor.name: given[tensor.name] for tensor in suffix.inputs})
    return keras.Model(inputs | others, outputs, name="fine_tuned")


def rows_at_once(max_images: int) -> int:
    """How many reviews a whole model is given at a time on a CPU."""
    return max(1, PICTURES_AT_ONCE // max_images)


def compiled(model: Any) -> Callable[[Any], Any]:
    """A whole model as one graph in inference mode: batch in, what the model yields out, as numpy arrays.

    Half the time of calling its hundreds of layers one by one. Traced once, whatever the batch sizes are.
    """
    import tensorflow as tf

    specs = {tensor.name: tf.TensorSpec(tensor.shape, tensor.dtype) for tensor in model.inputs}
    one = next(iter(specs.values())) if len(specs) == 1 else None
    function = tf.function(lambda batch: model(batch, training=False), input_signature=[one or specs], autograph=False)
    return lambda batch: tf.nest.map_structure(np.asarray, function(tf.nest.map_structure(tf.constant, batch)))
