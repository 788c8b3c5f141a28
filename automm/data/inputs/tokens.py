"""Tokenizers of texts: as files have them, or WordPiece of a vocabulary, where id 0 is [PAD].

This uses the tokenizers library instead of KerasHub's tokenizer: it is exact on accents, ligatures and full-width
forms, several times faster, and needs no TensorFlow.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from automm.errors import WeightsError

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]")


def load_tokenizer(path: Path) -> Any:
    """Load the tokenizer of a `tokenizer.json`, and switch off the padding and truncation set in it.

    Raises:
        WeightsError: the file is not a tokenizer.
    """
    from tokenizers import Tokenizer

    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:
        raise WeightsError(
            f"{path}: not a tokenizer: {error}. Fetch the encoder again, or restore the file of the run or bundle"
        ) from error
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer


def wordpiece_tokenizer(vocabulary: Sequence[str], *, lowercase: bool = True) -> Any:
    """Return a BERT tokenizer; the id of a token is its place in `vocabulary`.

    Raises:
        ValueError: a special token is missing, or [PAD] is not the first.
    """
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

    missing = [token for token in SPECIAL if token not in vocabulary]
    if missing or vocabulary[0] != "[PAD]":
        raise ValueError(f"not a BERT vocabulary: missing {missing or '[PAD] in the first place'}")
    ids = {token: index for index, token in enumerate(vocabulary)}
    tokenizer = Tokenizer(models.WordPiece(ids, unk_token="[UNK]", max_input_chars_per_word=100))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=lowercase)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", ids["[SEP]"]), ("[CLS]", ids["[CLS]"]))
    return tokenizer


def learn_vocabulary(train: Iterable[str], size: int) -> list[str]:
    """Return a vocabulary for encoders that are not pre-trained: the words of the training texts, most frequent first.

    Args:
        train: the training texts.
        size: the largest number of tokens, special ones included.
    """
    from tokenizers import normalizers, pre_tokenizers

    normalize, split = normalizers.BertNormalizer(), pre_tokenizers.BertPreTokenizer()
    words: Counter[str] = Counter()
    for text in train:
        words.update(word for word, _ in split.pre_tokenize_str(normalize.normalize_str(text)))
    ordered = sorted(words, key=lambda word: (-words[word], word))
    return [*SPECIAL, *ordered[: max(0, size - len(SPECIAL))]]
