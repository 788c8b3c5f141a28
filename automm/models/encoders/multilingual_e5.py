"""The packaged multilingual-e5-small: its tokenizer, and its BERT with the dequantised weights.

Wang et al. 2024, "Multilingual E5 Text Embeddings" (arXiv 2402.05672): texts begin with 'query: ', and the mean of the
token states is the vector of a text.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from automm.errors import WeightsError
from automm.models.encoders.hub.sentencepiece import CONTROL, NORMAL, UNIGRAM, UNKNOWN, SentencePieceModel, tokenizer_of
from automm.models.encoders.preprocessing import TextPreprocessing
from automm.models.weights.packages import fetch_again
from automm.models.weights.quantised_file import QuantisedBert, read_quantised

PREFIX = "query: "
CONTROLS = r"[\x{01}-\x{08}\x{0B}\x{0E}-\x{1F}\x{7F}\x{8F}\x{9F}]"
BLANKS = r"[\t\n\f\r\x{1680}\x{200B}-\x{200F}\x{2028}\x{2029}\x{2581}\x{FEFF}\x{FFFD}]"


def preprocessing(path: Path) -> TextPreprocessing:
    """Return how its texts are prepared."""
    from tokenizers import Regex, normalizers, processors

    file = read_quantised(path, tensors=False)
    start, end, pad, unknown = file.special
    kinds = {start: CONTROL, end: CONTROL, pad: CONTROL, unknown: UNKNOWN}
    pieces = tuple((text, score, kinds.get(number, NORMAL)) for number, (text, score) in enumerate(file.pieces))
    tokenizer = tokenizer_of(SentencePieceModel(pieces, UNIGRAM, b"", True, True, False))
    # Its model normalises by "nmt_nfkc": NFKC, where control characters are nothing and other blanks are blanks.
    tokenizer.normalizer = normalizers.Sequence(
        [
            normalizers.Replace(Regex(CONTROLS), ""),
            normalizers.Replace(Regex(BLANKS), " "),
            normalizers.NFKC(),
            tokenizer.normalizer,
        ]
    )
    special = [(file.pieces[start][0], start), (file.pieces[end][0], end)]
    single = f"{special[0][0]} $A {special[1][0]}"
    tokenizer.post_processor = processors.TemplateProcessing(single=single, special_tokens=special)
    return TextPreprocessing(tokenizer, prefix=PREFIX, pad=pad)


def backbone(path: Path) -> Any:
    """Return KerasHub's BertBackbone with the weights of the file.

    Raises:
        WeightsError: the file does not fit.
    """
    from keras_hub.models import BertBackbone

    file = read_quantised(path)
    model = BertBackbone(
        vocabulary_size=file.vocabulary,
        num_layers=file.layers,
        num_heads=file.heads,
        hidden_dim=file.hidden,
        intermediate_dim=file.intermediate,
        max_sequence_length=file.positions,
        num_segments=file.segments,
    )
    try:
        _assign(model, file)
    except (KeyError, ValueError) as error:
        raise WeightsError(f"{path} does not fit a BERT of its sizes: {error}. {fetch_again(path)}") from error
    return model


def _assign(model: Any, file: QuantisedBert) -> None:
    hidden, wide, heads = file.hidden, file.intermediate, file.heads
    tensors = dict(file.tensors)

    def take(name: str, *shape: int) -> np.ndarray:
        return np.ascontiguousarray(tensors.pop(name).reshape(shape))

    def dense(name: str, inputs: int, outputs: int) -> list[np.ndarray]:
        return [take(f"{name}.w", outputs, inputs).T, take(f"{name}.b", outputs)]  # PyTorch stores (out, in)

    def norm(name: str) -> list[np.ndarray]:
        return [take(f"{name}.w", hidden), take(f"{name}.b", hidden)]

    model.token_embedding.set_weights([take("emb.word", file.vocabulary, hidden)])
    model.position_embedding.set_weights([take("emb.pos", file.positions, hidden)])
    model.segment_embedding.set_weights([take("emb.type", file.segments, hidden)])
    model.embeddings_layer_norm.set_weights(norm("emb.ln"))
    for number, layer in enumerate(model.transformer_layers):
        before = f"l{number}"
        # The variables of a layer in their order: query, key, value and output of the attention, then its
        # normalisation, then the normalisation of the two dense layers, and these; `set_weights` checks the shapes.
        attention = [_split(dense(f"{before}.{name}", hidden, hidden), heads) for name in "qkv"]
        kernel, bias = dense(f"{before}.ao", hidden, hidden)
        values: list[np.ndarray] = [
            *(array for pair in attention for array in pair),
            *(kernel.reshape(heads, hidden // heads, hidden), bias),
            *norm(f"{before}.aln"),
            *norm(f"{before}.oln"),
            *dense(f"{before}.fi", hidden, wide),
            *dense(f"{before}.fo", wide, hidden),
        ]
        layer.set_weights(values)
    if tensors:
        raise ValueError(f"tensors are left over: {', '.join(list(tensors)[:3])}")


def _split(pair: Sequence[np.ndarray], heads: int) -> tuple[np.ndarray, np.ndarray]:
    kernel, bias = pair
    width = kernel.shape[1] // heads
    return kernel.reshape(kernel.shape[0], heads, width), bias.reshape(heads, width)
