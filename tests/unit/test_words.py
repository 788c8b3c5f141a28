"""The words of a text as hashed sparse vectors; scikit-learn is the reference."""

import numpy as np
import pytest
from sklearn.feature_extraction.text import HashingVectorizer, TfidfTransformer
from sklearn.utils import murmurhash3_32

from automm.data.inputs.modalities import is_lost_with, with_dropout, without
from automm.data.inputs.words import (
    BUCKETS,
    FEWEST_TEXTS,
    MOST_TERMS,
    buckets_of,
    count_terms,
    murmur3,
    normalised,
    weights_of,
    word_arrays,
    words_of,
)
from automm.search.setup.words import Words

ALPHABETS = [
    "abcdefgh",
    "äßéñİŒﬁＡ",
    "здравствуй",
    "中文好吃的",
    "ひらカナ",
    "안녕하세요",
    "नमस्तेहिंदी",
    "ภาษาไทยนี้",
    "שלום",
    "😀❤️👍🏽!?.,-_'1234",
]
SPACES = [" ", "  ", "\n", "\t", "\u3000", "\u00a0"]


def random_texts(count: int, seed: int = 0, most_words: int = 40) -> list[str]:
    rng = np.random.default_rng(seed)

    def word() -> str:
        letters = ALPHABETS[rng.integers(len(ALPHABETS))]
        return "".join(letters[place] for place in rng.integers(len(letters), size=rng.integers(1, 9)))

    def text() -> str:
        return "".join(word() + SPACES[rng.integers(len(SPACES))] for _ in range(rng.integers(most_words)))

    return [text() for _ in range(count)]


def reference_counts(texts: list[str]):
    settings = {"preprocessor": normalised, "alternate_sign": False, "norm": None, "n_features": BUCKETS}
    words = HashingVectorizer(tokenizer=words_of, token_pattern=None, ngram_range=(1, 2), **settings)
    runs = HashingVectorizer(analyzer="char_wb", ngram_range=(3, 5), **settings)
    counts = (words.transform(texts) + runs.transform(texts)).tocsr()
    counts.sort_indices()
    return counts


@pytest.mark.parametrize("seed", range(3))
def test_hashes_are_those_of_scikit_learn(seed):
    rng = np.random.default_rng(seed)
    items = [rng.bytes(int(size)) for size in rng.integers(0, 23, size=300)] + [b"", b"\0", b"\0\0\0\0"]
    assert murmur3(items).tolist() == [murmurhash3_32(item, seed=0, positive=True) for item in items]


@pytest.mark.parametrize("seed", range(3))
def test_counts_are_those_of_scikit_learn_in_any_script(seed):
    texts = ["", " ", *random_texts(60, seed)]
    counts, reference = count_terms(texts), reference_counts(texts)
    assert counts.starts.tolist() == reference.indptr.tolist()
    assert counts.buckets.tolist() == reference.indices.tolist()
    assert counts.values.tolist() == reference.data.tolist()


@pytest.mark.parametrize("seed", range(3))
def test_tf_idf_is_that_of_scikit_learn(seed):
    texts = random_texts(60, seed)
    train = np.arange(0, 60, 2)
    counts = reference_counts(texts)
    common = np.flatnonzero(counts[train].getnnz(axis=0) >= FEWEST_TEXTS)
    transformer = TfidfTransformer(sublinear_tf=True).fit(counts[train])
    weights = weights_of(count_terms(texts))
    idf = weights.idf(train)
    assert np.abs(idf - transformer.idf_)[common].max() < 1e-6
    assert np.flatnonzero(idf).tolist() == common.tolist()
    dense = np.zeros((60, BUCKETS), np.float32)
    dense[np.repeat(np.arange(60), weights.lengths), weights.buckets] = weights.values * idf[weights.buckets]
    dense /= np.maximum(np.linalg.norm(dense, axis=1, keepdims=True), 1e-12)
    transformer = TfidfTransformer(sublinear_tf=True).fit(counts[train][:, common])
    assert np.abs(dense[:, common] - transformer.transform(counts[:, common]).toarray()).max() < 1e-6


