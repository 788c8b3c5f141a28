"""The words of a text as a sparse vector: hashed counts of words, of pairs of words, and of short runs of characters.

The features are those of scikit-learn's HashingVectorizer and TfidfTransformer (hashing: Weinberger et al. 2009,
"Feature hashing for large scale multitask learning", arXiv 0902.2206), computed with NumPy alone:

- The text is normalised: NFKC, then case folding.
- Words are runs of letters, marks and digits. A symbol (emoji) and a character of a script without spaces between words
  (Chinese characters, kana) is a word of its own. Terms are words, and pairs of neighbouring words.
- Further terms are the runs of 3 to 5 characters of each part between spaces, with a space on both sides.
- A term belongs to one of BUCKETS buckets, by its MurmurHash3 with seed 0, the hash of scikit-learn.
- The weight of a bucket is 1 + ln(count). A model multiplies it by the inverse document frequency (idf) of its own
  training rows, and divides by the length of the vector (`models/words`). A bucket in fewer than FEWEST_TEXTS of them
  has no weight.
- A model reads the MOST_TERMS buckets with the largest weight times the idf of the training split, which is stored with
  the run and with a bundle. The text itself is never cut.
"""

import io
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain, islice, pairwise

import numpy as np

from automm.data.inputs.input_sources import WORD_IDS, WORD_WEIGHTS

BUCKETS = 2**16
MOST_TERMS = 512  # buckets of a review that a model reads
FEWEST_TEXTS = 2  # training texts that a bucket has to be in
RUNS = (3, 4, 5)  # characters of a run
TEXTS_AT_ONCE = 512
WORDS_FILE = "words.npy"  # of a run and of a bundle: the idf of the training split
# What decides the arrays, besides the idf. A bundle of other settings cannot be read.
SETTINGS = {
    "normalisation": "NFKC, case folding",
    "words": [1, 2],
    "characters": [RUNS[0], RUNS[-1]],
    "hash": "MurmurHash3, 32 bits, seed 0, absolute value",
    "buckets": BUCKETS,
    "weight": "1 + ln(count)",
    "fewest_texts": FEWEST_TEXTS,
    "most_terms": MOST_TERMS,
}


@dataclass(frozen=True)
class Terms:
    """The buckets of n texts, and a number for each: a count or a weight; a sparse matrix (n, BUCKETS) by rows.

    Attributes:
        starts: (n + 1,) int64; text i has the entries from starts[i] to starts[i + 1].
        buckets: (entries,) uint16, ascending within a text.
        values: (entries,) float32, above 0.
    """

    starts: np.ndarray
    buckets: np.ndarray
    values: np.ndarray

    def __len__(self) -> int:
        return len(self.starts) - 1

    @property
    def lengths(self) -> np.ndarray:
        """The number of entries of each text, (n,) int64."""
        return np.diff(self.starts)

    def rows(self, rows: np.ndarray) -> "Terms":
        """Return the terms of some texts."""
        lengths = self.lengths[rows]
        starts = np.concatenate([[0], np.cumsum(lengths)])
        places = np.repeat(self.starts[rows] - starts[:-1], lengths) + np.arange(starts[-1])
        return Terms(starts, self.buckets[places], self.values[places])

    def idf(self, train: np.ndarray) -> np.ndarray:
        """Return the inverse document frequency of each bucket in some texts, (BUCKETS,) float32.

        It is ln((1 + texts) / (1 + texts with the bucket)) + 1, the smoothed form of scikit-learn, and 0 for a bucket
        in fewer than FEWEST_TEXTS of them: a rare term says nothing about other texts, and would have the largest
        weight.
        """
        texts_with = np.bincount(self.rows(train).buckets, minlength=BUCKETS)
        idf = np.log((1 + len(train)) / (1 + texts_with)) + 1
        return np.where(texts_with < FEWEST_TEXTS, 0.0, idf).astype(np.float32)

    def largest(self, idf: np.ndarray) -> tuple["Terms", int]:
        """Keep the MOST_TERMS entries of each text whose value times idf is largest, and none whose idf is 0.

        Returns:
            The terms, and how many entries were dropped that have an idf.
        """
        sizes = self.values * idf[self.buckets]
        kept = sizes > 0
        counts = np.bincount(np.repeat(np.arange(len(self)), self.lengths)[kept], minlength=len(self))
        for row in np.flatnonzero(counts > MOST_TERMS):
            start, end = self.starts[row : row + 2]
            order = np.argsort(-sizes[start:end], kind="stable")
            kept[start + order[MOST_TERMS:]] = False
        read = np.minimum(counts, MOST_TERMS)
        terms = Terms(np.concatenate([[0], np.cumsum(read)]), self.buckets[kept], self.values[kept])
        return terms, int((counts - read).sum())

    def arrays(self, rows: np.ndarray) -> dict[str, np.ndarray]:
        """Return the inputs of some reviews: buckets (n, MOST_TERMS) int32, and weights float32, 0.0 behind the last.

        Raises:
            ValueError: a text has more than MOST_TERMS entries.
        """
        some = self.rows(rows)
        filled = np.arange(MOST_TERMS) < some.lengths[:, None]
        ids, weights = np.zeros(filled.shape, np.int32), np.zeros(filled.shape, np.float32)
        ids[filled], weights[filled] = some.buckets, some.values
        return {WORD_IDS: ids, WORD_WEIGHTS: weights}


