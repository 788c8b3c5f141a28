"""Summarise the scores of finalists on the cross-validation folds of a manifest: mean and standard deviation."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

SEARCHED = 1  # the fold that a search uses


@dataclass
class FoldScores:
    """The scores of a finalist on the folds.

    Attributes:
        parts: the tier-1 candidates that were trained, with the share of each in an ensemble; most finalists have one,
            themselves.
        frozen: whether a part with frozen encoders replaces a candidate whose encoders were trained.
        test: metrics on each fold's test part, by the fold's number.
        failed: why a fold has no metrics, by the fold's number.
    """

    parts: dict[str, float]
    frozen: bool
    test: dict[int, dict[str, float]] = field(default_factory=dict)
    failed: dict[int, str] = field(default_factory=dict)


def summary(
    measured: Mapping[str, FoldScores], test: Mapping[str, Mapping[str, float]], recipe: str | None
) -> dict[str, Any]:
    """Return the entry "folds" of result.json.

    Args:
        measured: by finalist, the best first.
        test: metrics on the fold that the search used, by candidate.
        recipe: the baseline that the best finalist is compared with, fold by fold.
    """
    scores: dict[str, Any] = {}
    for name, finalist in measured.items():
        by_fold = {**({} if finalist.frozen else {SEARCHED: test[name]}), **finalist.test}
        by_fold = dict(sorted(by_fold.items()))
        values = {metric: [by_fold[fold][metric] for fold in by_fold] for metric in test[name]} if by_fold else {}
        scores[name] = {
            "parts": finalist.parts,
            "frozen": finalist.frozen,
            "folds": list(by_fold),
            "test": values,
            "mean": {metric: float(np.mean(scored)) for metric, scored in values.items()},
            "deviation": {metric: _deviation(scored) for metric, scored in values.items()},
            "failed": finalist.failed,
        }
    result: dict[str, Any] = {"searched": SEARCHED, "scores": scores}
    best = next(iter(scores))
    if recipe is not None and recipe != best:
        result["against_recipe"] = _differences(scores[best], scores[recipe])
    return result


def _differences(best: dict[str, Any], recipe: dict[str, Any]) -> dict[str, dict[str, float | None]]:
    common = [fold for fold in best["folds"] if fold in recipe["folds"]]
    differences = {}
    for metric in best["test"] if common else ():
        pair = [[scores["test"][metric][scores["folds"].index(fold)] for fold in common] for scores in (best, recipe)]
        by_fold = [own - other for own, other in zip(*pair, strict=True)]
        differences[metric] = {"mean": float(np.mean(by_fold)), "deviation": _deviation(by_fold)}
    return differences


def _deviation(values: Sequence[float]) -> float | None:
    return float(np.std(values, ddof=1)) if len(values) > 1 else None
