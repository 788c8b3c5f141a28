"""Join a suffix and its encoders into one whole model, from raw arrays to answers."""

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

# The activations of more pictures do not fit the CPU caches, and their memory is allocated again for each batch.
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


def array_inputs(suffix: Any) -> dict[str, Any]:
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
            place: the index among the encoders of its modality; it makes layer names unique.
        """

        def whole() -> Any:
            with keep_random_state():
                layer = source.build(names) if isinstance(source, TextSource) else source.build(names, image_size)
            return _renamed(layer, place)

        def halves() -> tuple[Any, Any]:
            with keep_random_state():
                lower, upper = source.halves() if isinstance(source, TextSource) else source.halves(image_size)
            return _renamed(lower, place), _renamed(upper, place)

        return cls(source.modality, source.name, cache(whole), cache(halves))

    @classmethod
    def built(cls, layer: Any) -> "LazyEncoder":
        """Take a whole encoder that is built already; it has no halves."""

        def halves() -> tuple[Any, Any]:
            raise ValueError(f"{layer.name} is a whole encoder without halves")

        return cls(layer.modality, layer.encoder, lambda: layer, halves)

    def own_sources(self, sources: Iterable[InputSource]) -> list[InputSource]:
        """Return the sources that this encoder computes."""
        return [source for source in sources if (source.modality, source.encoder) == (self.modality, self.name)]

    def read(self, sources: Iterable[InputSource], array: Any) -> dict[str, Any]:
        """Compute the sources of this encoder, by name; other encoders' sources are left out.

        Args:
            array: token ids or pictures.
        """
        own = self.own_sources(sources)
        if not own:
            return {}
        names = [source.name for source in own]
        if not any(source.how == LOWER for source in own):
            return self.whole().reading(names).named(array)
        # A fine-tuned member of an ensemble reads the lower half; other members need the pre-trained upper half too.
        lower, upper = self.halves()
        states = lower.named(array)
        return states | upper.reading(names).named(*states.values())

    def parameters(self, sources: Iterable[InputSource]) -> int:
        """Return the number of parameters of the layers that `read` uses."""
        own = self.own_sources(sources)
        names = [source.name for source in own]
        if any(source.how == LOWER for source in own):
            lower, upper = self.halves()
            return int(lower.count_params() + upper.reading(names).count_params())
        return int(self.whole().count_params()) if own else 0


@dataclass(frozen=True)
class EncoderLayers:
    """The frozen encoders that a whole model may need: one or several of each modality."""

    encoders: tuple[LazyEncoder, ...]

    @classmethod
    def of(
        cls, sources: Sequence[TextSource | ImageSource], image_size: int, names: Sequence[str] = ("text", "image")
    ) -> "EncoderLayers":
        """Return encoders that are built from their sources when they are first needed.

        Args:
            image_size: of a picture, in pixels.
            names: short names of the read-outs that a suffix may need.
        """
        modalities = [source.modality for source in sources]
        places = [modalities[:number].count(modality) for number, modality in enumerate(modalities)]
        pairs = zip(sources, places, strict=True)
        return cls(tuple(LazyEncoder.of(source, image_size, names, place) for source, place in pairs))

    @classmethod
    def built(cls, layers: Sequence[Any]) -> "EncoderLayers":
        """Return encoders from whole layers that are already built; they have no halves."""
        return cls(tuple(map(LazyEncoder.built, layers)))

    @property
    def names(self) -> dict[str, str]:
        """The name of the first encoder of each modality."""
        return {encoder.modality: encoder.name for encoder in reversed(self.encoders)}

    def first(self, modality: str) -> LazyEncoder:
        """Return the first encoder of a modality, the one that a search uses."""
        return next(encoder for encoder in self.encoders if encoder.modality == modality)

    def sources_of(self, model: Any) -> dict[str, InputSource]:
        """Return the source of each input of a suffix, by the input's name (a short name in older run folders)."""
        return {tensor.name: source_of_input(tensor.name).of(self.names) for tensor in model.inputs}


def _renamed(layer: Any, place: int) -> Any:
    if place:
        layer.name = f"{layer.name}_{place + 1}"
    return layer


@contextmanager
def keep_random_state() -> Iterator[None]:
    """Restore the random states of Python and NumPy afterwards.

    Keras draws a seed for each layer. The encoders may be built during a trial, whose initial weights must not depend
    on it.
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
        suffix: a model with the inputs of `models/heads`, of `fine_tunable`, or of both.
        layers: the encoders; they are shared, not copied.
        sequence_length: of `token_ids`.
        image_shape: (max_images, height, width, 3).

    Returns:
        A Keras model from a dict of the raw arrays to (n, outputs) float32.
    """
    inputs = raw_inputs(sequence_length, image_shape)
    given = array_inputs(suffix)
    inputs |= given
    sources = layers.sources_of(suffix)
    for encoder in layers.encoders:
        given |= encoder.read(sources.values(), inputs[READ_BY[encoder.modality]])
    return keras.Model(inputs, suffix({name: given[source.name] for name, source in sources.items()}), name="candidate")


def parameters_of(model: Any, layers: EncoderLayers) -> int:
    """Return the number of parameters of a candidate's whole model.

    Args:
        model: a whole model, or a suffix for `compose`.
    """
    inner = unwrap(model)
    sources = layers.sources_of(inner).values()
    return int(inner.count_params()) + sum(encoder.parameters(sources) for encoder in layers.encoders)


def fine_tunable(suffix: Any, uppers: Sequence[Any], states: Mapping[str, Any]) -> Any:
    """Join the upper halves of encoders and a suffix into one model that can be fine-tuned.

    Args:
        suffix: a model with the inputs of `models/heads`; it is shared, not copied.
        uppers: the upper half of each encoder that the suffix reads; no other model may use these layers.
        states: shape (without the batch) and dtype of the outputs of the lower halves, by name.

    Returns:
        A model whose inputs are `states`, and the arrays that the suffix reads without an encoder.
    """
    inputs = {name: keras.Input(shape, name=name, dtype=dtype) for name, (shape, dtype) in states.items()}
    others = array_inputs(suffix)
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
    """Compile a whole model into one graph in inference mode; the function returns numpy arrays.

    It takes half the time of calling the hundreds of layers one by one. The graph is traced once for all batch sizes.
    """
    import tensorflow as tf

    specs = {tensor.name: tf.TensorSpec(tensor.shape, tensor.dtype) for tensor in model.inputs}
    single = next(iter(specs.values())) if len(specs) == 1 else None
    function = tf.function(
        lambda batch: model(batch, training=False), input_signature=[single or specs], autograph=False
    )
    return lambda batch: tf.nest.map_structure(np.asarray, function(tf.nest.map_structure(tf.constant, batch)))
