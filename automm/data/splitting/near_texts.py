"""Find texts that are nearly the same by MinHash and locality-sensitive hashing, without comparing all pairs."""

import re
from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from automm.data.splitting.text_forms import linking_text

SIMILAR = 0.6  # texts are nearly the same from this Jaccard index of their shingles
SHINGLE = 3  # words, or characters of a script without spaces: in a tweet of 15 words, two may differ
# Bands and rows of the hash tables: texts at the threshold are found with a probability of 99.6 %.
BANDS, ROWS = 40, 4
# Texts compared per entry of a table. More texts share an entry only through a common phrase; comparing all pairs would
# take quadratic time, and copies among them also share other bands.
MOST_COMPARED = 16
SEED = 1

# Each Thai, Lao, Burmese, Khmer, kana or Chinese character counts as a word.
_UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_WORD = re.compile(rf"[{_UNSPACED}]|[^\s{_UNSPACED}]+")


def near_texts(texts: Sequence[str]) -> list[list[int]]:
    """Return sets of texts that are nearly the same; sets of only one form (`linking_text`) are left out.

    Each text of a set has a Jaccard index of 0.6 or more with the set's most frequent text: chains of similar texts do
    not merge. All texts of a set contain the same numbers, because records that fill in a template are not copies.
    Candidates come from the MinHash signatures of their shingles (A. Broder, On the resemblance and containment of
    documents, 1997), and are compared exactly.

    Args:
        texts: n texts; texts too short to be recognised are in no set.

    Returns:
        Sorted lists of positions in `texts`, ordered by their first positions.
    """
    from datasketch import MinHash  # the import takes a third of a second and is seldom needed

    rows_of: dict[str, list[int]] = defaultdict(list)
    for row, text in enumerate(texts):
        if form := linking_text(text):
            rows_of[form].append(row)
    forms = sorted(rows_of, key=lambda form: (-len(rows_of[form]), form))
    firsts: dict[bytes, list[int]] = {}  # first texts of sets, by band
    members: dict[int, list[int]] = defaultdict(list)
    empty = MinHash(num_perm=BANDS * ROWS, seed=SEED)
    for place, form in enumerate(forms):
        shingles = _shingles(form)
        signature = empty.copy()
        signature.update_batch([shingle.encode("utf-8", "surrogatepass") for shingle in shingles])
        bands = _bands(signature.hashvalues)
        candidates = sorted({first for band in bands for first in firsts.get(band, ())})
        near = (candidate for candidate in candidates if _jaccard(_shingles(forms[candidate]), shingles) >= SIMILAR)
        first = next(near, place)
        if first == place:
            for band in bands:
                entry = firsts.setdefault(band, [])
                if len(entry) < MOST_COMPARED:
                    entry.append(place)
        members[first].append(place)
    sets = [
        sorted(row for place in places for row in rows_of[forms[place]])
        for places in members.values()
        if len(places) > 1
    ]
    return sorted(sets)


def _bands(signature: np.ndarray) -> list[bytes]:
    """Return the keys of a signature, (BANDS * ROWS,) of 32-bit values: its bands, each prefixed with its number."""
    rows = signature.astype(np.uint32).reshape(BANDS, ROWS)
    return [bytes([number]) + row.tobytes() for number, row in enumerate(rows)]


def _shingles(form: str) -> frozenset[str]:
    """Return runs of three words, each with all numbers of the text: texts with different numbers share no shingle."""
    words = _WORD.findall(form)
    numbers = " ".join(word for word in words if any(map(str.isdigit, word)))
    starts = range(max(1, len(words) - SHINGLE + 1))
    return frozenset(" ".join([*words[start : start + SHINGLE], numbers]) for start in starts)


def _jaccard(one: frozenset[str], other: frozenset[str]) -> float:
    return len(one & other) / len(one | other)