def count_terms(texts: Iterable[str]) -> Terms:
    """Return the counts of all terms of texts, by bucket."""
    lengths, buckets, values = [np.zeros(1, np.int64)], [np.zeros(0, np.uint16)], [np.zeros(0, np.float32)]
    iterator = iter(texts)
    while some := list(islice(iterator, TEXTS_AT_ONCE)):
        numbered = _Numbered()
        terms = [numbered.terms_of(text) for text in some]
        hashed = buckets_of(list(numbered.numbers))[np.fromiter(chain.from_iterable(terms), np.int64)]
        keys = np.repeat(np.arange(len(some)), [len(of_text) for of_text in terms]) * BUCKETS + hashed
        distinct, counts = np.unique(keys, return_counts=True)
        lengths.append(np.bincount(distinct // BUCKETS, minlength=len(some)))
        buckets.append((distinct % BUCKETS).astype(np.uint16))
        values.append(counts.astype(np.float32))
    return Terms(np.cumsum(np.concatenate(lengths)), np.concatenate(buckets), np.concatenate(values))


class _Numbered:
    """Numbers the distinct terms of some texts, and keeps those of each distinct part between spaces.

    It is for some texts only: the terms of a large data set would fill the memory.
    """

    def __init__(self) -> None:
        self.numbers: dict[str, int] = {}
        self._of_parts: dict[str, list[int]] = {}

    def terms_of(self, text: str) -> list[int]:
        """Return the numbers of all terms of a text, with repetitions."""
        text = normalised(text)
        words = words_of(text)
        found = self._numbered([*words, *(f"{one} {other}" for one, other in pairwise(words))])
        for part in text.split():
            if part not in self._of_parts:
                self._of_parts[part] = self._numbered(runs_of(part))
            found += self._of_parts[part]
        return found

    def _numbered(self, terms: Iterable[str]) -> list[int]:
        numbers = self.numbers
        return [numbers.setdefault(term, len(numbers)) for term in terms]


def word_arrays(texts: Iterable[str], idf: np.ndarray) -> dict[str, np.ndarray]:
    """Return the inputs of some reviews, as in `Terms.arrays`.

    Args:
        idf: of the training split.
    """
    terms, _ = weights_of(count_terms(texts)).largest(idf)
    return terms.arrays(np.arange(len(terms)))


def idf_to_bytes(idf: np.ndarray) -> bytes:
    """Return the content of WORDS_FILE, a NumPy file without pickles."""
    buffer = io.BytesIO()
    np.save(buffer, idf, allow_pickle=False)
    return buffer.getvalue()


def weights_of(counts: Terms) -> Terms:
    """Return 1 + ln(count) for counts."""
    return Terms(counts.starts, counts.buckets, 1 + np.log(counts.values))


def normalised(text: str) -> str:
    """Return the text in NFKC, with its case folded: "Ｓtraße" and "STRASSE" are the same word."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())


class _Spaced(dict[int, str]):
    """For `str.translate`: puts spaces between words, and drops punctuation. It learns each character once."""

    def __missing__(self, code: int) -> str:
        character = chr(code)
        kind = unicodedata.category(character)
        alone = kind == "So" or (kind == "Lo" and _has_no_spaces(character))
        self[code] = f" {character} " if alone else character if kind[0] in "LMN" or character == "_" else " "
        return self[code]


_SPACED = _Spaced()


def _has_no_spaces(character: str) -> bool:
    """Whether a letter is of a wide script without spaces between words: Chinese characters, kana; not Hangul."""
    return unicodedata.east_asian_width(character) == "W" and not "\uac00" <= character <= "\ud7a3"


def words_of(text: str) -> list[str]:
    """Return the words of a normalised text."""
    return text.translate(_SPACED).split()


def runs_of(part: str) -> list[str]:
    """Return the runs of characters of a part between spaces; a short part with its spaces is one run itself."""
    padded, found = f" {part} ", []
    for size in RUNS:
        found += [padded[start : start + size] for start in range(max(1, len(padded) - size + 1))]
        if len(padded) <= size:
            break
    return found


def buckets_of(terms: Sequence[str]) -> np.ndarray:
    """Return the bucket of each term, (n,) int64."""
    hashes = murmur3([term.encode("utf-8", "surrogatepass") for term in terms])
    return np.asarray(np.abs(hashes.view(np.int32).astype(np.int64)) % BUCKETS)


def murmur3(items: Sequence[bytes]) -> np.ndarray:
    """Return MurmurHash3_x86_32 with seed 0 of each item, (n,) uint32 (Appleby 2011, public domain).

    Items with the same number of blocks of four bytes are hashed together.
    """
    sizes = np.fromiter(map(len, items), np.int64, len(items))
    counts, hashes = -(-sizes // 4), np.zeros(len(items), np.uint32)
    for count in np.unique(counts):
        places = np.flatnonzero(counts == count)
        joined = b"".join([items[place].ljust(4 * int(count), b"\0") for place in places.tolist()])
        blocks = np.frombuffer(joined, "<u4").astype(np.uint32).reshape(len(places), count)
        whole, state = sizes[places] // 4, np.zeros(len(places), np.uint32)
        for number in range(count):
            mixed = _rotated(blocks[:, number] * np.uint32(0xCC9E2D51), 15) * np.uint32(0x1B873593)
            state = state ^ mixed
            # An incomplete block at the end is mixed in only.
            state = np.where(number < whole, _rotated(state, 13) * np.uint32(5) + np.uint32(0xE6546B64), state)
        state = state ^ sizes[places].astype(np.uint32)
        state = (state ^ (state >> np.uint32(16))) * np.uint32(0x85EBCA6B)
        state = (state ^ (state >> np.uint32(13))) * np.uint32(0xC2B2AE35)
        hashes[places] = state ^ (state >> np.uint32(16))
    return hashes


def _rotated(values: np.ndarray, bits: int) -> np.ndarray:
    return (values << np.uint32(bits)) | (values >> np.uint32(32 - bits))
