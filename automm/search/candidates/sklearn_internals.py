"""The private names of scikit-learn that automm reads: it has no public access to the nodes of boosted trees.

`tests/property/test_tree_properties.py` fails if an upgrade of scikit-learn changes them.
"""

from typing import Any

import numpy as np


def trees_of(model: Any) -> list[list[np.ndarray]]:
    """Return the nodes of a fitted histogram-based gradient boosting, by iteration and tree.

    There is a tree for each class, and a single one for two classes or a number.

    Returns:
        Structured arrays, as `BoostedTrees.of` takes them.
    """
    return [[predictor.nodes for predictor in iteration] for iteration in model._predictors]


def start_of(model: Any) -> np.ndarray:
    """Return the answers that the trees add to, (trees of an iteration,) float64."""
    return np.asarray(model._baseline_prediction).reshape(-1)


def centre_thresholds(model: Any, features: np.ndarray) -> None:
    """Move each threshold of a fitted model to the middle between the two training values around it.

    scikit-learn takes most thresholds from the training values themselves. A review with such a value would change its
    branch with the last digit, and features differ there between stored and newly computed ones. The answers for the
    training rows stay the same.

    Args:
        features: (rows, features), those that the model was fitted to.
    """
    columns = [np.unique(column[~np.isnan(column)]).astype(np.float64) for column in features.T]
    for nodes in (nodes for iteration in trees_of(model) for nodes in iteration):
        for place in np.flatnonzero(nodes["is_leaf"] == 0):
            values, threshold = columns[nodes["feature_idx"][place]], nodes["num_threshold"][place]
            above = int(np.searchsorted(values, threshold, side="right"))
            if 0 < above < len(values):  # else it separates missing values from all others
                nodes["num_threshold"][place] = (values[above - 1] + values[above]) / 2
