"""Splits that look at each review for itself: by a column, by its time, by a hash of its id."""

import hashlib
from collections.abc import Mapping, Sequence

from automm.data.reading import Review


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
