"""Folds: the fold of each review, what a fold trains on, and the folds of cross-validation."""

from collections.abc import Sequence

import numpy as np

from automm.data.records.reviews import Dataset
from automm.data.splitting.links import Links
from automm.data.splitting.stratified import place_evenly


def place_in_folds(dataset: Dataset, links: Links) -> list[int]:
    """Return the fold of every review, from 0, by the manifest's `splits.folds`."""
    rules = dataset.manifest.splits
    return place_evenly(dataset.reviews, links.components, rules.folds or 1, rules.seed)


def roles_of_folds(placed: Sequence[int], folds: int, fold: int) -> list[str]:
    """Return the split of every review if fold `fold` (from 1) is the test split, and the next fold validation."""
    roles = ["train"] * folds
    roles[fold - 1], roles[fold % folds] = "test", "validation"
    return [roles[place] for place in placed]


def fold_rows(dataset: Dataset, links: Links, rows: np.ndarray, folds: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Split some reviews into folds: labels keep their proportions, and linked reviews stay together.

    Args:
        dataset: all reviews.
        links: between all reviews of the data set.
        rows: (n,) sorted rows to split.
        folds: number of folds, at least 2.

    Returns:
        For each fold the sorted training rows and the sorted held-out rows. Held-out rows are disjoint and complete.
        There are fewer folds than `folds` if the reviews form fewer components.
    """
    reviews = [dataset.reviews[int(row)] for row in rows]
    placed = np.array(place_evenly(reviews, links.components_of(rows.tolist()), folds, dataset.manifest.splits.seed))
    held_out = [placed == fold for fold in range(folds)]
    return [(rows[~mask], rows[mask]) for mask in held_out if mask.any()]
