"""The sections `inputs` and `encoders` of the experiment file: what a review consists of, and what reads it."""

from typing import Annotated

from pydantic import BeforeValidator, Field

from automm.config.schema import Section


class Inputs(Section):
    """The shape of one datapoint."""

    image_size: int = Field(224, ge=8, le=1024)
    max_images: int = Field(4, ge=1, le=64)
    sequence_length: int = Field(64, ge=4, le=512)
    history_steps: int = Field(16, ge=1, le=512)  # the latest values, if the manifest names a history


def _encoder_names(value: object) -> object:
    if isinstance(value, str):
        return value
    if not isinstance(value, list | tuple) or not value or not all(isinstance(name, str) for name in value):
        raise ValueError("expected the name of an encoder, or a list of names")
    if len(set(value)) < len(value):
        raise ValueError("an encoder is named twice. Name each once")
    return value[0] if len(value) == 1 else tuple(value)


EncoderNames = Annotated[str | tuple[str, ...], BeforeValidator(_encoder_names)]


class Encoders(Section):
    """The encoders of each modality, one or several: names from `automm weights --list`, KerasHub presets, or folders
    with a preset."""

    text: EncoderNames = "minilm-l6"
    image: EncoderNames = "efficientnet-lite0"

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
