"""What is tied to one another, however indirectly: disjoint sets."""

from collections import defaultdict


class Unions:
    """Sets of 0 ... count - 1, each alone at first (Tarjan 1975; the paths to a root are halved on the way)."""

    def __init__(self, count: int):
        self._parent = list(range(count))

    def root(self, one: int) -> int:
        """The member that stands for the set of `one`."""
        parent = self._parent
        while parent[one] != one:
            parent[one] = parent[parent[one]]
            one = parent[one]
        return one

    def join(self, one: int, other: int) -> None:
        """Make one set of the two."""
        self._parent[self.root(one)] = self.root(other)

    def sets(self) -> list[list[int]]:
        """All sets, their members in order, by their first members."""
        together: dict[int, list[int]] = defaultdict(list)
        for one in range(len(self._parent)):
            together[self.root(one)].append(one)
        return list(together.values())
