"""The packaged all-mpnet-base-v2, a sentence-transformer; KerasHub has no MPNet.

Song et al. 2020, "MPNet: Masked and Permuted Pre-training for Language Understanding" (arXiv 2004.09297). Texts need no
prompt, and the mean of the token states is the vector of a text.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from automm.data.inputs.tokens import load_tokenizer
from automm.errors import WeightsError
from automm.models.encoders.preprocessing import TextPreprocessing
from automm.models.weights.packages import fetch_again

PAD = 1
UNREAD_POSITIONS = 2  # before that of the first token
UNREAD = {"embeddings.position_ids", "pooler.dense.weight", "pooler.dense.bias"}

Take = Callable[[str], np.ndarray]


def preprocessing(path: Path) -> TextPreprocessing:
    """Return how its texts are prepared.

    Args:
        path: of its tokenizer.json.
    """
    return TextPreprocessing(load_tokenizer(path), pad=PAD)


def tower(path: Path) -> Any:
    """Return the tower that computes token states (n, length, features); its sizes are those of the weights.

    Args:
        path: of its weights, named as Hugging Face's transformers names them.

    Raises:
        WeightsError: the file is damaged, or does not fit.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            left = set(file.keys()) - UNREAD

            def take(name: str) -> np.ndarray:
                left.remove(name)
                return np.asarray(file.get_tensor(name))

            layers = len({name.split(".")[2] for name in left if name.startswith("encoder.layer.")})
            built = _tower(take, layers)
        if left:
            raise ValueError(f"tensors are left over: {', '.join(sorted(left)[:3])}")
    except (OSError, SafetensorError, KeyError, ValueError) as error:
        raise WeightsError(f"{path} is not readable as an MPNet: {error}. {fetch_again(path)}") from error
    return built


def _tower(take: Take, layers: int) -> Any:
    import keras
    from keras_hub.layers import PositionEmbedding

    from automm.models.encoders.hub.tower_layers import BiasedBlock, RelativeBias
    from automm.models.encoders.hub.unrolled import Tower

    def embed(kind: Any, name: str, table: np.ndarray, inputs: Any, *sizes: int) -> Any:
        layer = kind(*sizes, name=name)
        output = layer(inputs)
        layer.set_weights([table])
        return output

    ids, mask = (keras.Input((None,), dtype="int32", name=name) for name in ("token_ids", "padding_mask"))
    words = take("embeddings.word_embeddings.weight")
    positions = take("embeddings.position_embeddings.weight")[UNREAD_POSITIONS:]
    states = embed(keras.layers.Embedding, "tokens", words, ids, *words.shape)
    states = keras.layers.add([states, embed(PositionEmbedding, "positions", positions, states, len(positions))])
    norm = keras.layers.LayerNormalization(epsilon=1e-5, name="embeddings_norm")
    states = keras.layers.Dropout(0.1, name="embeddings_dropout")(norm(states))
    norm.set_weights([take(f"embeddings.LayerNorm.{part}") for part in ("weight", "bias")])
    table = take("encoder.relative_attention_bias.weight")
    bias = RelativeBias(table.shape[1], len(table), name="relative_bias")
    blocks = []
    for number in range(layers):
        arrays = _arrays_of_block(take, f"encoder.layer.{number}", heads=table.shape[1])
        block = BiasedBlock(table.shape[1], inner=arrays["wide"][0].shape[1], name=f"block_{number}")
        # The bias is the same for every block. Computed anew from its states, it is no second tensor between two
        # blocks, at which the model could not be cut.
        states = block(states, bias(states), mask)
        for name, values in arrays.items():
            getattr(block, name).set_weights(values)
        blocks.append(block)
    bias.set_weights([table])
    return Tower(keras.Model({"token_ids": ids, "padding_mask": mask}, states, name="mpnet"), tuple(blocks))


def _arrays_of_block(take: Take, block: str, heads: int) -> dict[str, list[np.ndarray]]:
    """Return the weights of a block's layers."""

    def pair(name: str) -> tuple[np.ndarray, np.ndarray]:
        return take(f"{block}.{name}.weight").T, take(f"{block}.{name}.bias")  # PyTorch stores (out, in)

    def by_head(name: str) -> list[np.ndarray]:
        kernel, bias = pair(f"attention.attn.{name}")
        return [kernel.reshape(len(kernel), heads, -1), bias.reshape(heads, -1)]

    mixed, bias = pair("attention.attn.o")
    return {
        **{name: by_head(name[0]) for name in ("query", "key", "value")},
        "mixed": [mixed.reshape(heads, -1, mixed.shape[1]), bias],
        "mixed_norm": [*pair("attention.LayerNorm")],
        "wide": [*pair("intermediate.dense")],
        "narrow": [*pair("output.dense")],
        "norm": [*pair("output.LayerNorm")],
    }
