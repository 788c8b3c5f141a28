"""Which hyperparameters the scores of the trials depend on, by permutation in a random forest over the trials.

A forest (Breiman 2001, Machine Learning 45) predicts the rank of a trial from its hyperparameters. A hyperparameter is
as important as the predictions become worse if its values are permuted. That is computed exactly, as the mean over all
values that other trials have (Fisher, Rudin and Dominici 2019, arXiv 1801.01489, their e_switch), and on trials that a
tree has not seen. Few trials always show something: what is shown is more important than any hyperparameter is in 95 %
of forests that are fitted to shuffled scores.

Not every hyperparameter exists at every point. Where it does not, it has its most common value, so that it says nothing
about the hyperparameter that it depends on; and it is permuted only among the trials that have it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import rankdata
from sklearn import config_context
from sklearn.tree import DecisionTreeRegressor

from automm.tasks.base import LARGER

FEWEST = 10  # trials
TREES, LEAF, TRIED = 40, 3, 0.5  # of a forest: trials in a leaf, and the share of the columns that a split may use
SHUFFLES, LEVEL = 99, 0.05


@dataclass(frozen=True)
class Value:
    """One value of a hyperparameter: the number of trials that have it, and their median score."""

    value: Any
    trials: int
    score: float


@dataclass(frozen=True)
class Important:
    """One hyperparameter.

    Attributes:
        importance: by how much the squared error of the predicted ranks grows, as a share of the variance of the ranks.
        values: with the best median score first. Tuners try good values together, so it is no effect by itself.
    """

    name: str
    importance: float
    values: list[Value]


@dataclass(frozen=True)
class Importance:
    """The hyperparameters that matter.

    Attributes:
        trials: the number of trials.
        limit: what 5 % of shuffles exceed with any of their hyperparameters; None if the trials are too few.
        shown: the hyperparameters above the limit, the most important first.
        others: the names of those that were searched and are not above it.
    """

    trials: int
    limit: float | None
    shown: list[Important]
    others: list[str]


@dataclass(frozen=True)
class Table:
    """The searched hyperparameters of some trials.

    Attributes:
        names: those of which the trials have more than one value.
        values: of each hyperparameter, in order.
        codes: (trials, names) int64, the position of each trial's value; the most common one where it does not exist.
        exists: (trials, names) bool.
    """

    names: list[str]
    values: list[list[Any]]
    codes: np.ndarray
    exists: np.ndarray

    @classmethod
    def of(cls, points: Sequence[Mapping[str, Any]]) -> "Table":
        names, values, codes, exists = [], [], [], []
        for name in sorted(set().union(*points)):
            has = np.array([name in point for point in points])
            choices = sorted({point[name] for point in points if name in point}, key=_order)
            if len(choices) < 2:
                continue
            found = np.array([choices.index(point[name]) if name in point else -1 for point in points])
            found[~has] = np.bincount(found[has]).argmax()
            names.append(name)
            values.append(choices)
            codes.append(found)
            exists.append(has)
        shape = (len(names), len(points))
        return cls(names, values, np.reshape(codes, shape).T, np.reshape(exists, shape).T)


def importance_of(
    points: Sequence[Mapping[str, Any]],
    scores: np.ndarray,
    direction: str,
    rng: np.random.Generator,
    shuffles: int = SHUFFLES,
) -> Importance:
    """Return the hyperparameters that the scores depend on.

    Args:
        points: the hyperparameters of each trial.
        scores: (trials,) float, which are comparable with each other.
        direction: LARGER or SMALLER: which scores are better.
    """
    table = Table.of(points)
    if len(points) < FEWEST or not table.names:
        return Importance(len(points), None, [], table.names)
    ranks = rankdata(scores)
    ranks = (ranks - ranks.mean()) / max(ranks.std(), 1e-12)  # of equal scores, all ranks are 0
    found = _importances(table, ranks, rng)
    largest = np.sort([_importances(table, rng.permutation(ranks), rng).max() for _ in range(shuffles)])
    limit = float(largest[int(np.ceil((1 - LEVEL) * (shuffles + 1))) - 1])
    places = [place for place in np.argsort(-found, kind="stable") if found[place] > max(limit, 0.0)]
    shown = [Important(table.names[at], float(found[at]), _values(table, at, scores, direction)) for at in places]
    return Importance(len(points), limit, shown, [name for at, name in enumerate(table.names) if at not in places])


def _importances(table: Table, ranks: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return the importance of each hyperparameter, (names,) float64.

    Args:
        ranks: (trials,), with mean 0 and variance 1.
    """
    count, codes = len(ranks), table.codes.astype(np.float32)
    switched = [(at, code) for at, values in enumerate(table.values) for code in range(len(values))]
    # (1 + switched, trials, names): as the trials are, then with one hyperparameter set to one value in all of them.
    inputs = np.repeat(codes[None], 1 + len(switched), axis=0)
    for place, (at, code) in enumerate(switched, 1):
        inputs[place, :, at] = code
    sums, counts = np.zeros(inputs.shape[:2]), np.zeros(count)
    # RandomForestRegressor checks its parameters for every tree, which takes three times as long as fitting it.
    with config_context(skip_parameter_validation=True):
        for seen, seed in zip(rng.integers(0, count, (TREES, count)), rng.integers(0, 2**31, TREES), strict=True):
            tree = DecisionTreeRegressor(min_samples_leaf=LEAF, max_features=TRIED, random_state=int(seed))
            tree.fit(codes[seen], ranks[seen], check_input=False)
            unseen = np.bincount(seen, minlength=count) == 0
            rows = inputs[:, unseen]
            sums[:, unseen] += tree.predict(rows.reshape(-1, rows.shape[2]), check_input=False).reshape(rows.shape[:2])
            counts[unseen] += 1
    errors = (sums / np.maximum(counts, 1) - ranks) ** 2
    growth = np.where(counts > 0, errors[1:] - errors[0], 0.0)
    found = np.zeros(len(table.names))
    for (at, code), more in zip(switched, growth, strict=True):
        has = table.exists[:, at]
        found[at] += (table.codes[has, at] == code).mean() * more[has].mean()
    return found


def _values(table: Table, at: int, scores: np.ndarray, direction: str) -> list[Value]:
    having = [table.exists[:, at] & (table.codes[:, at] == code) for code in range(len(table.values[at]))]
    found = [
        Value(value, int(rows.sum()), float(np.median(scores[rows])))
        for value, rows in zip(table.values[at], having, strict=True)
    ]
    return sorted(found, key=lambda one: one.score, reverse=direction == LARGER)


def _order(value: Any) -> tuple[bool, float, str]:
    """Sort numbers by size, before names."""
    number = isinstance(value, int | float)
    return not number, float(value) if number else 0.0, str(value)
