"""The sections `inputs` and `encoders` of the experiment file: what a review consists of, and what reads it."""

import os
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from automm.config.schema import Section

AUTO: Literal["auto"] = "auto"
FLOAT32: Literal["float32"] = "float32"
MIXED_FLOAT16: Literal["mixed_float16"] = "mixed_float16"
MIXED_BFLOAT16: Literal["mixed_bfloat16"] = "mixed_bfloat16"
Categories = Literal["tower", "text", "both"]
TOWER: Categories = "tower"
TEXT: Categories = "text"
ALL = "all"  # a choice of the space: all encoders of a modality side by side
USUAL_IMAGE_SIZE = 224  # most picture encoders were trained on it


def _auto_or(value: object, *, low: int, high: int) -> object:
    if value == AUTO or (isinstance(value, int) and not isinstance(value, bool) and low <= value <= high):
        return value
    raise ValueError(f"expected auto, or a whole number from {low} to {high} (given: {value!r})")


class Inputs(Section):
    """The shape of one datapoint.

    With `auto`, the training texts decide the sequence length, and each picture encoder its own size.
    """

    image_size: Annotated[int | Literal["auto"], BeforeValidator(partial(_auto_or, low=8, high=1024))] = AUTO
    max_images: int = Field(4, ge=1, le=64)
    sequence_length: Annotated[int | Literal["auto"], BeforeValidator(partial(_auto_or, low=4, high=512))] = AUTO
    history_steps: int = Field(16, ge=1, le=512)  # the latest values, if the manifest names a history
    categories: Categories = TOWER  # where models read the categorical columns: `data/inputs/columns`

    @property
    def known_image_size(self) -> int:
        """The side of the stored pictures in pixels, before the picture encoder is known."""
        return USUAL_IMAGE_SIZE if self.image_size == AUTO else self.image_size


def _encoder_names(value: object) -> object:
    if isinstance(value, str):
        return value
    if isinstance(value, list | tuple) and AUTO in value and len(value) > 1:
        raise ValueError("auto chooses a single encoder. Name all encoders, or auto alone")
    if not isinstance(value, list | tuple) or not value or not all(isinstance(name, str) for name in value):
        raise ValueError("expected the name of an encoder, or a list of names")
    if ALL in value:
        raise ValueError(
            "'all' means all encoders in space.text.encoder and space.image.encoder. Write the folder ./all"
        )
    if len(set(map(os.path.realpath, value))) < len(value):  # p/bert and p/bert/ are one folder
        raise ValueError("an encoder is named twice. Name each once")
    return value[0] if len(value) == 1 else tuple(value)


def absolute_encoders(value: Any, folder: Path) -> Any:
    """Return names of encoders with their folders absolute: names with a slash, relative to `folder` or to ~."""
    if isinstance(value, list | tuple):
        return [absolute_encoders(each, folder) for each in value]
    if isinstance(value, dict):  # `moved`
        return {absolute_encoders(old, folder): absolute_encoders(new, folder) for old, new in value.items()}
    if not isinstance(value, str) or "://" in value or "\0" in value or "/" not in value:
        return value
    return os.path.realpath(folder / (Path(value).expanduser() if value.startswith("~/") else value))


def _no_auto(value: object) -> object:
    if value == AUTO or (isinstance(value, list | tuple) and AUTO in value):
        raise ValueError("auto chooses text encoders only. Name a picture encoder, such as efficientnet-lite0")
    return value


EncoderNames = Annotated[str | tuple[str, ...], BeforeValidator(_encoder_names)]


class Encoders(Section):
    """The encoders of each modality, one or several: names from `automm encoders`, KerasHub presets, or folders with a
    preset. With `auto`, the language of the training texts decides the text encoder."""

    text: EncoderNames = AUTO
    image: Annotated[EncoderNames, BeforeValidator(_no_auto)] = "efficientnet-lite0"
    # Of frozen encoders: their features, and the whole model. `auto` is a mixed one on GPUs that are fast in it.
    precision: Literal["float32", "auto", "mixed_float16", "mixed_bfloat16"] = FLOAT32
    moved: dict[str, str] = Field(default={})  # where a folder is now, by its name in `text` or `image`

    @model_validator(mode="after")
    def _known(self) -> Self:
        if unknown := self.moved.keys() - {*self.texts, *self.images}:
            raise ValueError(
                f"moved: {min(unknown)!r} is not an encoder in text or image. Write OLD: NEW, with OLD as named there"
            )
        return self

    def folder(self, name: str) -> str:
        """Return where an encoder is: its name, unless its folder has moved."""
        return self.moved.get(name, name)

    @property
    def texts(self) -> tuple[str, ...]:
        """The text encoders; the baselines read the first."""
        return (self.text,) if isinstance(self.text, str) else self.text

    @property
    def images(self) -> tuple[str, ...]:
        """The picture encoders; the baselines read the first."""
        return (self.image,) if isinstance(self.image, str) else self.image

    @property
    def several(self) -> list[str]:
        """The modalities with several encoders."""
        return [modality for modality, names in self.by_modality.items() if len(names) > 1]

    @property
    def by_modality(self) -> dict[str, tuple[str, ...]]:
        """The encoders of each modality."""
        return {"text": self.texts, "image": self.images}

    @property
    def named(self) -> dict[str, tuple[str, ...]]:
        """The encoders of each modality that the file names; () for `auto`."""
        return {modality: names if AUTO not in names else () for modality, names in self.by_modality.items()}
