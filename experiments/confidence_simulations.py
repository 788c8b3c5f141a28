"""Question: do conformal label sets cover 90 %, also where their guarantee is void? How often is chance taken for
miscalibration, for an important hyperparameter, or for a search that has not settled?

Command:  python experiments/confidence_simulations.py --to experiments/confidence_simulations.json
          python experiments/confidence_simulations.py --to part.json --only sets     one of the parts
Data:     none; answers, trials and scores are simulated.
Cost:     about 10 minutes of one core.
Finding:  see experiments/README.md.

- sets: 200 draws of 1,000 judged and 1,000 test reviews: independent ones; linked ones, in units of 1 to about 40;
  answers of the best of 30 candidates on the judged reviews; and five fold models (logistic regressions on 20 numbers),
  whose mean answers the test reviews, beside one model of another 800 reviews that answers both.
- reliability: of perfectly calibrated and of overconfident answers, how often `calibrated` is false.
- importance: of 30 trials whose scores are noise, or depend on one hyperparameter, what is shown. Trials are
  random points, or steps from the best point so far, as those of a greedy tuner are.
- settled: of equal candidates, and of searches whose last third is better, how often `settled` is false.
"""

import argparse
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from selection_simulations import World
from sklearn.linear_model import LogisticRegression

from automm.evaluate.combine import Judged
from automm.evaluate.confidence.calibration import reliability
from automm.evaluate.confidence.conformal import label_sets
from automm.evaluate.confidence.rows import Answered
from automm.evaluate.course.gains import gains_of
from automm.evaluate.course.importance import importance_of
from automm.tasks.base import LARGER
from automm.tasks.registry import TASKS

REVIEWS, CLASSES, CANDIDATES, FOLDS, NUMBERS = 1000, 4, 30, 5, 20
TRIALS = 30  # of a search, for the importance of hyperparameters
SHUFFLES = 19  # instead of 99: five times as fast, the same claims of chance, a little less power
DEPENDENT = 0.5  # the share of linked reviews that share the random number of their label
TASK = TASKS["classification"]


def softmax(scores: np.ndarray) -> np.ndarray:
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def answered(rng: np.random.Generator, units: np.ndarray, targets: np.ndarray, answers: np.ndarray) -> Answered:
    ids = np.array([f"{number:x}" for number in rng.integers(0, 2**62, len(targets))])
    return Answered(ids, targets, units, answers)


def calibrated(rng: np.random.Generator, count: int, sharpness: float, *, linked: bool, power: float = 1.0) -> Answered:
    """Return answers that are perfectly calibrated before their logarithms are multiplied by `power`."""
    sizes = np.ceil(rng.lognormal(1.0, 0.8, count)).astype(int) if linked else np.ones(count, int)
    units = np.repeat(np.arange(count), sizes)[:count]
    scores = sharpness * (0.7 * rng.normal(size=(count, CLASSES))[units] + 0.7 * rng.normal(size=(count, CLASSES)))
    shared = rng.random(count) < DEPENDENT
    uniform = np.where(shared, rng.random(count)[units], rng.random(count))
    targets = (uniform[:, None] > softmax(scores).cumsum(axis=1)[:, :-1]).sum(axis=1)
    return answered(rng, units, targets, softmax(power * scores))


def best_of_many(rng: np.random.Generator, sharpness: float) -> tuple[Answered, Answered]:
    """Return judged and test answers of the candidate with the smallest loss on the judged reviews."""
    both = []
    for _ in range(2):
        scores = sharpness * rng.normal(size=(REVIEWS, CLASSES))
        targets = (scores + rng.gumbel(size=scores.shape)).argmax(axis=1)
        noise = rng.normal(0, 0.5, (CANDIDATES, REVIEWS, CLASSES))
        both.append((targets, [softmax(scores + one) for one in noise]))
    targets, candidates = both[0]
    best = int(np.argmin([TASK.measure(targets, one)["loss"] for one in candidates]))
    judged, test = (answered(rng, np.arange(REVIEWS), targets, many[best]) for targets, many in both)
    return judged, test


