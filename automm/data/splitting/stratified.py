"""Place reviews in parts of given shares: labels keep their proportions, and linked reviews stay together.

Decisions depend on ids and the seed, never on the order of the reviews.
"""

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from automm.data.records.review import Review

STRATA = 10  # for numbers to predict: tenths


def strata(reviews: Sequence[Review]) -> list[str]:
    """Return the stratum of each review, to keep proportions in every split: its label, or the tenth of its number."""
    values = np.array([np.nan if review.value is None else review.value for review in reviews])
    if np.isnan(values).any() or not len(values):
        return [str(review.label) for review in reviews]
    edges = np.quantile(values, np.arange(1, STRATA) / STRATA)
    return [str(tenth) for tenth in np.searchsorted(edges, values)]


def place_evenly(reviews: Sequence[Review], components: Sequence[list[int]], parts: int, seed: int) -> list[int]:
    """Return the part of each review, from 0, for `parts` parts of equal size."""
    return [int(name) for name in place(reviews, components, {str(part): 1 / parts for part in range(parts)}, seed)]


def place(
    reviews: Sequence[Review], components: Sequence[list[int]], shares: Mapping[str, float], seed: int
) -> list[str]:
    """Return the part of each review: components, largest first, go where they disturb the wanted label counts least.

    The disturbance is the growth of sum((placed - wanted)^2 / wanted) over the labels, plus the same over all reviews.

    Args:
        reviews: n reviews.
        components: of the n rows, as from `Links.components`.
        shares: of all reviews, by the name of a part.
        seed: decides between equally good parts.
    """
    labels = strata(reviews)
    counts = Counter(labels)
    whole = [share * len(reviews) for share in shares.values()]
    wanted = [{label: share * count for label, count in counts.items()} for share in shares.values()]
    placed = [dict.fromkeys(counts, 0) for _ in shares]
    filled = [0] * len(shares)
    names = list(shares)
    part_of = [0] * len(reviews)
    keys = [_hash(seed, review.id) for review in reviews]
    ordered = sorted(
        [
            (-len(rows), min([keys[row] for row in rows]) if len(rows) > 1 else keys[rows[0]], rows)
            for rows in components
        ]
    )
    for _, key, rows in ordered:
        size = len(rows)
        of_labels = list(Counter([labels[row] for row in rows]).items()) if size > 1 else [(labels[rows[0]], 1)]
        growths = []
        for have, want, full, all_wanted in zip(placed, wanted, filled, whole, strict=True):
            growth = 0.0
            for label, count in of_labels:
                growth += count * (2 * (have[label] - want[label]) + count) / want[label]
            growths.append(growth + size * (2 * (full - all_wanted) + size) / all_wanted)
        limit = min(growths) + 1e-9  # equal sums of floats may differ in their last bits
        level = [part for part, growth in enumerate(growths) if growth <= limit]
        best = level[0] if len(level) == 1 else min(level, key=lambda part: _hash(seed, key.hex() + names[part]))
        for label, count in of_labels:
            placed[best][label] += count
        filled[best] += size
        for row in rows:
            part_of[row] = best
    return [names[part] for part in part_of]


def _hash(seed: int, name: str) -> bytes:
    return hashlib.sha256(f"{seed}\0{name}".encode("utf-8", "surrogatepass")).digest()
