"""A bounded sample of a stream whose length nobody knows before its end."""

from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Thinned(Generic[T]):
    """Items at equal distances: all of them, beyond the limit every second one, then every fourth, and so on.

    Attributes:
        kept: more than half of the limit once it was reached, in order.
    """

    def __init__(self, limit: int, size: Callable[[T], int] = lambda _: 1) -> None:
        """
        Args:
            limit: of the sizes of the kept items together; a single larger one is kept.
            size: of an item, such as its bytes.
        """
        self.kept: list[T] = []
        self._limit, self._size_of = limit, size
        self._step, self._met, self._size = 1, 0, 0

    def add(self, item: T) -> None:
        """Meet the next item."""
        if self._met % self._step == 0:
            self.kept.append(item)
            self._size += self._size_of(item)
        self._met += 1
        while self._size > self._limit and len(self.kept) > 1:
            self.kept = self.kept[::2]
            self._step, self._size = 2 * self._step, sum(map(self._size_of, self.kept))
