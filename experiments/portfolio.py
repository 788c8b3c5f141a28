"""Question: which points of the search space are good first proposals on data that they were not chosen on, and which
hyperparameters decide?

Command:  python experiments/portfolio.py MANIFEST... --to experiments/portfolio.json      measures, then chooses
          python experiments/portfolio.py --to experiments/portfolio.json                  chooses from the measurements
          python experiments/portfolio.py --pool --sets NAME... --data DATA --to experiments/pool.json
          python experiments/portfolio.py --explain --to experiments/pool.json
          What the JSON file holds is kept: the same command goes on where it was stopped.
Data:     any manifests; experiments/README.md says which were used and how to write them.
Cost:     see `seconds` in the result, without encoding.
Finding:  see experiments/README.md.

Random points of the full space, the same for every data set, are trained like trials and scored on five folds of train
and validation; the test split is never read. The regret of a point on a data set is its distance to the best of all
points, as a share of the distance from the median to the best. The portfolio is built greedily: each step adds the
point that makes the mean regret of the portfolio's best smallest. Ties, and all points after the best is in, are
decided by the mean regret of the point alone. For an honest estimate, the portfolio of all data sets but one is
measured on the one left out, against as many random points (the exact expectation of their best). Variants of one data
set (`demo`, `demo-300`) are left out together. The data sets of `--shown` (the demo) are measured and never picked on:
the project's examples and tables are made on them, and a portfolio picked on them would make these look better.

The pool (`--pool`) has points of a larger space, POOL: every row of the table that a default space may need. To be
measured in a few hours, a point is trained on three folds of at most 900 reviews. `--explain` prints for each of its
hyperparameters eta squared: the share of the variance of the score over the points of a data set that is between its
choices (one-way; of the points that have it), averaged over the data sets on which it can have an effect. The null is
the same mean after the points' scores are shuffled, in all data sets alike: that a point is good everywhere is kept.
Eta squared of noise grows with the number of choices, so that only the excess over the null ranks. Scores of a few
failed trainings can decide a variance; the same share of the variance of ranks is therefore printed too. `--given`
first subtracts additive effects of other hyperparameters, fitted by least squares on each data set.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Sequence
from math import comb
from pathlib import Path
from typing import Any

import numpy as np

COST = {"seconds": 0.0, "cpu_seconds": 0.0}
FIRST = 5  # points of a portfolio, compared with as many random points

POOL_ENCODERS = {"text": ("minilm-l6", "me5-small"), "image": ("efficientnet-lite0",)}
# The measured pool also had mixup, auxiliary heads and gradient modulation, which were removed after it.
POOL: dict[str, list[Any]] = {
    "text.readout": ["mean", "cls_mean"],
    "text.layer": ["last", "last_and_two_thirds"],
    "words.width": [0, 16],
    "image.readout": ["average", "gem"],
    "image.stage": ["last", "last_and_two_thirds"],
    "training.schedule": ["constant", "cosine"],
    "training.weight_decay": [0.0, 0.3, 3.0],
    "training.class_weights": ["none", "square_root", "inverse"],
    "training.focal_gamma": [0.0, 2.0],
    "training.label_smoothing": [0.0, 0.1],
    "training.modality_dropout": [0.0, 0.25],
}
POOL_SETTINGS = (
    "evaluation={folds: 3}",
    *(f"encoders.{modality}=[{', '.join(names)}]" for modality, names in POOL_ENCODERS.items()),
    *(f"space.{name}={json.dumps(choices)}" for name, choices in POOL.items()),
)
POOL_REVIEWS = 900
ENOUGH = 40  # measured points of a data set that is explained
SHUFFLES = 2_000
# How many pictures a review of the data set needs, at most, for a hyperparameter to have an effect.
PICTURES = {"image/pooling": 2, "image/heads": 2}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("manifests", type=Path, nargs="*")
    parser.add_argument("--to", type=Path, required=True, help="a JSON file; what it holds already is kept")
    parser.add_argument("--points", type=int, default=28)
    parser.add_argument("--size", type=int, default=10, help="of the portfolio")
    parser.add_argument("--max-images", type=int, default=4)
    parser.add_argument("--name", help="of the data set in the result, where the manifest's would not do")
    parser.add_argument("--objective", default="macro_f1", choices=["macro_f1", "accuracy"])
    parser.add_argument("--shown", nargs="*", default=["demo"], help="data sets that are not picked on")
    parser.add_argument("--pool", action="store_true", help="measure points of the space POOL")
    parser.add_argument("--sets", nargs="*", default=[], help="data sets of encoder_data.py, beside the manifests")
    parser.add_argument("--data", type=Path, help="the folder with these data sets")
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()) / "automm-pool")
    parser.add_argument("--also", type=Path, nargs="*", default=[], help="results of the same points, joined with --to")
    parser.add_argument("--explain", action="store_true", help="print which hyperparameters decide; measure nothing")
    parser.add_argument("--given", nargs="*", default=[], help="hyperparameters whose effects are subtracted first")
    arguments = parser.parse_args()
    result: dict[str, Any] = {"data": {}}
    if arguments.to.is_file():
        result = json.loads(arguments.to.read_text(encoding="utf-8"))
    for path in arguments.also:
        other = json.loads(path.read_text(encoding="utf-8"))
        shorter, longer = sorted((result.setdefault("points", other["points"]), other["points"]), key=len)
        if longer[: len(shorter)] != shorter:
            raise SystemExit(f"{path} has other points")
        result["points"] = longer
        result["data"] |= other["data"]
    if arguments.explain:
        print_explained(result, arguments)
        return
    result.setdefault("points", random_points(arguments.points, arguments.pool))
    for path in [*arguments.manifests, *written(arguments)]:
        if not path.is_file():
            raise SystemExit(f"skipped: {path} is not there; experiments/README.md says how to write it")
        measure(path, result, arguments)
    picked_on = [name for name in complete(result) if family(name) not in arguments.shown]
    if not picked_on or len(result["points"]) < max(FIRST, arguments.size):
        return
    result["picked_on"] = picked_on
    result["left_out"] = leave_one_out(result, picked_on, arguments.objective)
    order = pick(scores_of(result, picked_on, arguments.objective), arguments.size)
    result["portfolio"] = [result["points"][place] for place in order]
    write(arguments.to, result)
    print_tables(result)


def written(arguments: argparse.Namespace) -> list[Path]:
    """Return the manifests of the data sets of `--sets`, written now."""
    if not arguments.sets:
        return []
    from encoder_data import write_manifest

    return [write_manifest(name, arguments.data, arguments.work) for name in arguments.sets]


def random_points(count: int, pool: bool) -> list[dict[str, Any]]:
    """Draw distinct points uniformly from the full space, or from that of the pool."""
    from automm.search.space.table import draw
    from automm.search.space.validation import narrow

    space = narrow(POOL, encoders=POOL_ENCODERS) if pool else narrow({})
    rng, points = np.random.default_rng(1), []
    while len(points) < count:
        point = draw(space, rng)
        if point not in points:
            points.append(point)
    return points


def measure(path: Path, result: dict[str, Any], arguments: argparse.Namespace) -> None:
    """Train every point without figures on one data set; save each figure at once."""
    from automm.models.baselines import fused
    from automm.search.candidates.head import Head
    from automm.search.session import Search
    from automm.search.setup.data import encoder_sources, load, prepare
    from automm.search.space.table import DEFAULTS
    from automm.tracking.run_folder import create_run

    experiment, pictures = experiment_of(path, arguments)
    loaded = load(experiment)
    task = prepare(experiment, loaded, encoder_sources(experiment, loaded))
    rows = {name: len(rows) for name, rows in task.splits.items()}
    name = arguments.name or task.dataset.manifest.name
    data = result["data"].setdefault(name, {"rows": rows, "pictures": pictures, "validation": []} | COST)
    with tempfile.TemporaryDirectory() as folder:
        search = Search(task, create_run(Path(folder), "portfolio", "0" * 6), Silent(), Silent(), None)
        for number in range(len(data["validation"]), len(result["points"])):
            point = {**DEFAULTS, **result["points"][number]}  # points may be from before a hyperparameter existed
            head = Head(f"point-{number:03d}", "trial", point, build=lambda p=point: fused(task.shapes, p))
            began = time.process_time()
            candidate = search.runner.run(head)
            failed = {"macro_f1": 0.0, "accuracy": 0.0, "error": candidate.error} if candidate.error else {}
            data["validation"].append({**candidate.validation, "epochs": len(candidate.history), **failed})
            spent = {"seconds": candidate.seconds, "cpu_seconds": time.process_time() - began}
            data |= {of: round(data.get(of, 0.0) + spent[of], 1) for of in COST}
            write(arguments.to, result)
            print(
                f"{name} {number + 1} of {len(result['points'])}: "
                f"{data['validation'][-1][arguments.objective]:.3f}  {spent['seconds']:.1f} s, "
                f"{spent['cpu_seconds']:.1f} s of the processor {candidate.error or ''}",
                flush=True,
            )


def experiment_of(path: Path, arguments: argparse.Namespace) -> tuple[Any, int]:
    """Return the experiment of a manifest, and the most pictures that it reads of a review."""
    from automm.config.experiment import load_experiment
    from automm.search.setup.data import load

    if not arguments.pool:
        return load_experiment(path, [f"inputs.max_images={arguments.max_images}", "evaluation={folds: 5}"]), (
            arguments.max_images
        )
    reviews = load(load_experiment(path, POOL_SETTINGS)).dataset.reviews
    pictures = min(arguments.max_images, max(len(review.images) for review in reviews))
    share = [f"subsample={POOL_REVIEWS / len(reviews):.4f}"] if len(reviews) > POOL_REVIEWS else []
    return load_experiment(path, [*POOL_SETTINGS, *share, f"inputs.max_images={max(1, pictures)}"]), pictures


class Silent:
    """A tracker and a reporter that do nothing."""

    def __getattr__(self, name: str) -> Any:
        return lambda *anything, **more: None


def complete(result: dict[str, Any]) -> list[str]:
    """Return the data sets on which every point has been measured."""
    return [name for name, data in result["data"].items() if len(data["validation"]) == len(result["points"])]


def family(name: str) -> str:
    """Return the data set of which a measured one is a variant: "demo" of "demo-300"."""
    return name.split("-")[0]


def scores_of(result: dict[str, Any], names: list[str], objective: str) -> np.ndarray:
    """Return the scores as (data sets, points)."""
    return np.array([[point[objective] for point in result["data"][name]["validation"]] for name in names])


def regrets(scores: np.ndarray) -> np.ndarray:
    """Return the regrets as (data sets, points): 0 for the best, 1 for the median."""
    best, median = scores.max(axis=1, keepdims=True), np.median(scores, axis=1, keepdims=True)
    return (best - scores) / np.maximum(best - median, 1e-9)


def pick(scores: np.ndarray, size: int) -> list[int]:
    """Return the portfolio of a (data sets, points) matrix, in order."""
    regret, chosen = regrets(scores), []
    best_so_far = np.full(len(scores), np.inf)
    for _ in range(size):
        left = [place for place in range(scores.shape[1]) if place not in chosen]
        keys = [
            (round(float(np.minimum(best_so_far, regret[:, place]).mean()), 6), float(regret[:, place].mean()), place)
            for place in left
        ]
        place = min(keys)[2]
        chosen.append(place)
        best_so_far = np.minimum(best_so_far, regret[:, place])
    return chosen


def expected_best(scores: np.ndarray, count: int) -> float:
    """Return the expectation of the best of `count` points drawn without replacement."""
    ordered = np.sort(scores)
    chances = [comb(place, count - 1) / comb(len(ordered), count) for place in range(len(ordered))]
    return float(np.dot(ordered, chances))


def leave_one_out(result: dict[str, Any], picked_on: list[str], objective: str) -> dict[str, Any]:
    """Return the scores on each data set of the first points of the portfolio of the others in `picked_on`."""
    answer: dict[str, Any] = {}
    for name in complete(result):
        others = [other for other in picked_on if family(other) != family(name)]
        if not others:
            continue
        first = pick(scores_of(result, others, objective), FIRST)
        own = scores_of(result, [name], objective)[0]
        rng = np.random.default_rng(1)
        draws = [own[rng.choice(len(own), FIRST, replace=False)].max() for _ in range(10_000)]
        answer[name] = {
            "portfolio": float(own[first].max()),
            "random": expected_best(own, FIRST),
            "random_is_worse": float(np.mean(np.array(draws) < own[first].max())),
            "first_alone": float(own[first[0]]),
            "mean": float(own.mean()),
            "best": float(own.max()),
        }
    return answer


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


def print_explained(result: dict[str, Any], arguments: argparse.Namespace) -> None:
    rows = explain(result, arguments.objective, arguments.given)
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


def write(path: Path, result: dict[str, Any]) -> None:
    path.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


def print_tables(result: dict[str, Any]) -> None:
    heads = (
        "left out",
        f"{FIRST} of the others' portfolio",
        f"{FIRST} random points, expected",
        "draws that are worse",
    )
    print(
        "\n| " + " | ".join([*heads, "the first alone", "one random point", "best of all"]) + " |\n" + "|---" * 7 + "|"
    )
    for name, row in result["left_out"].items():
        print(
            f"| {name} | {row['portfolio']:.3f} | {row['random']:.3f} | {row['random_is_worse']:.2f} | "
            f"{row['first_alone']:.3f} | {row['mean']:.3f} | {row['best']:.3f} |"
        )
    print()
    for point in result["portfolio"]:
        print(json.dumps(point))


if __name__ == "__main__":
    main()
