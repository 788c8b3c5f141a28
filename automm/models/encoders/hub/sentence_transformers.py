"""Read what a folder of sentence-transformers says beside its model: pooling, normalisation and prompt.

modules.json lists the steps; only a transformer, its pooling and a normalisation are read.
Reimers and Gurevych 2019, "Sentence-BERT" (arXiv 1908.10084).
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
from keras import ops

from automm.errors import ConfigError
from automm.models.encoders.hub.preset_files import read_json, reading
from automm.models.readouts import TEXT_READOUTS

POOLING = {  # the read-out by the name of the option in the config of the pooling
    "pooling_mode_cls_token": "cls",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_mean_tokens": "mean",
}


@dataclass(frozen=True)
class SentenceTransformer:
    """The steps behind a transformer.

    Attributes:
        pooling: read-outs that are joined, in the order of sentence-transformers.
        normalised: whether the vector has the length 1.
        prefix: the default prompt before each text.
    """

    pooling: tuple[str, ...]
    normalised: bool
    prefix: str

    @property
    def vector(self) -> str:
        """How its vector is made, for people and for its fingerprint: 'cls, mean, length 1'."""
        return ", ".join((*self.pooling, *(["length 1"] if self.normalised else [])))


def read_sentence_transformer(name: str, find: Callable[[str], Path | None]) -> SentenceTransformer | None:
    """Return the steps of an encoder, or None if it is no sentence-transformer.

    Args:
        name: of the encoder, for messages.
        find: returns the path of one of its files, or None.

    Raises:
        ConfigError: it has steps that automm does not read.
        WeightsError: a file is damaged.
    """
    steps = find("modules.json")
    modules = read_json(steps, list)
    if steps is None or not modules:
        return None
    with reading(steps):
        kinds = {str(module["type"]).rpartition(".")[2]: str(module.get("path", "")) for module in modules}
    unknown = sorted(set(kinds) - {"Transformer", "Pooling", "Normalize"})
    options = read_json(find(f"{kinds['Pooling']}/config.json")) if "Pooling" in kinds else {}
    chosen = [key for key, value in options.items() if key.startswith("pooling_mode") and value is True]
    unknown += sorted(set(chosen) - set(POOLING))
    if unknown or not chosen:
        raise ConfigError(
            f"encoders.text: {name!r} is a sentence-transformer with {', '.join(unknown) or 'no pooling'}, which "
            "automm does not read. Name one that has a transformer, a pooling of its tokens and perhaps a normalisation"
        )
    pooling = tuple(how for key, how in POOLING.items() if key in chosen)
    return SentenceTransformer(pooling, "Normalize" in kinds, _prefix(find("config_sentence_transformers.json")))


def _prefix(path: Path | None) -> str:
    """Return the default prompt of a sentence-transformer, '' if it has none."""
    options = read_json(path)
    name = options.get("default_prompt_name")
    if path is None or name is None:
        return ""
    with reading(path):
        if not isinstance(options["prompts"][name], str):
            raise TypeError(f"prompt {name!r} is no text")
    return str(options["prompts"][name])


@keras.saving.register_keras_serializable(package="automm")
class SentenceVector(keras.layers.Layer):
    """Computes the vector of a sentence-transformer from token states (n, length, features) and their mask.

    Args:
        pooling: names of text read-outs, which are joined.
        normalised: whether the vector has the length 1.
    """

    def __init__(self, pooling: tuple[str, ...], normalised: bool, **kwargs: Any):
        super().__init__(**kwargs)
        self.pooling, self.normalised = tuple(pooling), normalised

    def call(self, states: Any, padding_mask: Any) -> Any:
        vector = ops.concatenate([TEXT_READOUTS[how](states, padding_mask) for how in self.pooling], axis=-1)
        return ops.normalize(vector, axis=-1) if self.normalised else vector

    def compute_output_spec(self, states: Any, padding_mask: Any) -> Any:
        return keras.KerasTensor((states.shape[0], len(self.pooling) * states.shape[-1]), "float32")

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "pooling": list(self.pooling), "normalised": self.normalised}
