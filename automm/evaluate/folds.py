"""What finalists are worth on the cross-validation folds of a manifest: mean and spread over their test parts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

SEARCHED = 1  # the fold that a search searches on


@dataclass
class Measured:
    """What a finalist is worth on the folds.

    Attributes:
        parts: the share of each candidate of tier 1 whose mean was measured; of most, itself alone.
        frozen: some part stands for a candidate whose encoders were trained.
        test: metrics of each fold's test part, by the fold's number.
        failed: why there are none, by the fold's number.
    """

    parts: dict[str, float]
    frozen: bool
    test: dict[int, dict[str, float]] = field(default_factory=dict)
    failed: dict[int, str] = field(default_factory=dict)


def summary(
    measured: Mapping[str, Measured], test: Mapping[str, Mapping[str, float]], recipe: str | None
) -> dict[str, Any]:
    """What result.json says of the folds.

    Args:
        test: of the fold that was searched on, by candidate.
        recipe: the baseline that the first of `measured` is compared with, fold by fold.
    """
    scores: dict[str, Any] = {}
    for name, one in measured.items():
        by_fold = {**({} if one.frozen else {SEARCHED: test[name]}), **one.test}
        by_fold = dict(sorted(by_fold.items()))
        values = {metric: [by_fold[fold][metric] for fold in by_fold] for metric in test[name]} if by_fold else {}
        scores[name] = {
            "parts": one.parts,
            "frozen": one.frozen,
            "folds": list(by_fold),
            "test": values,
            "mean": {metric: float(np.mean(some)) for metric, some in values.items()},
            "deviation": {metric: _deviation(some) for metric, some in values.items()},
            "failed": one.failed,
        }
    result: dict[str, Any] = {"searched": SEARCHED, "scores": scores}
    best = next(iter(scores))
    if recipe is not None and recipe != best:
        result["against_recipe"] = _differences(scores[best], scores[recipe])
    return result


def _differences(best: dict[str, Any], recipe: dict[str, Any]) -> dict[str, dict[str, float | None]]:
    both = [fold for fold in best["folds"] if fold in recipe["folds"]]
    found = {}
    for metric in best["test"] if both else ():
        pair = [[one["test"][metric][one["folds"].index(fold)] for fold in both] for one in (best, recipe)]
        apart = [own - other for own, other in zip(*pair, strict=True)]
        found[metric] = {"mean": float(np.mean(apart)), "deviation": _deviation(apart)}
    return found


def _deviation(values: Sequence[float]) -> float | None:
    return float(np.std(values, ddof=1)) if len(values) > 1 else None
