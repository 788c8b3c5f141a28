import json

import numpy as np
import pytest
from advice import advises, hear

from automm.data.inputs.tokens import SPECIAL, learn_vocabulary, load_tokenizer, wordpiece_tokenizer
from automm.errors import WeightsError
from automm.models.encoders.preprocessing import TextPreprocessing

VOCABULARY = [*SPECIAL, "good", "bad", "phone", "##s", "cafe", "café", "Good", "!", "中"]
PAD, UNK, CLS, SEP = range(4)


def encode_texts(tokenizer, texts, length):
    return TextPreprocessing(tokenizer).encode(texts, length)[0]


def ids(tokenizer, text, length=10):
    (row,) = encode_texts(tokenizer, [text], length)
    return row[: int((row != 0).sum())].tolist()


@pytest.fixture
def tokenizer():
    return wordpiece_tokenizer(VOCABULARY)


def of(*tokens):
    return [CLS, *(VOCABULARY.index(token) for token in tokens), SEP]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("good phone", of("good", "phone")),
        ("GOOD  phones!", of("good", "phone", "##s", "!")),
        ("café", of("cafe")),  # accents go with the capitals
        ("中good", of("中", "good")),  # each Chinese character is a word
        ("\uff47\uff4f\uff4f\uff44", of("[UNK]")),  # BERT does not fold full-width forms
        ("elephant", of("[UNK]")),
        ("", [CLS, SEP]),
        ("   \n", [CLS, SEP]),
        ("x" * 1000, of("[UNK]")),
    ],
)
def test_lowercase(tokenizer, text, expected):
    assert ids(tokenizer, text) == expected


def test_cased_keeps_capitals_and_accents():
    assert ids(wordpiece_tokenizer(VOCABULARY, lowercase=False), "Good café") == of("Good", "café")


def test_shape_padding_and_truncation_that_keeps_sep(tokenizer):
    rows = encode_texts(tokenizer, ["good", "bad " * 50, ""], 6)
    assert rows.dtype == np.int32
    assert rows.tolist() == [
        [CLS, 4, SEP, 0, 0, 0],
        [CLS, 5, 5, 5, 5, SEP],
        [CLS, SEP, 0, 0, 0, 0],
    ]


def test_a_tokenizer_may_be_used_at_two_lengths(tokenizer):
    assert encode_texts(tokenizer, ["bad bad bad bad"], 4).shape == (1, 4)
    assert ids(tokenizer, "bad bad bad bad", 10) == of("bad", "bad", "bad", "bad")


def test_many_texts_keep_their_order(tokenizer):
    texts = [("good", "bad", "")[place % 3] for place in range(2500)]  # more than one batch of the encoder
    rows = encode_texts(tokenizer, texts, 4)
    expected = np.array([[CLS, 4, SEP, 0], [CLS, 5, SEP, 0], [CLS, SEP, 0, 0]])[np.arange(2500) % 3]
    np.testing.assert_array_equal(rows, expected)


def test_no_texts(tokenizer):
    assert encode_texts(tokenizer, [], 5).shape == (0, 5)


@pytest.mark.parametrize(
    ("vocabulary", "words"),
    [
        (["[PAD]", "[UNK]", "[CLS]"], r"missing \['\[SEP\]'\]"),
        (["good", *SPECIAL], r"\[PAD\] in the first place"),
    ],
)
def test_no_bert_vocabulary(vocabulary, words):
    with pytest.raises(ValueError, match=words):
        wordpiece_tokenizer(vocabulary)


def test_a_file_carries_neither_padding_nor_truncation_into_the_ids(tokenizer, tmp_path):
    tokenizer.enable_padding(length=128)
    tokenizer.enable_truncation(max_length=3)
    path = tmp_path / "tokenizer.json"
    tokenizer.save(str(path))
    loaded = load_tokenizer(path)
    assert loaded.padding is None
    assert loaded.truncation is None
    assert ids(loaded, "bad good bad good") == of("bad", "good", "bad", "good")


@pytest.mark.parametrize("content", [None, "", "{}", json.dumps({"model": {"type": "Nothing"}})])
def test_a_file_that_is_no_tokenizer(tmp_path, content):
    path = tmp_path / "tokenizer.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(
        WeightsError, match=r"tokenizer\.json: not a tokenizer: .*\. Fetch the encoder again, or restore"
    ):
        load_tokenizer(path)


@advises("Fetch the encoder again, or restore the file of the run or bundle")
def test_a_damaged_tokenizer_is_restored(tmp_path):
    path = tmp_path / "tokenizer.json"
    wordpiece_tokenizer([*SPECIAL, "good"]).save(str(path))
    whole = path.read_bytes()
    path.write_bytes(whole[:-10])
    with pytest.raises(WeightsError) as caught:
        load_tokenizer(path)
    hear(str(caught.value), "Fetch the encoder again, or restore the file of the run or bundle")
    path.write_bytes(whole)
    assert ids(load_tokenizer(path), "good") == ids(wordpiece_tokenizer([*SPECIAL, "good"]), "good")


def test_a_vocabulary_is_learned_most_frequent_first():
    texts = ["Bad bad GOOD", "bad, good", "zebra apple"]
    assert learn_vocabulary(texts, 100) == [*SPECIAL, "bad", "good", ",", "apple", "zebra"]
    assert learn_vocabulary(reversed(texts), 100) == learn_vocabulary(texts, 100)
    assert learn_vocabulary(texts, 6) == [*SPECIAL, "bad", "good"]
    assert learn_vocabulary(texts, 2) == list(SPECIAL)
    assert learn_vocabulary([], 100) == list(SPECIAL)


def test_a_learned_vocabulary_knows_its_own_texts():
    texts = ["Größe: 5 cm, très bien!", "中文 good"]
    tokenizer = wordpiece_tokenizer(learn_vocabulary(texts, 100))
    assert UNK not in encode_texts(tokenizer, texts, 20)


def test_a_word_of_the_texts_may_look_like_a_special_token():
    vocabulary = learn_vocabulary(["[SEP] [PAD] good"], 100)
    assert len(vocabulary) == len(set(vocabulary))
    assert ids(wordpiece_tokenizer(vocabulary), "good") == [CLS, vocabulary.index("good"), SEP]
