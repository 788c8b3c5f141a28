"""Choose rows by whole units: shares of the training rows, and the rows from which others get a modality."""

import numpy as np


def rows_of_share(train: np.ndarray, units: np.ndarray, order: np.ndarray, share: float) -> np.ndarray:
    """Return about a share of the training rows, whole units of them; a larger share contains a smaller one.

    Args:
        train: (n,) int64 rows.
        units: (all rows,) int64, the unit of each row.
        order: (all rows,) float, a random key of each row's unit, the same for all its rows. Units with small keys come
            first, in all folds.
        share: above 0, up to 1.

    Returns:
        (m,) int64, in the order of `train`; at least one unit.
    """
    if share >= 1.0:
        return train
    keys, of_row, sizes = np.unique(order[train], return_inverse=True, return_counts=True)
    if len(keys) != len(np.unique(units[train])):
        raise ValueError("the rows of a unit must have the same key, and those of another unit another key")
    # The number of units whose rows come closest to the share.
    count = 1 + int(np.argmin(np.abs(np.cumsum(sizes) - share * len(train))))
    return train[of_row < count]


def unit_order(units: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return a random key of each row's unit, (rows,) float64, for `rows_of_share`."""
    _, places = np.unique(units, return_inverse=True)
    return np.asarray(rng.permutation(places.max() + 1)[places], np.float64)


def other_rows(rows: np.ndarray, units: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return another row for each row, a permutation of them; of another unit, unless one unit has most of the rows.

    Reviews of a unit may share a text or a picture, so that a permutation inside a unit would change little. Units are
    put in a random order, and the rows are moved on by at least the size of the largest unit.

    Args:
        rows: (n,) int64.
        units: (all rows,) int64, the unit of each row.

    Returns:
        (n,) int64: the row whose values each of `rows` gets.
    """
    if len(rows) < 2:
        return rows
    _, places, sizes = np.unique(units[rows], return_inverse=True, return_counts=True)
    order = np.lexsort([rng.permutation(len(rows)), rng.permutation(len(sizes))[places]])
    least = min(int(sizes.max()), len(rows) // 2)
    moved = np.roll(order, int(rng.integers(least, len(rows) - least + 1)))
    donors = np.empty_like(rows)
    donors[order] = rows[moved]
    return donors
