"""Join a suffix and its encoders into one whole model, from raw arrays to probabilities."""

import random
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any

import keras
import numpy as np

from automm.data.inputs.input_sources import LOWER, InputSource, source_of_input
from automm.models.encoders.sources import ImageSource, TextSource
from automm.models.packing import unwrap

# Activations of more no longer fit the caches, and their memory goes back to the system each time.
PICTURES_AT_ONCE = 16
READ_BY = {"text": "token_ids", "image": "images"}  # the raw array that encoders of a modality read


def raw_inputs(sequence_length: int, image_shape: tuple[int, int, int, int]) -> dict[str, Any]:
    """Return fresh Keras inputs for the arrays of `data/inputs/arrays`, by name."""
    return {
        "token_ids": keras.Input((sequence_length,), name="token_ids", dtype="int32"),
        "text_mask": keras.Input((), name="text_mask", dtype="float32"),
        "images": keras.Input(image_shape, name="images", dtype="uint8"),
        "image_mask": keras.Input((image_shape[0],), name="image_mask", dtype="float32"),
    }


def passing(suffix: Any) -> dict[str, Any]:
    """Return fresh inputs for the arrays that a suffix reads without an encoder: masks, metadata, history, pixels."""
    return {
        tensor.name: keras.Input(tensor.shape[1:], name=tensor.name, dtype=tensor.dtype)
        for tensor in suffix.inputs
        if source_of_input(tensor.name).is_array
    }


@dataclass(frozen=True)
class LazyEncoder:
    """The frozen layers of one encoder, each built when it is first needed, and once.

    Attributes:
        modality: 'text' or 'image'.
        name: as in an experiment file.
        whole: returns a TextEncoder or ImageEncoder, with all read-outs that a suffix may need.
        halves: returns a lower and an upper layer, as pre-trained.
    """

    modality: str
    name: str
    whole: Callable[[], Any]
    halves: Callable[[], tuple[Any, Any]]

    @classmethod
    def of(cls, source: TextSource | ImageSource, image_size: int, names: Sequence[str], place: int) -> "LazyEncoder":
        """Build layers from a source; arguments as in `EncoderLayers.of`.

        Args:
            place: among the encoders of its modality, from 0 on: layers of one model have different names.
        """

        def whole() -> Any:
            with undisturbed():
                layer = source.build(names) if isinstance(source, TextSource) else source.build(names, image_size)
            return _renamed(layer, place)

        def halves() -> tuple[Any, Any]:
            with undisturbed():
                lower, upper = source.halves() if isinstance(source, TextSource) else source.halves(image_size)
            return _renamed(lower, place), _renamed(upper, place)

        return cls(source.modality, source.name, cache(whole), cache(halves))

    @classmethod
    def built(cls, layer: Any) -> "LazyEncoder":
        """Take a whole encoder that is built already; it has no halves."""

        def halves() -> tuple[Any, Any]:
            raise ValueError(f"{layer.name} is a whole encoder, and has no halves")

        return cls(layer.modality, layer.encoder, lambda: layer, halves)

    def wanted(self, sources: Iterable[InputSource]) -> list[InputSource]:
        """Return the sources that this encoder computes."""
        return [source for source in sources if (source.modality, source.encoder) == (self.modality, self.name)]

    def read(self, sources: Iterable[InputSource], array: Any) -> dict[str, Any]:
        """Compute the sources of this encoder, by name; other encoders' sources are left out.

        Args:
            array: token ids or pictures.
        """
        wanted = self.wanted(sources)
        if not wanted:
            return {}
        names = [source.name for source in wanted]
        if not any(source.how == LOWER for source in wanted):
            return self.whole().reading(names).named(array)
        # A fine-tuned member of an ensemble reads the lower half; the others read the pre-trained upper half behind it.
        lower, upper = self.halves()
        states = lower.named(array)
        return states | upper.reading(names).named(*states.values())

    def parameters(self, sources: Iterable[InputSource]) -> int:
        """Return how many numbers the layers that `read` uses hold."""
        wanted = self.wanted(sources)
        names = [source.name for source in wanted]
        if any(source.how == LOWER for source in wanted):
            lower, upper = self.halves()
            return int(lower.count_params() + upper.reading(names).count_params())
        return int(self.whole().count_params()) if wanted else 0