def test_chunks_of_texts_do_not_change_the_counts(monkeypatch):
    texts = random_texts(20)
    whole = count_terms(texts)
    monkeypatch.setattr("automm.data.inputs.words.TEXTS_AT_ONCE", 3)
    parts = count_terms(iter(texts))
    assert all(np.array_equal(getattr(whole, name), getattr(parts, name)) for name in ("starts", "buckets", "values"))


def test_words_of_scripts():
    assert words_of(normalised("Don't STOP, ﬁne!")) == ["don", "t", "stop", "fine"]
    assert words_of(normalised("很好吃 テスト")) == ["很", "好", "吃", "テ", "ス", "ト"]
    assert words_of(normalised("नमस्ते 안녕하세요 naïve")) == ["नमस्ते", "안녕하세요", "naïve"]
    assert words_of(normalised("great😀👍")) == ["great", "😀", "👍"]


def test_a_long_text_keeps_its_largest_weights():
    texts = random_texts(30, most_words=400)
    words = Words.of(texts, np.arange(20))
    long = int(words.weights.lengths.argmax())
    assert words.weights.lengths[long] > MOST_TERMS
    assert words.read.lengths.max() == MOST_TERMS
    useful = words.idf[words.weights.buckets] > 0
    lengths = np.bincount(np.repeat(np.arange(30), words.weights.lengths)[useful], minlength=30)
    assert words.dropped == np.maximum(lengths - MOST_TERMS, 0).sum() > 0
    everything, kept = (terms.rows(np.array([long])) for terms in (words.weights, words.read))
    sizes = everything.values * words.idf[everything.buckets]
    smallest = np.sort(sizes)[-MOST_TERMS]
    assert (kept.values * words.idf[kept.buckets]).min() == smallest
    assert np.all(np.diff(kept.buckets.astype(int)) > 0)


def test_a_long_text_keeps_terms_that_other_texts_have():
    """Terms of one text have the largest idf, and would take all places."""
    own = ["".join(chr(0x4E00 + 1000 * row + place) for place in range(200)) for row in range(4)]
    texts = [f"{'tea coffee' if row % 2 else 'milk water'} {text}" for row, text in enumerate(own)]
    words = Words.of(texts, np.arange(4))
    assert words.weights.lengths.min() > MOST_TERMS
    shared = [buckets_of([term])[0] for term in ("tea", "coffee", "tea coffee")]
    for row in (1, 3):
        assert np.isin(shared, words.read.rows(np.array([row])).buckets).all()


def test_prediction_makes_the_arrays_of_training():
    texts = ["", *random_texts(30, most_words=200)]
    words = Words.of(texts, np.arange(20))
    arrays, predicted = words.read.arrays(np.arange(31)), word_arrays(texts, words.idf)
    assert arrays["text_word_ids"].shape == arrays["text_word_weights"].shape == (31, MOST_TERMS)
    assert arrays["text_word_ids"].dtype == np.int32
    assert arrays["text_word_weights"].dtype == np.float32
    assert not arrays["text_word_weights"][0].any()
    for name, array in arrays.items():
        assert np.array_equal(array, predicted[name])
        assert np.array_equal(array[[3, 1]], words.read.arrays(np.array([3, 1]))[name])


def test_the_idf_of_a_fold_ignores_other_rows():
    texts = random_texts(20)
    changed = [*texts[:10], *random_texts(10, seed=5)]
    train = np.arange(10)
    ((idf,), (other,)) = (Words.of(some, train).statistics(train)["text_word_weights"] for some in (texts, changed))
    assert np.array_equal(idf, other)
    assert not np.array_equal(idf, Words.of(texts, train).statistics(np.arange(20))["text_word_weights"][0])


def test_words_are_lost_with_the_text():
    batch = {
        "text_mask": np.ones(8, np.float32),
        "image_mask": np.ones((8, 1), np.float32),
        **word_arrays(["good tea"] * 8, np.ones(BUCKETS, np.float32)),
    }
    assert is_lost_with("text", "text_word_weights")
    assert not is_lost_with("image", "text_word_weights")
    rows = np.arange(8) < 3
    assert (without(batch, "text", rows)["text_word_weights"].any(axis=1) == ~rows).all()
    dropped = with_dropout(batch, 0.5, np.random.default_rng(0))
    assert (dropped["text_word_weights"].any(axis=1) == (dropped["text_mask"] > 0)).all()
