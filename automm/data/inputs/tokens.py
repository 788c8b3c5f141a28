"""Texts become WordPiece ids: column 0 is [CLS], 0 is [PAD].

The tokenizers library is used, not KerasHub's tokenizer: it is exact on accents, ligatures and full-width forms,
several times faster, and needs no TensorFlow.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from automm.errors import WeightsError

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]")


def load_tokenizer(path: Path) -> Any:
    """The tokenizer of a `tokenizer.json`, without the padding and truncation that such files carry."""
    from tokenizers import Tokenizer

    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:
        raise WeightsError(f"{path}: not a tokenizer: {error}") from error
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer


def wordpiece_tokenizer(vocabulary: Sequence[str], *, lowercase: bool = True) -> Any:
    """A BERT tokenizer over `vocabulary`; its place in the list is a token's id.

    Raises:
        WeightsError: a special token is missing, or [PAD] is not the first.
    """
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

    missing = [token for token in SPECIAL if token not in vocabulary]
    if missing or vocabulary[0] != "[PAD]":
        raise WeightsError(f"not a BERT vocabulary: missing {missing or '[PAD] in the first place'}")
    ids = {token: index for index, token in enumerate(vocabulary)}
    tokenizer = Tokenizer(models.WordPiece(ids, unk_token="[UNK]", max_input_chars_per_word=100))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=lowercase)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", ids["[SEP]"]), ("[CLS]", ids["[CLS]"]))
    return tokenizer


def learn_vocabulary(train: Iterable[str], size: int) -> list[str]:
    """Whole words and characters of the training texts, most frequent first: for encoders that are not pre-trained."""
    from tokenizers import normalizers, pre_tokenizers

    normalize, split = normalizers.BertNormalizer(), pre_tokenizers.BertPreTokenizer()
    words: Counter[str] = Counter()
    for text in train:
        words.update(word for word, _ in split.pre_tokenize_str(normalize.normalize_str(text)))
    ordered = sorted(words, key=lambda word: (-words[word], word))
    return [*SPECIAL, *ordered[: max(0, size - len(SPECIAL))]]


def encode_texts(tokenizer: Any, texts: Sequence[str], sequence_length: int) -> np.ndarray:
    """Token ids.

    Args:
        tokenizer: of `load_tokenizer` or `wordpiece_tokenizer`.
        texts: n texts; an empty one becomes [CLS][SEP].
        sequence_length: longer texts keep their beginning, and their [SEP].

    Returns:
        (n, sequence_length) int32.
    """
    tokenizer.enable_truncation(max_length=sequence_length)
    ids = np.zeros((len(texts), sequence_length), np.int32)
    for start in range(0, len(texts), 1024):
        for row, encoded in enumerate(tokenizer.encode_batch(list(texts[start : start + 1024])), start):
            ids[row, : len(encoded.ids)] = encoded.ids
    return ids