def fold_models(rng: np.random.Generator, count: int, *, averaged: bool) -> tuple[Answered, Answered]:
    """Return answers out of fold and their mean's test answers; or answers of one model of other reviews for both."""
    weights = rng.normal(0, 0.5, (NUMBERS, CLASSES))
    inputs = rng.normal(size=(count * 2 + count * (FOLDS - 1) // FOLDS, NUMBERS))
    targets = (inputs @ weights + rng.gumbel(size=(len(inputs), CLASSES))).argmax(axis=1)
    judged, test, other = np.split(np.arange(len(inputs)), [count, 2 * count])

    def fitted(rows: np.ndarray) -> LogisticRegression:
        return LogisticRegression(C=10.0, max_iter=200).fit(inputs[rows], targets[rows])

    if averaged:
        answers, means = np.zeros((count, CLASSES)), np.zeros((count, CLASSES))
        for fold in range(FOLDS):
            inside = judged % FOLDS == fold
            model = fitted(judged[~inside])
            answers[inside] = model.predict_proba(inputs[judged[inside]])
            means += model.predict_proba(inputs[test]) / FOLDS
    else:
        model = fitted(other)
        answers, means = (model.predict_proba(inputs[rows]) for rows in (judged, test))
    units = np.arange(count)
    return answered(rng, units, targets[judged], answers), answered(rng, units, targets[test], means)


def sets(draws: int) -> Iterator[dict[str, Any]]:
    def independent(sharpness: float, linked: bool) -> Callable[[np.random.Generator], tuple[Answered, Answered]]:
        return lambda rng: (
            calibrated(rng, REVIEWS, sharpness, linked=linked),
            calibrated(rng, REVIEWS, sharpness, linked=linked),
        )

    worlds: dict[str, Callable[[np.random.Generator], tuple[Answered, Answered]]] = {
        f"{'linked' if linked else 'independent'}, sharpness {sharpness}": independent(sharpness, linked)
        for linked in (False, True)
        for sharpness in (1.0, 3.0, 8.0)
    }
    worlds["the best of 30"] = lambda rng: best_of_many(rng, 3.0)
    for count in (200, REVIEWS):
        for averaged in (False, True):
            name = "mean of fold models" if averaged else "one model"
            worlds[f"{name}, {count} reviews"] = lambda rng, count=count, averaged=averaged: fold_models(
                rng, count, averaged=averaged
            )
    for name, drawn in worlds.items():
        rng = np.random.default_rng(0)
        found = [label_sets(*drawn(rng), seed, averaged=False) for seed in range(draws)]
        values = np.array([one.coverage.value for one in found])
        yield {
            "world": name,
            "coverage": round(float(values.mean()), 4),
            "deviation between draws": round(float(values.std()), 4),
            "labels": round(float(np.mean([one.labels for one in found])), 2),
            "empty": round(float(np.mean([one.sizes[0] for one in found])), 4),
        }


def reliabilities(draws: int) -> Iterator[dict[str, Any]]:
    for power in (1.0, 1.5, 2.0):
        for linked in (False, True):
            for count in (200, REVIEWS):
                rng = np.random.default_rng(count)
                found = [
                    reliability(calibrated(rng, count, 2.0, linked=linked, power=power), rng) for _ in range(draws)
                ]
                yield {
                    "power": power,
                    "linked": linked,
                    "reviews": count,
                    "called miscalibrated": float(np.mean([not one.calibrated for one in found])),
                    "error": round(float(np.mean([one.error for one in found])), 4),
                    "chance": round(float(np.mean([one.chance for one in found])), 4),
                }


def point(rng: np.random.Generator) -> dict[str, Any]:
    """Draw a point of a space like that of a search, with hyperparameters that depend on others."""
    names = {"operator": 10, "pooling": 7, "width": 3, "layers": 3, "dropout": 3, "rate": 3}
    found = {name: int(rng.integers(count)) for name, count in names.items()}
    dependent = {"heads": found["pooling"] > 4, "rank": 3 < found["operator"] < 7, "label width": found["layers"] > 0}
    return {**found, **{name: int(rng.integers(3)) for name, exists in dependent.items() if exists}}


def trials(
    rng: np.random.Generator, count: int, effect: float, *, greedy: bool
) -> tuple[list[dict[str, Any]], np.ndarray]:
    """Return points and their scores: noise, and an effect on those with one of three poolings."""
    tried, scores = [], list[float]()
    for _ in range(count):
        new = point(rng)
        if greedy and tried and rng.random() < 0.8:
            best, name = tried[int(np.argmax(scores))], str(rng.choice(sorted(new)))
            new = {**best, name: new[name]} if name in best else new
        tried.append(new)
        scores.append(effect * (new["pooling"] > 3) + rng.normal())
    return tried, np.array(scores)


def importances(draws: int) -> Iterator[dict[str, Any]]:
    for greedy in (False, True):
        for effect in (0.0, 1.5):
            rng = np.random.default_rng(0)
            shown = []
            for _ in range(draws):
                tried, scores = trials(rng, TRIALS, effect, greedy=greedy)
                shown.append({one.name for one in importance_of(tried, scores, LARGER, rng, SHUFFLES).shown})
            yield {
                "trials": TRIALS,
                "greedy": greedy,
                "effect in deviations": effect,
                "the one that matters is shown": float(np.mean(["pooling" in one for one in shown])),
                "another is shown": float(np.mean([bool(one - {"pooling"}) for one in shown])),
            }


def settled(draws: int) -> Iterator[dict[str, Any]]:
    for late in (1.2, 1.3, 1.4):
        for count in (12, 45):
            rng = np.random.default_rng(count)
            found = []
            for _ in range(draws):
                world = World.drawn(rng, TASK, 200)
                skills = [1.2] * (10 + count - count // 3) + [late] * (count // 3)
                answers = [world.answers(rng, skill) for skill in skills]
                found.append(gains_of(Judged(TASK, "val_macro_f1", world.targets, world.units, answers), 10, rng))
            yield {
                "trials": count,
                "skill of the last third": late,
                "not settled": float(np.mean([not one.settled for one in found])),
                "gain": round(float(np.mean([one.late.gain for one in found if one.late])), 4),
                "error": round(float(np.mean([one.late.error for one in found if one.late])), 4),
            }


PARTS: dict[str, tuple[Callable[[int], Iterator[dict[str, Any]]], int]] = {
    "sets": (sets, 200),
    "reliability": (reliabilities, 400),
    "importance": (importances, 50),
    "settled": (settled, 100),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--to", type=Path, required=True, help="a JSON file; the parts that it has are kept")
    parser.add_argument("--only", choices=PARTS, nargs="+", default=list(PARTS))
    parser.add_argument("--draws", type=int, help="instead of each part's own number")
    arguments = parser.parse_args()
    result = json.loads(arguments.to.read_text(encoding="utf-8")) if arguments.to.is_file() else {}
    for name in arguments.only:
        part, draws = PARTS[name]
        began = time.process_time()
        rows = []
        for row in part(arguments.draws or draws):
            rows.append(row)
            print(name, json.dumps(row), flush=True)
            seconds = round(time.process_time() - began)
            result[name] = {"draws": arguments.draws or draws, "processor seconds": seconds, "rows": rows}
            arguments.to.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
