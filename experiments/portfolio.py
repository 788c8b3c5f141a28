"""Question: which points of the search space are good first proposals on data that they were not chosen on?

Command:  python experiments/portfolio.py MANIFEST... --to experiments/portfolio.json      measures, then chooses
          python experiments/portfolio.py --to experiments/portfolio.json                  chooses from the measurements
          python experiments/portfolio.py --pool --sets NAME... --data DATA --to experiments/pool.json
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

Points of a larger space than the default one are projected onto it: those whose choices are searched by default are
picked from, and `--given` subtracts the effects of hyperparameters that are not varied by default, or that are chosen
elsewhere (encoders), fitted by least squares on each data set.

The pool (`--pool`) has points of a larger space, POOL: every row of the table that a default space may need. To be
measured in a few hours, a point is trained on three folds of at most 900 reviews. `explain_pool.py` tells which of its
hyperparameters decide.
"""

import argparse
import json
import tempfile
import time
from math import comb
from pathlib import Path
from typing import Any

import numpy as np
from explain_pool import residuals

COST = {"seconds": 0.0, "cpu_seconds": 0.0}
FIRST = 5  # points of a portfolio, compared with as many random points

POOL_ENCODERS = {"text": ("minilm-l6", "me5-small"), "image": ("efficientnet-lite0",)}
# The measured pool also had mixup, auxiliary heads and gradient modulation, which were removed after it.
POOL: dict[str, list[Any]] = {
    "fusion.operator": [
        *("concatenation", "sum", "product", "bilinear", "low_rank_bilinear"),
        *("mutan", "mfb", "gated_unit", "film", "late"),
    ],
    "fusion.width": [64, 128, 256],
    "fusion.rank": [4, 8, 16],
    "image.pooling": [
        *("first", "mean", "max", "sum_of_sets", "gated_attention", "text_attention", "set_transformer"),
    ],
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
    parser.add_argument("--given", nargs="*", default=[], help="hyperparameters whose effects are subtracted first")
    parser.add_argument("--sets", nargs="*", default=[], help="data sets of encoder_data.py, beside the manifests")
    parser.add_argument("--data", type=Path, help="the folder with these data sets")
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()) / "automm-pool")
    arguments = parser.parse_args()
    result: dict[str, Any] = {"data": {}}
    if arguments.to.is_file():
        result = json.loads(arguments.to.read_text(encoding="utf-8"))
    result.setdefault("points", random_points(arguments.points, arguments.pool))
    for path in [*arguments.manifests, *written(arguments)]:
        if not path.is_file():
            raise SystemExit(f"skipped: {path} is not there; experiments/README.md says how to write it")
        measure(path, result, arguments)
    picked_on = [name for name in complete(result) if family(name) not in arguments.shown]
    eligible = eligible_points(result)
    if not picked_on or len(eligible) < max(FIRST, arguments.size):
        return
    scores = dict(zip(complete(result), scores_of(result, arguments.objective, arguments.given), strict=True))
    scores = {name: row[list(eligible)] for name, row in scores.items()}
    result |= {"picked_on": picked_on, "given": arguments.given, "left_out": leave_one_out(scores, picked_on)}
    order = pick(np.stack([scores[name] for name in picked_on]), arguments.size)
    result["portfolio"] = [list(eligible.values())[place] for place in order]
    write(arguments.to, result)
    print_tables(result, len(eligible))


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


def scores_of(result: dict[str, Any], objective: str, given: list[str]) -> np.ndarray:
    """Return the scores as (complete data sets, points), without the effects of some hyperparameters."""
    scores = np.array([[of[objective] for of in result["data"][name]["validation"]] for name in complete(result)])
    if not given:
        return scores
    columns = [[point.get(name) for point in result["points"]] for name in given]
    return scores.mean(axis=1, keepdims=True) + residuals(columns, scores)


def eligible_points(result: dict[str, Any]) -> dict[int, dict[str, Any]]:
    """Return the points that never failed and whose choices are searched by default, without what is not varied."""
    from automm.search.space.validation import full_space

    space = full_space()
    varied = [name for name, choices in space.items() if len(choices) > 1]
    failed = {
        at for name in complete(result) for at, of in enumerate(result["data"][name]["validation"]) if "error" in of
    }
    eligible: dict[int, dict[str, Any]] = {}
    for place, point in enumerate(result["points"]):
        own = {name: point[name] for name in varied if name in point}
        if place not in failed and all(value in space[name] for name, value in own.items()):
            eligible[place] = own
    return eligible


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


def leave_one_out(scores: dict[str, np.ndarray], picked_on: list[str]) -> dict[str, Any]:
    """Return the scores on each data set of the first points of the portfolio of the others in `picked_on`.

    Args:
        scores: (points,) of each data set.
    """
    answer: dict[str, Any] = {}
    for name, own in scores.items():
        others = [other for other in picked_on if family(other) != family(name)]
        if not others:
            continue
        first = pick(np.stack([scores[other] for other in others]), FIRST)
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


def write(path: Path, result: dict[str, Any]) -> None:
    path.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


def print_tables(result: dict[str, Any], points: int) -> None:
    heads = (
        "left out",
        f"{FIRST} of the others' portfolio",
        f"{FIRST} random points, expected",
        "draws that are worse",
    )
    print(
        "\n| "
        + " | ".join([*heads, "the first alone", "one random point", f"best of {points}"])
        + " |\n"
        + "|---" * 7
        + "|"
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
