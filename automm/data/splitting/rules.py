"""Split rules that ignore labels and links: by a column, by time, by a hash of the id."""

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import accumulate
from math import floor

from automm.data.records.review import Review


def by_column(reviews: Sequence[Review]) -> list[str]:
    """Return the split that each review's column names."""
    return [str(review.split) for review in reviews]


def by_time(reviews: Sequence[Review], shares: Mapping[str, float]) -> list[str]:
    """Return the split of each review: the oldest go to the first split, the newest to the last.

    Reviews of the same time stay together.

    Args:
        reviews: n reviews, each with a time.
        shares: of the splits, in the order of time.
    """
    times = sorted(_moment(review) for review in reviews)
    older: dict[float, int] = {}
    for place, time in enumerate(times):
        older.setdefault(time, place)
    return [_part(older[_moment(review)] / len(reviews), shares) for review in reviews]


def possible_fractions(reviews: Sequence[Review], shares: Mapping[str, float]) -> dict[str, float] | None:
    """Return shares near the wanted ones with which `by_time` leaves no split empty; None if there are none."""
    counts = Counter(map(_moment, reviews))
    ends = list(accumulate(counts[moment] / len(reviews) for moment in sorted(counts)))[:-1]
    if len(ends) < 2:
        return None
    first, second, _ = accumulate(shares.values())
    train = min(ends[:-1], key=lambda end: abs(end - first))
    known = min((end for end in ends if end > train), key=lambda end: abs(end - second))
    # Rounded down, because reviews of one time belong to the split in which they begin.
    train, known = floor(train * 1000) / 1000, floor(known * 1000) / 1000
    possible = dict(zip(shares, (train, round(known - train, 3), round(1 - known, 3)), strict=True))
    return possible if len(set(by_time(reviews, possible))) == len(shares) else None


def by_hash(reviews: Sequence[Review], shares: Mapping[str, float], seed: int) -> list[str]:
    """Return the split of each review by a hash of its group, else of its id: adding reviews moves no other review."""
    return [_part(_draw(seed, review), shares) for review in reviews]


def _draw(seed: int, review: Review) -> float:
    """Return a number, uniform in [0, 1), drawn by the review's group or id."""
    key = f"{seed}\0id {review.id}" if review.group is None else f"{seed}\0group {review.group}"
    return int.from_bytes(hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()[:6], "big") / 2**48


def _part(place: float, shares: Mapping[str, float]) -> str:
    """Return the split that contains a position in [0, 1)."""
    end = 0.0
    for split, share in shares.items():
        end += share
        if place < end:
            return split
    return split  # the shares may sum to slightly less than one


def _moment(review: Review) -> float:
    if review.time is None:
        raise TypeError(f"{review.where}: no time was read")
    return review.time
