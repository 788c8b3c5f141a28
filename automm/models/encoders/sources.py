"""Encoders by name: pre-trained layers that compute read-outs of texts or pictures; they are frozen at first.

An encoder is one Keras layer: a whole model contains it once and can be cut after it (`search/features`). To add one,
add an entry to TEXT_ENCODERS or IMAGE_ENCODERS.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import keras
import numpy as np

from automm.data.inputs.tokens import learn_vocabulary, load_tokenizer, wordpiece_tokenizer
from automm.errors import ConfigError, WeightsError, nearest
from automm.models.encoders import efficientnet_lite
from automm.models.encoders.half_layers import ImageLower, ImageUpper, TextLower, TextUpper
from automm.models.encoders.halves import (
    both_places_of_cnn,
    both_places_of_transformer,
    halve_cnn,
    halve_transformer,
)
from automm.models.encoders.layers import ImageEncoder, TextEncoder
from automm.models.encoders.preprocessing import PicturePreprocessing, TextPreprocessing
from automm.models.readouts import of_modality, places_of
from automm.models.weights import fetch as weights

RECIPE = "1"  # increase it when the same weights give other features: cached features are then computed again
TINY_VOCABULARY = 2000
TINY_BYTES = 400_000  # an upper bound
FLOAT_BYTES = 4


@dataclass(frozen=True)
class TextSource:
    """A text encoder: its tokenizer, and how to build its layer.

    Attributes:
        fingerprint: identifies weights, tokenizer and RECIPE.
        vocabulary: tokens in the order of their ids, for the bundle.
        weight_bytes: an upper bound of the size of its weights, known without building it.
        backbone: builds the functional model that computes token states.
    """

    modality: ClassVar[str] = "text"
    name: str
    fingerprint: str
    tokenizer: Any
    vocabulary: tuple[str, ...]
    weight_bytes: int
    backbone: Callable[[], Any]

    @property
    def preprocessing(self) -> TextPreprocessing:
        return TextPreprocessing(self.tokenizer)

    def build(self, names: Sequence[str] = ("text",)) -> TextEncoder:
        """Return the whole encoder, frozen.

        Args:
            names: of the read-outs that it returns (`models/readouts`); those of other modalities are ignored.
        """
        backbone, readouts = self.backbone(), of_modality("text", names)
        features = _width(backbone)
        if "two_thirds" in places_of(readouts):
            backbone = both_places_of_transformer(backbone, _sequence_output(backbone))
        layer = TextEncoder(backbone, features, self.fingerprint, readouts, encoder=self.name, name="text_encoder")
        return _frozen(layer)

    def halves(self) -> tuple[TextLower, TextUpper]:
        """Return the encoder as a lower and an upper layer, both frozen."""
        backbone = self.backbone()
        halves = halve_transformer(backbone, _sequence_output(backbone))
        between, fingerprint = halves.lower.outputs[0].shape[-1], _fingerprint(self.fingerprint, halves.place)
        lower = TextLower(halves.lower, between, fingerprint, encoder=self.name, name="text_lower")
        upper = TextUpper(halves.upper, _width(backbone), fingerprint, ("text",), encoder=self.name, name="text_upper")
        return _frozen(lower), _frozen(upper)


@dataclass(frozen=True)
class ImageSource:
    """A picture encoder, and how to build its layer.

    Attributes:
        fingerprint: identifies weights and RECIPE.
        weight_bytes: as in `TextSource`.
        backbone: builds the functional model that computes the last feature map, and the layer that scales pixels for
            it (None if the backbone scales them itself).
        preprocessing: how it wants its pictures.
    """

    modality: ClassVar[str] = "image"
    name: str
    fingerprint: str
    weight_bytes: int
    backbone: Callable[[], tuple[Any, Any]]
    preprocessing: PicturePreprocessing = field(default_factory=PicturePreprocessing)

    def build(self, names: Sequence[str] = ("image",), size: int = 0) -> ImageEncoder:
        """Return the whole encoder, frozen.

        Args:
            names: as in `TextSource.build`.
            size: of a picture in pixels, as in `halves`; needed only for read-outs at other places than the last.
        """
        (backbone, scaling), readouts = self.backbone(), of_modality("image", names)
        features = int(backbone.outputs[0].shape[-1])
        if "two_thirds" in places_of(readouts):
            backbone = both_places_of_cnn(backbone, size)
        whole = _scaled(backbone, scaling)
        layer = ImageEncoder(whole, features, self.fingerprint, readouts, encoder=self.name, name="image_encoder")
        return _frozen(layer)

    def halves(self, size: int) -> tuple[ImageLower, ImageUpper]:
        """Return the encoder as a lower and an upper layer for pictures of `size` pixels, both frozen."""
        backbone, scaling = self.backbone()
        halves = halve_cnn(backbone, size)
        features, fingerprint = int(backbone.outputs[0].shape[-1]), _fingerprint(self.fingerprint, halves.place)
        between = int(halves.lower.outputs[0].shape[-1])
        scaled = _scaled(halves.lower, scaling)
        lower = ImageLower(scaled, between, fingerprint, encoder=self.name, name="image_lower")
        upper = ImageUpper(halves.upper, features, fingerprint, ("image",), encoder=self.name, name="image_upper")
        return _frozen(lower), _frozen(upper)


def text_source(name: str, vocabulary: Callable[[int], Sequence[str]]) -> TextSource:
    """Resolve a text encoder by name.

    Args:
        name: one of TEXT_ENCODERS, a folder with a KerasHub preset, or a preset's name or handle.
        vocabulary: returns at most the given number of tokens, for encoders without a vocabulary: learned from the
            training texts (`vocabulary_of_texts`), or read from a run.

    Raises:
        WeightsError: its weights are not installed (the message has the command that fetches them), or the name is
            unknown.
        ConfigError: there is no folder of this name, or the preset is not supported.
    """
    if name in TEXT_ENCODERS:
        return TEXT_ENCODERS[name](name, vocabulary)
    return _preset_text(name)


def vocabulary_of_texts(train: Sequence[str]) -> Callable[[int], Sequence[str]]:
    """Return a function that learns a vocabulary from the training texts, for encoders that need one."""
    return lambda size: learn_vocabulary(train, size)


def image_source(name: str) -> ImageSource:
    """Resolve a picture encoder by name, as `text_source` does."""
    if name in IMAGE_ENCODERS:
        return IMAGE_ENCODERS[name](name)
    return _preset_image(name)


def _minilm(name: str, vocabulary: Callable[[int], Sequence[str]]) -> TextSource:
    folder = weights.require(name)
    tokenizer = load_tokenizer(folder / "tokenizer.json")
    fingerprint = _fingerprint(name, *(_digest(folder / part) for part in ("model.safetensors", "vocab.txt")))

    def backbone() -> Any:
        from keras_hub.models import BertBackbone

        return BertBackbone.from_preset(str(folder))

    size = (folder / "model.safetensors").stat().st_size
    return TextSource(name, fingerprint, tokenizer, vocabulary_of(tokenizer), size, backbone)


def _tiny_bert(name: str, learned: Callable[[int], Sequence[str]]) -> TextSource:
    """Return a BERT of two layers with random weights and the words of the training split, for tests and quick runs."""
    vocabulary = list(learned(TINY_VOCABULARY))
    fingerprint = _fingerprint(name, "2 layers", *vocabulary)

    def backbone() -> Any:
        from keras_hub.models import BertBackbone

        return _untrained(
            BertBackbone(vocabulary_size=len(vocabulary), num_layers=2, num_heads=2, hidden_dim=16, intermediate_dim=32)
        )

    return TextSource(name, fingerprint, wordpiece_tokenizer(vocabulary), tuple(vocabulary), TINY_BYTES, backbone)


def _lite(name: str) -> ImageSource:
    folder = weights.require(name)
    path = next(folder.glob("*.pth"))
    fingerprint = _fingerprint(name, _digest(path))

    def backbone() -> tuple[Any, Any]:
        model = efficientnet_lite.build(name.removeprefix("efficientnet-"))
        efficientnet_lite.load_pretrained(model, path)
        return model, None

    return ImageSource(name, fingerprint, path.stat().st_size, backbone)


def _tiny_cnn(name: str) -> ImageSource:
    """Return two convolutions with random weights, for tests and quick runs."""
    fingerprint = _fingerprint(name)

    def backbone() -> tuple[Any, Any]:
        layers = [
            keras.Input((None, None, 3)),
            keras.layers.Rescaling(1 / 128.0, -1.0, name="rescale"),
            keras.layers.Conv2D(8, 3, strides=2, activation="relu", name="conv_1"),
            keras.layers.Conv2D(16, 3, strides=2, activation="relu", name="conv_2"),
        ]
        return _untrained(keras.Sequential(layers, name="tiny_cnn")), None

    return ImageSource(name, fingerprint, TINY_BYTES, backbone)


TEXT_ENCODERS: dict[str, Callable[[str, Callable[[int], Sequence[str]]], TextSource]] = {
    "minilm-l6": _minilm,
    "tiny-bert": _tiny_bert,
}
IMAGE_ENCODERS: dict[str, Callable[[str], ImageSource]] = {
    "efficientnet-lite0": _lite,
    "efficientnet-lite1": _lite,
    "efficientnet-lite2": _lite,
    "tiny-cnn": _tiny_cnn,
}


def _preset_text(name: str) -> TextSource:
    import keras_hub

    backbone = _load_preset(keras_hub.models.Backbone, name, TEXT_ENCODERS)
    inputs = set(backbone.input) if isinstance(backbone.input, dict) else set()
    if not {"token_ids", "padding_mask"} <= inputs <= {"token_ids", "padding_mask", "segment_ids"}:
        raise ConfigError(
            f"encoders.text: {name!r} is not a text encoder like BERT; its inputs are {sorted(inputs)}. "
            f"Name a KerasHub preset of BERT, DistilBERT or ELECTRA, or one of: {', '.join(TEXT_ENCODERS)}"
        )
    tokenizer = keras_hub.tokenizers.Tokenizer.from_preset(name)
    if not isinstance(tokenizer, keras_hub.tokenizers.WordPieceTokenizer):
        raise ConfigError(
            f"encoders.text: {name!r} has a {type(tokenizer).__name__}, and only WordPiece tokenizers are supported. "
            f"Name a KerasHub preset of BERT, DistilBERT or ELECTRA, or one of: {', '.join(TEXT_ENCODERS)}"
        )
    vocabulary = tuple(tokenizer.get_vocabulary())
    fingerprint = _fingerprint(name, *vocabulary, *_weight_digests(backbone))
    lowercase = bool(getattr(tokenizer, "lowercase", False))

    def again() -> Any:  # a new copy each time, because it may be trained
        return _load_preset(keras_hub.models.Backbone, name, TEXT_ENCODERS)

    words = wordpiece_tokenizer(vocabulary, lowercase=lowercase)
    return TextSource(name, fingerprint, words, vocabulary, _bytes_of(backbone), again)


def _preset_image(name: str) -> ImageSource:
    import keras_hub

    backbone = _load_preset(keras_hub.models.Backbone, name, IMAGE_ENCODERS)
    shape = getattr(backbone.output, "shape", None)
    if shape is None or len(shape) != 4:
        raise ConfigError(
            f"encoders.image: {name!r} does not return one feature map; its output is {backbone.output}. "
            f"Name a KerasHub preset of a CNN, or one of: {', '.join(IMAGE_ENCODERS)}"
        )
    converter = keras_hub.layers.ImageConverter.from_preset(name)
    scale = 1.0 if converter.scale is None else converter.scale
    offset = 0.0 if converter.offset is None else converter.offset
    fingerprint = _fingerprint(name, str(scale), str(offset), *_weight_digests(backbone))

    def again() -> tuple[Any, Any]:  # a new copy each time, because it may be trained
        rescale = keras.layers.Rescaling(scale, offset, name="rescale")
        return _load_preset(keras_hub.models.Backbone, name, IMAGE_ENCODERS), rescale

    return ImageSource(name, fingerprint, _bytes_of(backbone), again)


def _load_preset(backbone_class: Any, name: str, known: dict[str, Any]) -> Any:
    legal = ", ".join(known)
    if Path(name).is_absolute() and not Path(name).is_dir():
        raise ConfigError(f"encoders: folder {name!r} does not exist. Correct the path, or name one of: {legal}")
    try:
        return backbone_class.from_preset(name)
    except (ValueError, OSError, ImportError, KeyError, RuntimeError) as error:
        raise WeightsError(
            f"encoder {name!r} cannot be loaded: {str(error).strip().splitlines()[0]}.{nearest(name, list(known))} "
            f"Name one of {legal}, a KerasHub preset, or a folder with one"
        ) from error


def _width(backbone: Any) -> int:
    return int(_sequence_output(backbone).shape[-1])


def _sequence_output(backbone: Any) -> Any:
    return backbone.output["sequence_output"] if isinstance(backbone.output, dict) else backbone.output


def _scaled(backbone: Any, scaling: Any) -> Any:
    if scaling is None:
        return backbone
    pictures = keras.Input((None, None, 3))
    return keras.Model(pictures, backbone(scaling(pictures)))


def _frozen(layer: Any) -> Any:
    layer.trainable = False
    return layer


def _untrained(backbone: Any) -> Any:
    """Set random weights that are the same in every process, without changing a random state."""
    rng = np.random.default_rng(0)
    for variable in backbone.weights:
        if len(variable.shape) >= 2:
            fan_in = float(np.prod(variable.shape[:-1]))
            variable.assign(rng.normal(0.0, fan_in**-0.5, variable.shape))
    return backbone


def _bytes_of(backbone: Any) -> int:
    return FLOAT_BYTES * int(backbone.count_params())


def vocabulary_of(tokenizer: Any) -> tuple[str, ...]:
    """Return the tokens of a tokenizer of the tokenizers library, in the order of their ids."""
    ids = tokenizer.get_vocab()
    return tuple(sorted(ids, key=ids.__getitem__))


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _weight_digests(backbone: Any) -> list[str]:
    # `weights`, not `variables`: variables include the random states of dropout, which differ between processes.
    return [hashlib.sha256(variable.numpy().tobytes()).hexdigest() for variable in backbone.weights]


def _fingerprint(*parts: str) -> str:
    return hashlib.sha256("\0".join((RECIPE, *parts)).encode()).hexdigest()
