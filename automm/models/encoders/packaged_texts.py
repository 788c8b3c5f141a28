"""The packaged text encoders: their files, how they want their texts, and how their towers are built.

Nothing here imports Keras before a tower is built: `automm check` reads tokenizers only.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from automm.data.inputs.tokens import load_tokenizer
from automm.models.encoders import mpnet, multilingual_e5
from automm.models.encoders.preprocessing import TextPreprocessing

ME5_BYTES = 480_000_000  # of its 117.5 million weights as float32; the file has 4 bits for most


@dataclass(frozen=True)
class PackagedTexts:
    """A packaged text encoder whose weights are installed.

    Attributes:
        files: that its features depend on.
        preprocessing: how it wants its texts.
        weight_bytes: an upper bound of the size of its weights, known without building it.
        tower: builds the tower that computes token states (`hub/unrolled`).
    """

    files: tuple[Path, ...]
    preprocessing: TextPreprocessing
    weight_bytes: int
    tower: Callable[[], Any]


def packaged_texts(name: str, folder: Path) -> PackagedTexts:
    """Return a packaged text encoder by name.

    Args:
        folder: of its verified weights (`weights/fetch`).
    """
    return _PACKAGED[name](folder)


def _minilm(folder: Path) -> PackagedTexts:
    def tower() -> Any:
        from keras_hub.models import BertBackbone

        from automm.models.encoders.hub.unrolled import tower_of_texts

        return tower_of_texts("bert", BertBackbone.from_preset(str(folder)))

    weights = folder / "model.safetensors"
    preprocessing = TextPreprocessing(load_tokenizer(folder / "tokenizer.json"))
    return PackagedTexts((weights, folder / "vocab.txt"), preprocessing, weights.stat().st_size, tower)


def _me5(folder: Path) -> PackagedTexts:
    def tower() -> Any:
        from automm.models.encoders.hub.unrolled import tower_of_texts

        return tower_of_texts("bert", multilingual_e5.backbone(weights))

    weights = folder / "e5-small-q4.bin"
    return PackagedTexts((weights,), multilingual_e5.preprocessing(weights), ME5_BYTES, tower)


def _mpnet(folder: Path) -> PackagedTexts:
    weights, tokenizer = folder / "model.safetensors", folder / "tokenizer.json"
    preprocessing, size = mpnet.preprocessing(tokenizer), weights.stat().st_size
    return PackagedTexts((weights, tokenizer), preprocessing, size, lambda: mpnet.tower(weights))


_PACKAGED: dict[str, Callable[[Path], PackagedTexts]] = {
    "minilm-l6": _minilm,
    "me5-small": _me5,
    "mpnet-base": _mpnet,
}
