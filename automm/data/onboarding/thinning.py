"""A bounded sample of a stream of unknown length."""

from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Thinned(Generic[T]):
    """A sample of items at equal distances: all of them, past the limit every second, then every fourth, and so on.

    Attributes:
        kept: the sampled items in order; always more than half of the limit once it was reached.
    """

    def __init__(
        self, limit: int, size: Callable[[T], int] = lambda _: 1, prepare: Callable[[T], T] = lambda item: item
    ) -> None:
        """
        Args:
            limit: the largest total size of the kept items; a single larger item is kept.
            size: returns the size of an item, for example in bytes; by default 1.
            prepare: returns an item as it is kept, for example shortened.
        """
        self.kept: list[T] = []
        self._limit, self._size_of, self._prepare = limit, size, prepare
        self._step, self._count, self._size = 1, 0, 0

    def add(self, item: T) -> None:
        """Take the next item of the stream."""
        if self._count % self._step == 0:
            item = self._prepare(item)
            self.kept.append(item)
            self._size += self._size_of(item)
        self._count += 1
        while self._size > self._limit and len(self.kept) > 1:
            self.kept = self.kept[::2]
            self._step, self._size = 2 * self._step, sum(map(self._size_of, self.kept))