@dataclass(frozen=True)
class EncoderLayers:
    """The frozen encoders that a whole model may need: one of each modality, or several side by side."""

    encoders: tuple[LazyEncoder, ...]

    @classmethod
    def of(
        cls, sources: Sequence[TextSource | ImageSource], image_size: int, names: Sequence[str] = ("text", "image")
    ) -> "EncoderLayers":
        """Build layers from sources, when they are first needed.

        Args:
            image_size: of a picture, in pixels.
            names: read-outs that a suffix may need, by short name.
        """
        modalities = [source.modality for source in sources]
        places = [modalities[:number].count(modality) for number, modality in enumerate(modalities)]
        pairs = zip(sources, places, strict=True)
        return cls(tuple(LazyEncoder.of(source, image_size, names, place) for source, place in pairs))

    @classmethod
    def built(cls, layers: Sequence[Any]) -> "EncoderLayers":
        """Take whole encoders that are built already; they have no halves."""
        return cls(tuple(map(LazyEncoder.built, layers)))

    @property
    def names(self) -> dict[str, str]:
        """The encoder's name by modality: the first one's, where there are several."""
        return {encoder.modality: encoder.name for encoder in reversed(self.encoders)}

    def first(self, modality: str) -> LazyEncoder:
        """Return the encoder of a modality that a search uses."""
        return next(encoder for encoder in self.encoders if encoder.modality == modality)

    def sources_of(self, model: Any) -> dict[str, InputSource]:
        """Return the source of each input of a suffix, by the input's name, which is short in older run folders."""
        return {tensor.name: source_of_input(tensor.name).of(self.names) for tensor in model.inputs}


def _renamed(layer: Any, place: int) -> Any:
    if place:
        layer.name = f"{layer.name}_{place + 1}"
    return layer


@contextmanager
def undisturbed() -> Iterator[None]:
    """Leave the random states as they were.

    Keras draws a seed for each layer. The encoders may be built in the middle of a trial, whose first weights must not
    depend on that.
    """
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
    """Build the whole model of a suffix.

    Args:
        suffix: a model with the inputs of `models/heads`, or of `fine_tunable`, or of both.
        layers: the encoders, which are shared, not copied.
        sequence_length: of `token_ids`.
        image_shape: (max_images, height, width, 3).

    Returns:
        A Keras model that takes a dict of the raw arrays, and yields (n, classes) float32.
    """
    inputs = raw_inputs(sequence_length, image_shape)
    given = passing(suffix)
    inputs |= given
    sources = layers.sources_of(suffix)
    for encoder in layers.encoders:
        given |= encoder.read(sources.values(), inputs[READ_BY[encoder.modality]])
    return keras.Model(inputs, suffix({name: given[source.name] for name, source in sources.items()}), name="candidate")


def parameters_of(model: Any, layers: EncoderLayers) -> int:
    """Return how many numbers a candidate's whole model holds.

    Args:
        model: whole already, or a suffix that `compose` would make whole.
    """
    inner = unwrap(model)
    sources = layers.sources_of(inner).values()
    return int(inner.count_params()) + sum(encoder.parameters(sources) for encoder in layers.encoders)


def fine_tunable(suffix: Any, uppers: Sequence[Any], states: Mapping[str, Any]) -> Any:
    """Put the upper halves of encoders before a suffix, ready to be trained.

    Args:
        suffix: a model with the inputs of `models/heads`; shared, not copied.
        uppers: the upper half of each encoder that the suffix reads; layers of this model alone.
        states: shape without the batch and dtype of the lower halves' outputs, by name.

    Returns:
        A model with the inputs of `states`, and the arrays that the suffix reads without an encoder.
    """
    inputs = {name: keras.Input(shape, name=name, dtype=dtype) for name, (shape, dtype) in states.items()}
    others = passing(suffix)
    given = dict(others)
    for upper in uppers:
        given |= upper.named(*(inputs[name] for name in inputs if _is_of(upper, name)))
    encoders = {upper.modality: upper.encoder for upper in reversed(uppers)}
    outputs = suffix({t.name: given[source_of_input(t.name).of(encoders).name] for t in suffix.inputs})
    return keras.Model(inputs | others, outputs, name="fine_tuned")


def _is_of(layer: Any, name: str) -> bool:
    source = source_of_input(name)
    return (source.modality, source.encoder) == (layer.modality, layer.encoder)


def rows_at_once(max_images: int) -> int:
    """Return how many reviews a whole model reads at a time on a CPU."""
    return max(1, PICTURES_AT_ONCE // max_images)


def compiled(model: Any) -> Callable[[Any], Any]:
    """Compile a whole model into one graph in inference mode, from a batch to the model's outputs as numpy arrays.

    This takes half the time of calling its hundreds of layers one by one. The graph is traced once for all batch sizes.
    """
    import tensorflow as tf

    specs = {tensor.name: tf.TensorSpec(tensor.shape, tensor.dtype) for tensor in model.inputs}
    one = next(iter(specs.values())) if len(specs) == 1 else None
    function = tf.function(lambda batch: model(batch, training=False), input_signature=[one or specs], autograph=False)
    return lambda batch: tf.nest.map_structure(np.asarray, function(tf.nest.map_structure(tf.constant, batch)))
