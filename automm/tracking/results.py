"""Select what a tracker records from a run's result.json."""

from collections.abc import Mapping
from typing import Any


def summary_of(result: Mapping[str, Any]) -> dict[str, Any]:
    """Return the best candidate's name and scores, and what the search has not shown; {} if there is no result.

    For example {"best": ..., "test/macro_f1": ..., "verdict": "fold 2 differs ..."}.
    """
    if not result:
        return {}
    best = result["best"]
    summary: dict[str, Any] = {"best": best}
    if result.get("selection"):
        summary |= {f"selection/{key}": result["selection"][key] for key in ("score", "corrected")}
    if result.get("verdict"):
        summary["verdict"] = ". ".join(result["verdict"])
    summary |= {f"seeds/{name}_spread": seeds["spread"] for name, seeds in result.get("seeds", {}).items()}
    summary |= {f"test/{name}": value for name, value in result["test"][best].items()}
    summary |= {name: by_step[0] for name, by_step in fold_curves(result, best).items() if 0 in by_step}
    return summary


def missing_curves(result: Mapping[str, Any], name: str) -> dict[str, dict[int, float]]:
    """Return a candidate's scores while reviews lose a modality: {"missing_text/loss": {percent: loss}}."""
    missing = result.get("missing", {})
    return {
        f"missing_{modality}/{metric}": dict(zip(missing["percent"], values, strict=True))
        for modality, metrics in missing.get("scores", {}).get(name, {}).items()
        for metric, values in metrics.items()
    }


def fold_curves(result: Mapping[str, Any], name: str) -> dict[str, dict[int, float]]:
    """Return a candidate's scores on folds: {"folds/loss": {fold: loss}, "folds/loss_mean": {0: mean}}.

    The standard deviation is "folds/loss_deviation". {} if the candidate was not scored on folds.
    """
    scores = result.get("folds", {}).get("scores", {}).get(name)
    if scores is None:
        return {}
    curves = {
        f"folds/{metric}": dict(zip(scores["folds"], values, strict=True)) for metric, values in scores["test"].items()
    }
    for key in ("mean", "deviation"):
        curves |= {f"folds/{metric}_{key}": {0: value} for metric, value in scores[key].items() if value is not None}
    return curves
