"""Join a suffix and its encoders into one whole model, from raw arrays to answers."""

import random
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any

import keras
import numpy as np

from automm.data.inputs.input_sources import LOWER, InputSource, raw_names, source_of_input
from automm.models.encoders.sources import ImageSource, TextSource
from automm.models.packing import unwrap

# The activations of more pictures do not fit the CPU caches, and their memory is allocated again for each batch.
PICTURES_AT_ONCE = 16
EncoderKey = tuple[str, str]  # the modality and the name of an encoder
Sizes = Mapping[EncoderKey, int]  # the tokens of a text, or the side of a picture


def raw_inputs(modality: str, place: int, size: int, max_images: int) -> dict[str, Any]:
    """Return fresh Keras inputs for the arrays that an encoder reads (`data/inputs/arrays`), by name.

    Args:
        place: of the encoder among those of its modality, from 0.
        size: the tokens of a text, or the side of a picture in pixels.
    """
    shape, dtype = ((size,), "int32") if modality == "text" else ((max_images, size, size, 3), "uint8")
    return {name: keras.Input(shape, name=name, dtype=dtype) for name in raw_names(modality, place)}


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
        place: among the encoders of its modality, from 0; it makes the names of layers and of raw arrays unique.
        size: the tokens of a text, or the side of a picture in pixels.
        whole: returns a TextEncoder or ImageEncoder, with all read-outs that a suffix may need.
        halves: returns a lower and an upper layer, as pre-trained.
    """

    modality: str
    name: str
    place: int
    size: int
    whole: Callable[[], Any]
    halves: Callable[[], tuple[Any, Any]]

    @property
    def key(self) -> EncoderKey:
        return self.modality, self.name

    @classmethod
    def of(cls, source: TextSource | ImageSource, place: int, size: int, names: Sequence[str]) -> "LazyEncoder":
        """Build layers from a source; arguments as in the class and in `EncoderLayers.of`."""

        def whole() -> Any:
            with keep_random_state():
                layer = source.build(names) if isinstance(source, TextSource) else source.build(names, size)
            return _renamed(layer, place)

        def halves() -> tuple[Any, Any]:
            with keep_random_state():
                lower, upper = source.halves() if isinstance(source, TextSource) else source.halves(size)
            return _renamed(lower, place), _renamed(upper, place)

        return cls(source.modality, source.name, place, size, cache(whole), cache(halves))

    @classmethod
    def built(cls, layer: Any, place: int, size: int) -> "LazyEncoder":
        """Take a whole encoder that is built already; it has no halves."""

        def halves() -> tuple[Any, Any]:
            raise ValueError(f"{layer.name} is a whole encoder without halves")

        return cls(layer.modality, layer.encoder, place, size, lambda: layer, halves)

    def own_sources(self, sources: Iterable[InputSource]) -> list[InputSource]:
        """Return the sources that this encoder computes."""
        return [source for source in sources if (source.modality, source.encoder) == self.key]

    def read(self, sources: Iterable[InputSource], arrays: Sequence[Any]) -> dict[str, Any]:
        """Compute the sources of this encoder, by name; other encoders' sources are left out.

        Args:
            arrays: token ids and their mask, or pictures.
        """
        own = self.own_sources(sources)
        if not own:
            return {}
        names = [source.name for source in own]
        if not any(source.how == LOWER for source in own):
            return self.whole().reading(names).named(*arrays)
        # A fine-tuned member of an ensemble reads the lower half; other members need the pre-trained upper half too.
        lower, upper = self.halves()
        states = lower.named(*arrays)
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
        cls, sources: Sequence[TextSource | ImageSource], sizes: Sizes, names: Sequence[str] = ("text", "image")
    ) -> "EncoderLayers":
        """Return encoders that are built from their sources when they are first needed.

        Args:
            sizes: `Arrays.sizes`.
            names: short names of the read-outs that a suffix may need.
        """
        places = places_of_encoders([source.modality for source in sources])
        return cls(
            tuple(
                LazyEncoder.of(source, place, sizes[source.modality, source.name], names)
                for source, place in zip(sources, places, strict=True)
            )
        )

    @classmethod
    def built(cls, layers: Sequence[Any], sizes: Sizes) -> "EncoderLayers":
        """Return encoders from whole layers that are already built; they have no halves."""
        places = places_of_encoders([layer.modality for layer in layers])
        return cls(
            tuple(
                LazyEncoder.built(layer, place, sizes[layer.modality, layer.encoder])
                for layer, place in zip(layers, places, strict=True)
            )
        )

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


def places_of_encoders(modalities: Sequence[str]) -> list[int]:
    """Return the place of each encoder among those of its modality."""
    return [modalities[:number].count(modality) for number, modality in enumerate(modalities)]


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


def compose(suffix: Any, layers: EncoderLayers, max_images: int) -> Any:
    """Build the whole model of a suffix.

    Args:
        suffix: a model with the inputs of `models/heads`, of `fine_tunable`, or of both.
        layers: the encoders; they are shared, not copied.

    Returns:
        A Keras model to (n, outputs) float32, from a dict of the masks and of the raw arrays that the suffix and its
        encoders read.
    """
    given = {
        "text_mask": keras.Input((), name="text_mask", dtype="float32"),
        "image_mask": keras.Input((max_images,), name="image_mask", dtype="float32"),
        **array_inputs(suffix),
    }
    inputs, sources = dict(given), layers.sources_of(suffix)
    for encoder in layers.encoders:
        if encoder.own_sources(sources.values()):
            raw = raw_inputs(encoder.modality, encoder.place, encoder.size, max_images)
            raw = {name: given.get(name, tensor) for name, tensor in raw.items()}
            inputs |= raw
            given |= encoder.read(sources.values(), list(raw.values()))
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

    def call(batch: Any) -> Any:
        # A batch has the arrays of all encoders; a model reads some of them.
        read = {name: batch[name] for name in specs} if isinstance(batch, Mapping) else batch
        if single is not None and isinstance(read, Mapping):
            (read,) = read.values()
        return tf.nest.map_structure(np.asarray, function(tf.nest.map_structure(tf.constant, read)))

    return call
