"""Splits that look at each review for itself: by a column, by its time, by a hash of its id."""

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import accumulate
from math import floor

from automm.data.records.review import Review


def by_column(reviews: Sequence[Review]) -> list[str]:
    """What its column says, for each review."""
    return [str(review.split) for review in reviews]


def by_time(reviews: Sequence[Review], shares: Mapping[str, float]) -> list[str]:
    """The oldest to the first split, the newest to the last; reviews of one moment stay together.

    Args:
        reviews: n, each with a time.
        shares: of each split, in the order of time.
    """
    times = sorted(_moment(review) for review in reviews)
    older: dict[float, int] = {}
    for place, time in enumerate(times):
        older.setdefault(time, place)
    return [_part(older[_moment(review)] / len(reviews), shares) for review in reviews]


def possible_fractions(reviews: Sequence[Review], shares: Mapping[str, float]) -> dict[str, float] | None:
    """Shares near the wanted ones by which `by_time` leaves none of the three splits empty; None where none does."""
    counts = Counter(map(_moment, reviews))
    ends = list(accumulate(counts[moment] / len(reviews) for moment in sorted(counts)))[:-1]
    if len(ends) < 2:
        return None
    first, second, _ = accumulate(shares.values())
    train = min(ends[:-1], key=lambda end: abs(end - first))
    known = min((end for end in ends if end > train), key=lambda end: abs(end - second))
    # Downwards, because a moment belongs to the split in which it begins.
    train, known = floor(train * 1000) / 1000, floor(known * 1000) / 1000
    found = dict(zip(shares, (train, round(known - train, 3), round(1 - known, 3)), strict=True))
    return found if len(set(by_time(reviews, found))) == len(shares) else None


def by_hash(reviews: Sequence[Review], shares: Mapping[str, float], seed: int) -> list[str]:
    """By a hash of its group, else of its id, and by nothing else: other reviews may come and go and move nobody."""
    return [_part(_draw(seed, review), shares) for review in reviews]


def _draw(seed: int, review: Review) -> float:
    """Uniform in [0, 1)."""
    key = f"{seed}\0id {review.id}" if review.group is None else f"{seed}\0group {review.group}"
    return int.from_bytes(hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()[:6], "big") / 2**48


def _part(place: float, shares: Mapping[str, float]) -> str:
    """The split in which a place in [0, 1) lies."""
    end = 0.0
    for split, share in shares.items():
        end += share
        if place < end:
            return split
    return split  # the shares sum to a hair less than one


def _moment(review: Review) -> float:
    if review.time is None:
        raise TypeError(f"{review.where}: no time was read")
    return review.time
