"""Boosted trees as arrays: the nodes of all trees in one table, in the precision in which a model compares features."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

ROWS_AT_ONCE = 512  # thousands of trees have megabytes of nodes for a few hundred rows
MOST_NODES = 2**24  # float32 holds every whole number up to here: numbers of nodes are stored as floats


@dataclass(frozen=True)
class BoostedTrees:
    """Trees whose answers are added up.

    A tree is followed from its root: a row goes to `left` if its feature is at most the threshold, to `missing` if it
    is NaN, else to `right`. A leaf leads to itself, so that all trees are followed for the same number of levels.

    Attributes:
        splits: (nodes, 5) float32: feature, threshold, left, right, missing; features and nodes by their number.
        values: (nodes,) float32, what a leaf adds; 0 for other nodes.
        roots: (iterations, trees of an iteration) int32.
        columns: the output that each tree of an iteration adds to.
        start: (outputs,) float32, to which the trees add.
        depth: the number of levels below the roots.
    """

    splits: np.ndarray
    values: np.ndarray
    roots: np.ndarray
    columns: tuple[int, ...]
    start: np.ndarray
    depth: int

    @classmethod
    def of(
        cls, iterations: Sequence[Sequence[np.ndarray]], columns: Sequence[int], start: np.ndarray
    ) -> "BoostedTrees":
        """Convert the trees of scikit-learn's histogram-based gradient boosting.

        Args:
            iterations: by iteration and tree, the nodes of a tree without categorical splits: a structured array with
                the fields value, feature_idx, num_threshold, missing_go_to_left, left, right, depth and is_leaf.
            columns, start: as in the class.

        Raises:
            ValueError: there are too many nodes.
        """
        trees = [nodes for trees in iterations for nodes in trees]
        sizes = np.array([len(nodes) for nodes in trees], np.int64)
        offsets = np.cumsum(sizes) - sizes
        if sizes.sum() > MOST_NODES:
            raise ValueError(f"the trees have {sizes.sum():,} nodes, and a model holds at most {MOST_NODES:,}")
        nodes, first = np.concatenate(trees), np.repeat(offsets, sizes)
        leaf = nodes["is_leaf"] > 0
        own = np.arange(len(nodes))
        left = np.where(leaf, own, first + nodes["left"])
        right = np.where(leaf, own, first + nodes["right"])
        missing = np.where(nodes["missing_go_to_left"] > 0, left, right)
        feature = np.where(leaf, 0, nodes["feature_idx"])
        threshold = np.where(leaf, np.float32(0), at_most(nodes["num_threshold"]))
        return cls(
            splits=np.stack([feature, threshold, left, right, missing], axis=1).astype(np.float32),
            values=np.where(leaf, nodes["value"], 0.0).astype(np.float32),
            roots=offsets.reshape(len(iterations), len(columns)).astype(np.int32),
            columns=tuple(columns),
            start=np.asarray(start, np.float32),
            depth=int(nodes["depth"].max()),
        )

    def sums(self, features: np.ndarray, counts: Sequence[int]) -> np.ndarray:
        """Return the outputs after the first iterations, for several counts: (counts, rows, outputs) float32.

        Args:
            features: (rows, features) float32.
        """
        sums = np.empty((len(counts), len(features), len(self.start)), np.float32)
        for begin in range(0, len(features), ROWS_AT_ONCE):
            part = features[begin : begin + ROWS_AT_ONCE]
            totals = np.cumsum(self._leaves(part), axis=1)
            of_part = sums[:, begin : begin + len(part)]
            of_part[:] = self.start
            for place, count in enumerate(counts):
                of_part[place][:, list(self.columns)] += totals[:, count - 1]
        return sums

    def _leaves(self, features: np.ndarray) -> np.ndarray:
        """Return the value of each row's leaf in each tree, (rows, iterations, trees of an iteration) float32."""
        rows = np.arange(len(features))[:, None]
        node = np.tile(self.roots.reshape(1, -1), (len(features), 1))
        for _ in range(self.depth):
            feature, threshold, left, right, missing = np.moveaxis(self.splits[node], -1, 0)
            value = features[rows, feature.astype(np.int64)]
            node = np.where(np.isnan(value), missing, np.where(value <= threshold, left, right)).astype(np.int64)
        return self.values[node].reshape(len(features), *self.roots.shape)

    def first(self, iterations: int) -> "BoostedTrees":
        """Return the trees of the first iterations only."""
        end = int(self.roots[iterations, 0]) if iterations < len(self.roots) else len(self.values)
        return BoostedTrees(
            self.splits[:end], self.values[:end], self.roots[:iterations], self.columns, self.start, self.depth
        )


def at_most(thresholds: np.ndarray) -> np.ndarray:
    """Return the largest float32 at or below each float64 threshold.

    A float32 feature is at most the result exactly if it is at most the threshold; the nearest float32 may be larger.
    """
    with np.errstate(over="ignore"):  # a threshold beyond the largest float32 becomes infinite, and then the largest
        nearest = thresholds.astype(np.float32)
    return np.where(nearest > thresholds, np.nextafter(nearest, np.float32(-np.inf)), nearest)
