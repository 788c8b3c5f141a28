"""Disjoint sets: group items that are linked, directly or through others."""

from collections import defaultdict


class DisjointSets:
    """Disjoint sets of 0 ... count - 1, at first one set each (union-find, Tarjan 1975, with path halving)."""

    def __init__(self, count: int):
        self._parent = list(range(count))

    def root(self, item: int) -> int:
        """Return the item that represents the set of `item`."""
        parent = self._parent
        while parent[item] != item:
            parent[item] = parent[parent[item]]
            item = parent[item]
        return item

    def join(self, one: int, other: int) -> None:
        """Merge the sets of two items."""
        self._parent[self.root(one)] = self.root(other)

    def sets(self) -> list[list[int]]:
        """Return all sets, ordered by first items; the items of each set are sorted."""
        by_root: dict[int, list[int]] = defaultdict(list)
        for item in range(len(self._parent)):
            by_root[self.root(item)].append(item)
        return list(by_root.values())
