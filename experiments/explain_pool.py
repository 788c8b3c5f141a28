"""Question: which hyperparameters decide? Of the pool of points that `portfolio.py --pool` measured.

Command:  python experiments/explain_pool.py experiments/pool.json
          python experiments/explain_pool.py experiments/pool.json --given text/encoder fusion/operator
Data:     the results of `portfolio.py --pool`; several files of the same points are joined.
Cost:     seconds.
Finding:  see experiments/README.md.

For each hyperparameter it prints eta squared: the share of the variance of the score over the points of a data set that
is between its choices (one-way; of the points that have it), averaged over the data sets on which it can have an
effect. The null is the same mean after the points' scores are shuffled, in all data sets alike: that a point is good
everywhere is kept. Eta squared of noise grows with the number of choices, so that only the excess over the null ranks.
Scores of a few failed trainings can decide a variance; the same share of the variance of ranks is therefore printed
too. `--given` first subtracts additive effects of other hyperparameters, fitted by least squares on each data set.
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

ENOUGH = 40  # measured points of a data set that is explained
SHUFFLES = 2_000
# How many pictures a review of the data set needs, at most, for a hyperparameter to have an effect.
PICTURES = {"image/pooling": 2, "image/heads": 2}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("results", type=Path, nargs="+")
    parser.add_argument("--given", nargs="*", default=[], help="hyperparameters whose effects are subtracted first")
    parser.add_argument("--objective", default="macro_f1", choices=["macro_f1", "accuracy"])
    arguments = parser.parse_args()
    result = joined(arguments.results)
    print_explained(result, explain(result, arguments.objective, arguments.given))


def joined(paths: Sequence[Path]) -> dict[str, Any]:
    """Return one result of several whose points are the same, as far as they go."""
    result: dict[str, Any] = {"points": [], "data": {}}
    for path in paths:
        other = json.loads(path.read_text(encoding="utf-8"))
        shorter, longer = sorted((result["points"], other["points"]), key=len)
        if longer[: len(shorter)] != shorter:
            raise SystemExit(f"{path} has other points")
        result = {"points": longer, "data": result["data"] | other["data"]}
    return result


def explained(choices: Sequence[Any], scores: np.ndarray) -> np.ndarray:
    """Return eta squared of a hyperparameter on each data set, (data sets,): the share of the variance of scores that
    is between its choices. 0 where the scores are all equal.

    Args:
        choices: of each point; None where a point does not have the hyperparameter: it is left out.
        scores: (data sets, points).
    """
    here = np.array([choice is not None for choice in choices])
    scores, codes = scores[:, here], codes_of([choice for choice in choices if choice is not None])
    members = np.eye(codes.max() + 1)[codes]
    centred = scores - scores.mean(axis=1, keepdims=True)
    between = ((centred @ members) ** 2 / members.sum(axis=0)).sum(axis=1)
    total = (centred**2).sum(axis=1)
    return np.divide(between, total, out=np.zeros(len(scores)), where=total > 0)


def codes_of(choices: Sequence[Any]) -> np.ndarray:
    """Return the number of each choice among the different ones, in order of their first appearance."""
    different = list(dict.fromkeys(choices))
    return np.array([different.index(choice) for choice in choices])


def residuals(given: Sequence[Sequence[Any]], scores: np.ndarray) -> np.ndarray:
    """Return (data sets, points): scores without the additive effects of some hyperparameters on each data set.

    Args:
        given: the choices of each hyperparameter, as in `explained`; None counts as a choice.
    """
    design = np.hstack([np.ones((scores.shape[1], 1)), *(np.eye(len(set(row)))[codes_of(row)] for row in given)])
    return scores - (design @ np.linalg.lstsq(design, scores.T, rcond=None)[0]).T


def with_null(choices: Sequence[Any], scores: np.ndarray) -> dict[str, float]:
    """Return the mean eta squared over data sets, and that of shuffled points: median, 95 % quantile, p."""
    share, rng = float(explained(choices, scores).mean()), np.random.default_rng(1)
    null = np.array([explained(choices, scores[:, rng.permutation(scores.shape[1])]).mean() for _ in range(SHUFFLES)])
    p = (1 + np.sum(null >= share - 1e-12)) / (1 + SHUFFLES)
    return {"share": share, "median": float(np.median(null)), "q95": float(np.quantile(null, 0.95)), "p": float(p)}


def explainable(result: dict[str, Any]) -> list[str]:
    """Return the data sets on which ENOUGH points have been measured."""
    return [name for name, data in result["data"].items() if len(data["validation"]) >= ENOUGH]


def explain(result: dict[str, Any], objective: str, given: Sequence[str] = ()) -> list[dict[str, Any]]:
    """Return the hyperparameters that vary, those with the largest excess over the null first.

    The points are those that are measured on all data sets of `explainable`, and failed on none.
    """
    data = {name: result["data"][name] for name in explainable(result)}
    every = range(min(len(of["validation"]) for of in data.values()))
    kept = [at for at in every if not any("error" in of["validation"][at] for of in data.values())]
    points = [result["points"][at] for at in kept]
    scores = np.array([[of["validation"][at][objective] for at in kept] for of in data.values()])
    ranks = scores.argsort(axis=1).argsort(axis=1).astype(float)
    if given:
        columns = [[point.get(name) for point in points] for name in given]
        scores, ranks = residuals(columns, scores), residuals(columns, ranks)
    found = []
    for name in dict.fromkeys(name for point in points for name in point):
        choices = [point.get(name) for point in points]
        different = sorted({choice for choice in choices if choice is not None}, key=str)
        needed = PICTURES.get(name, int(name.startswith("image/")))
        sets = [place for place, of in enumerate(data.values()) if of["pictures"] >= needed]
        if len(different) < 2 or not sets or name in given:
            continue
        here = [place for place, choice in enumerate(choices) if choice is not None]
        middle = scores[np.ix_(sets, here)].mean(axis=1)
        effects = {}
        for choice in different:
            own = [place for place in here if choices[place] == choice]
            effects[str(choice)] = float((scores[np.ix_(sets, own)].mean(axis=1) - middle).mean())
        found.append(
            {"name": name, "points": len(here), "sets": len(sets), **with_null(choices, scores[sets])}
            | {"of_ranks": with_null(choices, ranks[sets]), "effects": effects}
            | {"by_set": dict(zip(data, map(float, explained(choices, scores)), strict=True))}
        )
    return sorted(found, key=lambda row: row["median"] - row["share"])


def print_explained(result: dict[str, Any], rows: list[dict[str, Any]]) -> None:
    heads = ["hyperparameter", "points", "data sets", "variance explained", "null: median (95 %)", "p"]
    heads += ["of ranks", "null: median (95 %)", "p", *explainable(result), "mean of each choice minus mean of all"]
    print("| " + " | ".join(heads) + " |\n" + "|---" * len(heads) + "|")
    for row in rows:
        cells = [row["name"], str(row["points"]), str(row["sets"])]
        for found in (row, row["of_ranks"]):
            cells += [f"{found['share']:.3f}", f"{found['median']:.3f} ({found['q95']:.3f})", f"{found['p']:.4f}"]
        cells += [f"{share:.2f}" for share in row["by_set"].values()]
        best_first = sorted(row["effects"].items(), key=lambda effect: -effect[1])
        print("| " + " | ".join([*cells, ", ".join(f"{name} {effect:+.3f}" for name, effect in best_first)]) + " |")


if __name__ == "__main__":
    main()
