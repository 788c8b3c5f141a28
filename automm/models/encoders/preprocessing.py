"""How an encoder wants its texts and its pictures, as data: the run folder and the bundle contain it."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from automm.data.images.resampling import Fit, PictureForm, square

BATCH = 1024


@dataclass(frozen=True)
class TextPreprocessing:
    """How an encoder wants its texts.

    Attributes:
        tokenizer: of the tokenizers library.
        prefix: a prompt before each text, for example 'query: '.
        length: a fixed length (CLIP 77, SigLIP 64); None for any length up to `inputs.sequence_length`.
        pad: the id of padding. Only the mask says which tokens are padding.
        masked: False if the encoder has no mask and reads every position (SigLIP).
    """

    tokenizer: Any
    prefix: str = ""
    length: int | None = None
    pad: int = 0
    masked: bool = True

    def encode(self, texts: Sequence[str], sequence_length: int) -> tuple[np.ndarray, np.ndarray]:
        """Encode texts as token ids, and say which are real.

        Args:
            texts: n texts.
            sequence_length: the most token ids per text, ignored if the encoder has a fixed length; longer texts keep
                their beginning and the final special token.

        Returns:
            Token ids and their mask, both (n, length) int32; the mask is 1 where a token is not padding.
        """
        length = self.length or sequence_length
        self.tokenizer.enable_truncation(max_length=length)
        ids = np.full((len(texts), length), self.pad, np.int32)
        mask = np.zeros_like(ids)
        for start in range(0, len(texts), BATCH):
            for row, encoded in enumerate(self._batch(texts[start : start + BATCH]), start):
                ids[row, : len(encoded.ids)] = encoded.ids
                mask[row, : len(encoded.ids)] = 1
        return ids, mask

    def lengths(self, texts: Sequence[str]) -> np.ndarray:
        """Return the number of tokens of each text without truncation, with prefix and special tokens: (n,) int32."""
        self.tokenizer.no_truncation()
        batches = (texts[start : start + BATCH] for start in range(0, len(texts), BATCH))
        return np.array([len(encoded.ids) for batch in batches for encoded in self._batch(batch)], np.int32)

    def _batch(self, texts: Sequence[str]) -> list[Any]:
        found: list[Any] = self.tokenizer.encode_batch([self.prefix + text for text in texts])
        return found

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON values; the tokenizer is the text of a tokenizer.json."""
        self.tokenizer.no_truncation()  # `encode` leaves the length of its last call in the tokenizer
        return {**vars(self), "tokenizer": self.tokenizer.to_str()}

    @classmethod
    def from_dict(cls, saved: dict[str, Any]) -> "TextPreprocessing":
        """Return what `to_dict` returned."""
        from tokenizers import Tokenizer

        return cls(**{**saved, "tokenizer": Tokenizer.from_str(saved["tokenizer"])})


@dataclass(frozen=True)
class PicturePreprocessing:
    """How an encoder wants its pictures. The encoder itself scales their values.

    Attributes:
        size: of the square, in pixels; None for any size (`inputs.image_size`).
        interpolation: 'bilinear' or 'bicubic'.
        antialias: whether a smaller picture is filtered.
        fit: 'squash' ignores the aspect ratio, 'crop' takes the largest square in the middle, 'pad' adds black borders.
        trained: the size of the pictures that it was trained on; None if it is not known.
    """

    size: int | None = None
    interpolation: str = "bicubic"
    antialias: bool = True
    fit: Fit = "squash"
    trained: int | None = None

    def prepare(self, pixels: np.ndarray, image_size: int = 0) -> np.ndarray:
        """Return a picture (height, width, 3) uint8 as (size, size, 3) uint8; `image_size` is for a `size` of None."""
        size = self.size or image_size
        return square(pixels, size, interpolation=self.interpolation, antialias=self.antialias, fit=self.fit)

    def form(self, image_size: int) -> PictureForm:
        """Return the form of decoded pictures; `image_size` is for a `size` of None."""
        return PictureForm(self.size or image_size, self.interpolation, self.antialias, self.fit)

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, saved: dict[str, Any]) -> "PicturePreprocessing":
        """Return what `to_dict` returned."""
        return cls(**saved)
