"""Encoders by name: pre-trained layers that compute read-outs of texts or pictures; they are frozen at first.

An encoder is one Keras layer: a whole model contains it once and can be cut after it (`search/features`). To add one,
add an entry to TEXT_ENCODERS or IMAGE_ENCODERS.
"""

import json
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import keras
import numpy as np

from automm.config.inputs import AUTO, FLOAT32
from automm.data.files import file_digest
from automm.data.inputs.tokens import learn_vocabulary, wordpiece_tokenizer
from automm.errors import ConfigError
from automm.models.encoders import efficientnet_lite
from automm.models.encoders.fingerprint import fingerprint
from automm.models.encoders.half_layers import ImageLower, ImageUpper, TextLower, TextUpper
from automm.models.encoders.halves import (
    both_places_of_cnn,
    both_places_of_transformer,
    halve_cnn,
    halve_transformer,
)
from automm.models.encoders.hub.presets import Preset
from automm.models.encoders.hub.unrolled import Tower, tower_of_texts
from automm.models.encoders.layers import ImageEncoder, TextEncoder
from automm.models.encoders.packaged_texts import packaged_texts
from automm.models.encoders.preprocessing import PicturePreprocessing, TextPreprocessing
from automm.models.readouts import of_modality, places_of
from automm.models.weights import fetch as weights
from automm.models.weights.packages import PACKAGES

TINY_VOCABULARY = 2000
LITE_SIZES = {"lite0": 224, "lite1": 240, "lite2": 260}  # of the pictures that they were trained on
SQUASHED = PicturePreprocessing()  # any size, squashed to a square
TINY_BYTES = 400_000  # an upper bound


@dataclass(frozen=True)
class TextSource:
    """A text encoder: how it wants its texts, and how to build its layer.

    Attributes:
        fingerprint: identifies weights, preprocessing, `vector` and RECIPE.
        vocabulary: tokens in the order of their ids, for the bundle.
        weight_bytes: an upper bound of the size of its weights, known without building it.
        backbone: builds the tower that computes token states.
        readouts: the ways to read it, the best first (`models/readouts`).
        joint: identifies the weights of both towers of an encoder that reads texts and pictures ('' for others).
        precision: in which its tower computes (`models/devices`).
        positions: the most tokens that it reads; None for as many as `inputs.sequence_length` may be.
        vector: how a sentence-transformer makes its vector from token states ('' for others).
    """

    modality: ClassVar[str] = "text"
    name: str
    fingerprint: str
    preprocessing: TextPreprocessing
    vocabulary: tuple[str, ...]
    weight_bytes: int
    backbone: Callable[[], Tower]
    readouts: tuple[str, ...] = ("mean", "cls", "max", "cls_mean", "states")
    joint: str = ""
    precision: str = FLOAT32
    vector: str = ""
    positions: int | None = None

    @property
    def identity(self) -> dict[str, str]:
        """What its layers are told of it."""
        return {"encoder": self.name, "precision": self.precision}

    def blocks(self) -> tuple[Any, ...]:
        """Return its transformer blocks, first block first; () if they cannot be trained one by one."""
        tower = self.backbone()
        return () if tower.shared else tower.blocks

    def build(self, names: Sequence[str] = ("text",)) -> TextEncoder:
        """Return the whole encoder, frozen.

        Args:
            names: of the read-outs that it returns, short or full; those of other modalities and encoders are ignored.
        """
        tower, readouts = self.backbone(), of_modality("text", names, self.name)
        whole = both_places_of_transformer(tower) if "two_thirds" in places_of(readouts) else tower.model
        layer = TextEncoder(whole, tower.width, self.fingerprint, readouts, **self.identity, name="text_encoder")
        return _frozen(layer)

    def halves(self) -> tuple[TextLower, TextUpper]:
        """Return the encoder as a lower and an upper layer, both frozen.

        Raises:
            ConfigError: its blocks cannot be trained one by one.
        """
        tower = self.backbone()
        if tower.shared:
            raise ConfigError(
                f"encoder {self.name!r} runs the same weights in all its blocks, so that its last blocks cannot be "
                "trained alone: fine-tuning is not offered. Set tier2.finalists: 0"
            )
        halves = halve_transformer(tower)
        between, identity = halves.lower.outputs[0].shape[-1], fingerprint(self.fingerprint, halves.place)
        lower = TextLower(halves.lower, between, identity, **self.identity, name="text_lower")
        upper = TextUpper(halves.upper, tower.width, identity, ("text",), **self.identity, name="text_upper")
        return _frozen(lower), _frozen(upper)


