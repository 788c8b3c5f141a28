"""What a tracker is told of a run's result.json, when it is made or from the disk later."""

from collections.abc import Mapping
from typing import Any


def summary_of(result: Mapping[str, Any]) -> dict[str, Any]:
    """Of the whole run: the best candidate's name and figures, {"best": ..., "test/macro_f1": ...}; {} of no result."""
    if not result:
        return {}
    best = result["best"]
    told: dict[str, Any] = {"best": best}
    if result.get("selection"):
        told |= {f"selection/{key}": result["selection"][key] for key in ("score", "corrected")}
    told |= {f"test/{name}": value for name, value in result["test"][best].items()}
    told |= {name: by_step[0] for name, by_step in fold_curves(result, best).items() if 0 in by_step}
    return told


def missing_curves(result: Mapping[str, Any], name: str) -> dict[str, dict[int, float]]:
    """What result.json says of a candidate where reviews lose a modality: {"missing_text/loss": {percent: loss}}."""
    missing = result.get("missing", {})
    return {
        f"missing_{modality}/{metric}": dict(zip(missing["percent"], values, strict=True))
        for modality, metrics in missing.get("scores", {}).get(name, {}).items()
        for metric, values in metrics.items()
    }


def fold_curves(result: Mapping[str, Any], name: str) -> dict[str, dict[int, float]]:
    """The same of a candidate that was measured on folds: {"folds/loss": {fold: loss}, "folds/loss_mean": {0: mean}}.

    The spread is `folds/loss_deviation`.
    """
    scores = result.get("folds", {}).get("scores", {}).get(name)
    if scores is None:
        return {}
    curves = {
        f"folds/{metric}": dict(zip(scores["folds"], values, strict=True)) for metric, values in scores["test"].items()
    }
    for what in ("mean", "deviation"):
        curves |= {f"folds/{metric}_{what}": {0: value} for metric, value in scores[what].items() if value is not None}
    return curves
