"""Find single words, pictures and columns that give the label away: a leak, or a task that needs no model.

A word or a picture gives a label away if reviews that have it have this label, and the others do not: its F1 score as a
rule is at least GIVES. A column gives the target away if a rule on it alone (a small decision tree of a number, the
most frequent label of a category) reaches this in macro-F1, or R2 of a number to predict. Everything is found on some
reviews and confirmed on others, so that of a hundred thousand words none is named by chance.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.sparse import csr_array

GIVES = 0.95
FEWEST = 10  # reviews of a label, and with a word or a picture
DEPTH = 5
LEAST_VALUES = 5  # reviews that a value of a category must have; a rarer one says as much as an id


@dataclass(frozen=True)
class Giveaway:
    """A single thing that gives the label away.

    Attributes:
        kind: 'word', 'picture' or 'column'.
        name: the word, a name of the picture, or the name of the column.
        target: the label; "" for a column, which gives all of them away.
        reviews: the number of reviews that have it, of those that it was confirmed on.
        score: F1 of the rule on these, macro-F1 or R2 of a column.
    """

    kind: str
    name: str
    target: str
    reviews: int
    score: float


def things_that_give_away(
    kind: str,
    names: Sequence[str],
    has: csr_array,
    targets: np.ndarray,
    labels: Sequence[str],
    found_on: np.ndarray,
    confirmed_on: np.ndarray,
) -> list[Giveaway]:
    """Return the words, or pictures, that give a label away, the best first.

    Args:
        names: of k things.
        has: (n, k) bool, whether a review has it.
        targets: (n,) positions in `labels`.
        found_on, confirmed_on: rows without a common unit.
    """
    found, _ = _rules(has[found_on], targets[found_on], len(labels))
    scores, counts = _rules(has[confirmed_on], targets[confirmed_on], len(labels))
    places = np.argwhere((found >= GIVES) & (scores >= GIVES))
    rows = [
        Giveaway(kind, names[thing], labels[label], int(counts[thing]), float(scores[thing, label]))
        for thing, label in places
    ]
    return sorted(rows, key=lambda row: (-row.score, row.name))


def _rules(has: csr_array, targets: np.ndarray, classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Return F1 of each thing as a rule for each label, (k, classes), 0 with too few reviews; and the counts, (k,)."""
    of_label = np.bincount(targets, minlength=classes)
    both = np.asarray(has.T.astype(np.float64) @ np.eye(classes)[targets])
    counts = both.sum(axis=1)
    enough = (counts[:, None] >= FEWEST) & (of_label >= FEWEST) & (len(targets) - of_label >= FEWEST)
    return np.where(enough, 2 * both / np.maximum(counts[:, None] + of_label, 1), 0.0), counts.astype(int)


def columns_that_give_away(
    columns: Mapping[str, Sequence[Any]],
    targets: np.ndarray,
    found_on: np.ndarray,
    confirmed_on: np.ndarray,
    *,
    labels: bool,
) -> list[Giveaway]:
    """Return the columns that give the target away, the best first.

    Args:
        columns: by name, (n,) numbers (None if missing) or categories.
        targets: (n,), positions in a label set, or numbers.
        found_on, confirmed_on: rows without a common unit.
        labels: whether the targets are labels.
    """
    from sklearn.metrics import f1_score, r2_score

    true, given = targets[confirmed_on], []
    if len(np.unique(true)) < 2:
        return []
    for name, values in columns.items():
        rule = _rule_of_category if any(isinstance(value, str) for value in values) else _rule_of_number
        answers = rule(values, targets, found_on, labels)[confirmed_on]
        score = f1_score(true, answers, average="macro", zero_division=0) if labels else r2_score(true, answers)
        if score >= GIVES:
            given.append(Giveaway("column", name, "", len(confirmed_on), float(score)))
    return sorted(given, key=lambda row: (-row.score, row.name))


def _rule_of_number(values: Sequence[Any], targets: np.ndarray, found_on: np.ndarray, labels: bool) -> np.ndarray:
    """Return the answers for all rows of a decision tree on the number, and on whether it is missing."""
    from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

    numbers = np.array([np.nan if value is None else value for value in values], np.float64)
    inputs = np.stack([np.nan_to_num(numbers), np.isnan(numbers)], axis=1)
    tree = DecisionTreeClassifier if labels else DecisionTreeRegressor
    fitted = tree(max_depth=DEPTH, min_samples_leaf=LEAST_VALUES, random_state=0).fit(
        inputs[found_on], targets[found_on]
    )
    return np.asarray(fitted.predict(inputs))


def _rule_of_category(values: Sequence[Any], targets: np.ndarray, found_on: np.ndarray, labels: bool) -> np.ndarray:
    """Return for all rows the most frequent label, or the mean number, of their value; rare values are one value."""
    codes = np.unique([str(value) for value in values], return_inverse=True)[1]
    rare = np.bincount(codes[found_on], minlength=codes.max() + 1) < LEAST_VALUES
    codes = np.where(rare[codes], len(rare), codes)
    if not labels:
        sums = np.bincount(codes[found_on], targets[found_on], len(rare) + 1)
        counts = np.bincount(codes[found_on], minlength=len(rare) + 1)
        return np.where(counts > 0, sums / np.maximum(counts, 1), targets[found_on].mean())[codes]
    ones = np.ones(len(found_on))
    table = csr_array((ones, (codes[found_on], targets[found_on])), shape=(len(rare) + 1, int(targets.max()) + 1))
    best = np.asarray(table.argmax(axis=1)).ravel()
    return np.where(np.asarray(table.sum(axis=1)).ravel() > 0, best, np.bincount(targets[found_on]).argmax())[codes]