@dataclass(frozen=True)
class ImageSource:
    """A picture encoder: how it wants its pictures, and how to build its layer.

    Attributes:
        fingerprint: identifies weights and RECIPE.
        weight_bytes, readouts, joint, precision: as in `TextSource`.
        backbone: builds the tower that computes cells, and the layer that scales pixels for it (None if the
            model scales them itself).
    """

    modality: ClassVar[str] = "image"
    name: str
    fingerprint: str
    weight_bytes: int
    backbone: Callable[[], tuple[Tower, Any]]
    preprocessing: PicturePreprocessing = SQUASHED
    readouts: tuple[str, ...] = ("average", "max", "gem", "cells")
    joint: str = ""
    precision: str = FLOAT32

    @property
    def identity(self) -> dict[str, str]:
        return {"encoder": self.name, "precision": self.precision}

    def blocks(self) -> tuple[Any, ...]:
        """Return its transformer blocks, first block first; () for a CNN, which is cut by its weights."""
        return self.backbone()[0].blocks

    def build(self, names: Sequence[str] = ("image",), size: int = 0) -> ImageEncoder:
        """Return the whole encoder, frozen.

        Args:
            names: as in `TextSource.build`.
            size: of a picture in pixels, as in `halves`; needed only for read-outs at other places than the last.
        """
        (tower, scaling), readouts = self.backbone(), of_modality("image", names, self.name)
        whole = tower.model
        if "two_thirds" in places_of(readouts):
            whole = both_places_of_transformer(tower) if tower.blocks else both_places_of_cnn(tower, size)
        scaled = _scaled(whole, scaling)
        layer = ImageEncoder(scaled, tower.width, self.fingerprint, readouts, **self.identity, name="image_encoder")
        return _frozen(layer)

    def halves(self, size: int) -> tuple[ImageLower, ImageUpper]:
        """Return the encoder as a lower and an upper layer for pictures of `size` pixels, both frozen."""
        tower, scaling = self.backbone()
        halves = halve_transformer(tower) if tower.blocks else halve_cnn(tower, size)
        identity, between = fingerprint(self.fingerprint, halves.place), int(halves.lower.outputs[0].shape[-1])
        scaled = _scaled(halves.lower, scaling)
        lower = ImageLower(scaled, between, identity, **self.identity, name="image_lower")
        upper = ImageUpper(halves.upper, tower.width, identity, ("image",), **self.identity, name="image_upper")
        return _frozen(lower), _frozen(upper)


def text_source(name: str, vocabulary: Callable[[int], Sequence[str]], folder: str = "") -> TextSource:
    """Resolve a text encoder by name.

    Args:
        name: one of TEXT_ENCODERS, a folder with a KerasHub preset, or a preset's name or handle.
        vocabulary: returns at most the given number of tokens, for encoders without a vocabulary: learned from the
            training texts (`vocabulary_of_texts`), or read from a run.
        folder: where it is, if its name is not its place.

    Raises:
        WeightsError: its weights are not installed (the message has the command that fetches them), or the name is
            unknown.
        ConfigError: there is no folder of this name, or the preset is not supported.
    """
    if (folder or name) in TEXT_ENCODERS:
        return TEXT_ENCODERS[folder or name](name, vocabulary)
    found = Preset.find(folder or name, "text")
    preprocessing = found.texts()
    return TextSource(
        name,
        fingerprint(*found.digests, json.dumps(preprocessing.to_dict(), sort_keys=True), *filter(None, [found.vector])),
        preprocessing,
        vocabulary_of(preprocessing.tokenizer),
        found.weight_bytes,
        found.text_tower,
        found.readouts("text"),
        joint=fingerprint(*found.digests) if found.is_joint else "",
        vector=found.vector,
        positions=found.positions,
    )


def check_text_encoder(name: str) -> None:
    """Raise what `text_source` raises; no text and no weights are read."""
    if name in PACKAGES:
        weights.require(name)
    elif name not in TEXT_ENCODERS:
        Preset.find(name, "text").check_texts()


