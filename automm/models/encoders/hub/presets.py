"""Read encoders from presets of KerasHub: by name, by folder, or by a handle of a hub."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import keras

from automm.data.files import file_digest
from automm.data.images.resampling import SUPPORT, Fit
from automm.data.inputs.input_sources import LAST
from automm.errors import WeightsError
from automm.models.encoders.hub.families import KERAS, TRANSFORMERS, Recognised, own_encoders, recognise
from automm.models.encoders.hub.preset_files import read_json, reading
from automm.models.encoders.hub.preset_tokenizers import WHOLE_FOLDER, text_preprocessing
from automm.models.encoders.hub.sentence_transformers import (
    SentenceTransformer,
    SentenceVector,
    read_sentence_transformer,
)
from automm.models.encoders.hub.unrolled import Tower, tower_of_pictures, tower_of_texts
from automm.models.encoders.preprocessing import PicturePreprocessing, TextPreprocessing
from automm.models.keras_internals import hub_file
from automm.models.readouts import POOLED

FLOAT_BYTES = 4
# What a hub, a file that is no preset, or a class that is not fitting its config raises.
LOADING_ERRORS = (ValueError, TypeError, OSError, ImportError, KeyError, RuntimeError)
WEIGHTS = ("model.weights.h5", "model.safetensors")
SHARDS = ("model.weights.json", "model.safetensors.index.json")
TOKEN_READOUTS = ("mean", "cls", "max", "cls_mean", "states")
JOINT_READOUTS = ("pooled", "mean", "max", "states")  # their first token says nothing: what follows is hidden from it
ANY_SIZE = ("resnet", "efficientnet", "mobilenet")  # CNNs take pictures of any size
INTERPOLATED = ("dinov2", "dinov3")  # are built for the size of their converter
CELL_READOUTS = ("average", "max", "gem", "cells")


@dataclass(frozen=True)
class Preset:
    """A preset whose family is known. Its weights are read only when a tower is built."""

    found: Recognised

    @classmethod
    def find(cls, name: str, modality: str) -> "Preset":
        """Recognise an encoder by name; errors as in `families.recognise`."""
        return cls(recognise(name, modality))

    @property
    def is_joint(self) -> bool:
        return len(self.found.family.reads) > 1

    @cached_property
    def digests(self) -> tuple[str, ...]:
        """Digests of its config and its weights: what it computes, whatever its name or folder."""
        config = self._file("config.json")
        return tuple(file_digest(path) for path in (*([config] if config else []), *self._weights))

    @cached_property
    def weight_bytes(self) -> int:
        """An upper bound of the size of its weights as float32; those of both towers of a joint encoder."""
        metadata = self._file("metadata.json") if self.found.format == KERAS else None
        parameters = 0
        if metadata is not None:
            with reading(metadata):
                parameters = int(read_json(metadata).get("parameter_count", 0))
        return FLOAT_BYTES * parameters or 2 * sum(path.stat().st_size for path in self._weights)  # float16 at least

    def texts(self) -> TextPreprocessing:
        """Return how it wants its texts."""
        preprocessing = text_preprocessing(self.found, self._file, self.positions)
        inner, tokens = self._tower_config("text"), preprocessing.tokenizer.get_vocab()
        rows = inner.get("vocabulary_size") or inner.get("vocab_size")
        # MetaCLIP 2 has no embedding of its mask, which no text contains.
        if rows is not None and any(place >= rows for token, place in tokens.items() if "<mask>" not in token):
            raise WeightsError(
                f"encoder {self.found.name!r} has {rows} embeddings, but its vocabulary has {len(tokens)} tokens. "
                "Fetch the encoder again"
            )
        return preprocessing if self._sentence is None else replace(preprocessing, prefix=self._sentence.prefix)

    def readouts(self, modality: str) -> tuple[str, ...]:
        """Return the ways to read it, the best first."""
        if modality == "image":
            return CELL_READOUTS if self.found.key in ANY_SIZE else (POOLED, *CELL_READOUTS)
        if self._sentence is not None:
            return (POOLED, *TOKEN_READOUTS)
        return JOINT_READOUTS if self.is_joint else TOKEN_READOUTS

    def check_texts(self) -> None:
        """Check all of its files but the content of its weights."""
        self.texts()
        assert self._weights
        assert self.weight_bytes

    @property
    def vector(self) -> str:
        """How the vector of a sentence-transformer is made; '' for other encoders."""
        return "" if self._sentence is None else self._sentence.vector

    @cached_property
    def _sentence(self) -> SentenceTransformer | None:
        if self.found.format != TRANSFORMERS or self.is_joint:
            return None
        return read_sentence_transformer(self.found.name, self._file)

    def pictures(self) -> PicturePreprocessing:
        """Return how it wants its pictures."""
        converter = self._converter
        fit: Fit = "crop" if converter.crop_to_aspect_ratio else "pad" if converter.pad_to_aspect_ratio else "squash"
        trained = self._checked_size(converter)
        size = None if self.found.key in ANY_SIZE else self._size(trained)
        return PicturePreprocessing(size, converter.interpolation, bool(converter.antialias), fit, trained)

    def _checked_size(self, converter: Any) -> int | None:
        """Return the size in an image converter, None if it has none. Raises WeightsError if automm cannot do it."""
        size = tuple(converter.image_size or ())
        wrong = ""
        if len(set(size)) > 1:
            wrong = f"{size[0]} x {size[1]} pixels, but automm's pictures are squares"
        elif converter.interpolation not in SUPPORT:
            wrong = f"the interpolation {converter.interpolation!r}, but automm has {' and '.join(SUPPORT)}"
        elif any(isinstance(each, list) and len(each) not in (1, 3) for each in self.scaling):
            wrong = f"scale and offset {self.scaling} of pixels, but pixels have three values"
        if wrong:
            raise WeightsError(f"encoder {self.found.name!r} wants {wrong}. Name another encoder")
        return int(size[0]) if size else None

    def _size(self, trained: int | None) -> int:
        """Return the size of the pictures of a transformer.

        Args:
            trained: the size in its image converter.
        """
        inner = self._tower_config("vision")
        shape = inner.get("image_shape") or [inner.get("image_size")]
        sides = shape[0] if isinstance(shape[0], list) else shape
        if len(set(sides[:2])) > 1:
            raise WeightsError(
                f"encoder {self.found.name!r} wants {sides[0]} x {sides[1]} pixels, but automm's pictures are squares. "
                "Name another encoder"
            )
        built = sides[0]
        size = (trained or built) if self.found.key in INTERPOLATED else (built or trained)
        if not size:
            raise WeightsError(
                f"encoder {self.found.name!r} does not say the size of its pictures. Name another encoder"
            )
        return int(size)

    @property
    def positions(self) -> int | None:
        """The number of positions of a text tower."""
        inner = self._tower_config("text")
        found = inner.get("max_sequence_length") or inner.get("max_position_embeddings")
        return int(found) if found else None

    def _tower_config(self, which: str) -> dict[str, Any]:
        """Return the config of the backbone, or of the text or vision tower of a joint one."""
        path = self._required("config.json")
        config = read_json(path)
        with reading(path):
            inner = config.get("config", {}) if self.found.format == KERAS else config
            if not self.is_joint:
                return dict(inner)
            nested = inner.get(f"{which}_encoder", {}).get("config") if self.found.format == KERAS else None
            return dict(nested or inner.get(f"{which}_config", {}))

    @property
    def scaling(self) -> tuple[Any, Any]:
        """Scale and offset of pixels of 0 to 255, a number or three."""
        converter = self._converter
        return _plain(converter.scale, 1.0), _plain(converter.offset, 0.0)

    def text_tower(self) -> Tower:
        """Build the model that reads texts, with its weights: a new copy each time, because it may be trained."""
        tower = tower_of_texts(self.found.key, self._backbone())
        if self._sentence is None:
            return tower
        vector = SentenceVector(self._sentence.pooling, self._sentence.normalised, name="sentence")
        states, inputs = tower.outputs[LAST], tower.model.input
        outputs = {LAST: states, POOLED: vector(states, inputs["padding_mask"])}
        return replace(tower, model=keras.Model(inputs, outputs))

    def image_tower(self) -> tuple[Tower, Any]:
        """Build the model that reads pictures, and the layer that scales their pixels."""
        scale, offset = self.scaling
        return tower_of_pictures(self.found.key, self._backbone()), keras.layers.Rescaling(
            scale, offset, name="rescale"
        )

    def _backbone(self) -> Any:
        from keras_hub.models import Backbone

        options: dict[str, Any] = {"dtype": "float32"}
        if self.found.key in INTERPOLATED:
            size = self.pictures().size
            options["image_shape"] = (size, size, 3)
        return self._loaded(lambda: Backbone.from_preset(self.found.name, **options))

    @cached_property
    def _converter(self) -> Any:
        from keras_hub.layers import ImageConverter

        converter = self._loaded(lambda: ImageConverter.from_preset(self.found.name))
        if converter is None:
            raise WeightsError(
                f"encoder {self.found.name!r} does not say how it wants its pictures. Name another encoder"
            )
        return converter

    @cached_property
    def _weights(self) -> tuple[Path, ...]:
        for name in WEIGHTS:
            path = self._file(name)
            if path is not None:
                return (path,)
        for name in SHARDS:
            index = self._file(name)
            if index is not None:
                with reading(index):
                    places = read_json(index)["weight_map"].values()
                    names = sorted(
                        {name for place in places for name in (place if isinstance(place, list) else [place])}
                    )
                return tuple(self._required(name) for name in names)
        raise WeightsError(
            f"encoder {self.found.name!r} has no weights: neither {' nor '.join((*WEIGHTS, *SHARDS))}. {WHOLE_FOLDER}"
        )

    def _required(self, name: str) -> Path:
        path = self._file(name)
        if path is None:
            raise WeightsError(f"encoder {self.found.name!r} has no {name}. {WHOLE_FOLDER}")
        return path

    def _file(self, name: str) -> Path | None:
        """Return the path of one of its files, fetched if it is on a hub, or None if it has no such file."""
        folder = Path(self.found.name)
        if folder.is_dir():
            return folder / name if (folder / name).is_file() else None
        return self._loaded(lambda: hub_file(self.found.name, name))

    def _loaded(self, load: Callable[[], Any]) -> Any:
        try:
            return load()
        except LOADING_ERRORS as error:
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise WeightsError(
                f"encoder {self.found.name!r} cannot be loaded: {reason}. Check the name, the folder or the "
                f"network, or name another encoder, such as {own_encoders(self.found.family.reads[0])[0]}"
            ) from error


def _plain(value: Any, default: float) -> Any:
    """Return a scale or offset as JSON values."""
    if value is None:
        return default
    return [float(each) for each in value] if hasattr(value, "__len__") else float(value)