def readouts_of(name: str, modality: str) -> tuple[str, ...]:
    """Return the read-outs of an encoder by name ('auto' too), the best first; no weights are read."""
    own: Collection[str] = (*TEXT_ENCODERS, AUTO) if modality == "text" else IMAGE_ENCODERS
    if name in own:
        return TextSource.readouts if modality == "text" else ImageSource.readouts
    return Preset.find(name, modality).readouts(modality)


def vocabulary_of_texts(train: Sequence[str]) -> Callable[[int], Sequence[str]]:
    """Return a function that learns a vocabulary from the training texts, for encoders that need one."""
    return lambda size: learn_vocabulary(train, size)


def image_source(name: str, folder: str = "") -> ImageSource:
    """Resolve a picture encoder by name, as `text_source` does."""
    if (folder or name) in IMAGE_ENCODERS:
        return IMAGE_ENCODERS[folder or name](name)
    found = Preset.find(folder or name, "image")
    return ImageSource(
        name,
        fingerprint(*found.digests, json.dumps(found.scaling)),
        found.weight_bytes,
        found.image_tower,
        found.pictures(),
        found.readouts("image"),
        joint=fingerprint(*found.digests) if found.is_joint else "",
    )


def _packaged(name: str, vocabulary: Callable[[int], Sequence[str]]) -> TextSource:
    found = packaged_texts(name, weights.require(name))
    return TextSource(
        name,
        fingerprint(name, *map(file_digest, found.files)),
        found.preprocessing,
        vocabulary_of(found.preprocessing.tokenizer),
        found.weight_bytes,
        found.tower,
    )


def _tiny_bert(name: str, learned: Callable[[int], Sequence[str]]) -> TextSource:
    """Return a BERT of two layers with random weights and the words of the training split, for tests and quick runs."""
    vocabulary = list(learned(TINY_VOCABULARY))
    identity = fingerprint(name, "2 layers", *vocabulary)

    def tower() -> Tower:
        from keras_hub.models import BertBackbone

        backbone = BertBackbone(
            vocabulary_size=len(vocabulary), num_layers=2, num_heads=2, hidden_dim=16, intermediate_dim=32
        )
        return tower_of_texts("bert", _untrained(backbone))

    preprocessing = TextPreprocessing(wordpiece_tokenizer(vocabulary))
    return TextSource(name, identity, preprocessing, tuple(vocabulary), TINY_BYTES, tower)


def _lite(name: str) -> ImageSource:
    folder = weights.require(name)
    path = next(folder.glob("*.pth"))
    identity = fingerprint(name, file_digest(path))

    def tower() -> tuple[Tower, Any]:
        model = efficientnet_lite.build(name.removeprefix("efficientnet-"))
        efficientnet_lite.load_pretrained(model, path)
        return Tower(model), None

    trained = PicturePreprocessing(trained=LITE_SIZES[name.removeprefix("efficientnet-")])
    return ImageSource(name, identity, path.stat().st_size, tower, trained)


def _tiny_cnn(name: str) -> ImageSource:
    """Return two convolutions with random weights, for tests and quick runs."""
    identity = fingerprint(name)

    def tower() -> tuple[Tower, Any]:
        layers = [
            keras.Input((None, None, 3)),
            keras.layers.Rescaling(1 / 128.0, -1.0, name="rescale"),
            keras.layers.Conv2D(8, 3, strides=2, activation="relu", name="conv_1"),
            keras.layers.Conv2D(16, 3, strides=2, activation="relu", name="conv_2"),
        ]
        return Tower(_untrained(keras.Sequential(layers, name="tiny_cnn"))), None

    return ImageSource(name, identity, TINY_BYTES, tower)


TEXT_ENCODERS: dict[str, Callable[[str, Callable[[int], Sequence[str]]], TextSource]] = {
    "minilm-l6": _packaged,
    "me5-small": _packaged,
    "mpnet-base": _packaged,
    "tiny-bert": _tiny_bert,
}
IMAGE_ENCODERS: dict[str, Callable[[str], ImageSource]] = {
    "efficientnet-lite0": _lite,
    "efficientnet-lite1": _lite,
    "efficientnet-lite2": _lite,
    "tiny-cnn": _tiny_cnn,
}


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


def vocabulary_of(tokenizer: Any) -> tuple[str, ...]:
    """Return the tokens of a tokenizer of the tokenizers library, in the order of their ids."""
    ids = tokenizer.get_vocab()
    return tuple(sorted(ids, key=ids.__getitem__))
