"""Question: do the intervals of what a modality is worth cover, how often does noise "help", and do learning curves
say what more reviews add?

Command:  python experiments/evidence_simulations.py --to experiments/evidence_simulations.json
          python experiments/evidence_simulations.py --to part.json --only noise     one of the three parts
Data:     none; answers and features are simulated.
Cost:     about three minutes of one core.
Finding:  see experiments/README.md.

Three parts:

- gains: answers of five recipes with two seeds each, for 80 units of 1 to 15 reviews. Seeds change a
  score by nothing, by about 1.2 or by about 2.5 points. How often the 95 % interval of a difference covers, with and
  without the variance of the seeds, and the verdicts about a true gain of 0 and of about 3 points.
- noise: networks with a hidden layer are trained on features of texts, and of pictures that are noise or as good as
  the texts; 5 folds, two seeds, 120 units. How often each verdict about the pictures is given.
- curves: power laws with noise at four shares and two seeds, and flat curves.
"""

import argparse
import json
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier

from automm.evaluate.evidence.learning import MOST, fit_power_law, more_data, shares_of
from automm.evaluate.evidence.rows import other_rows
from automm.evaluate.evidence.worth import Scored, gain, scored, seed_variance, smallest_gain, worth
from automm.tasks.registry import TASKS

TASK = TASKS["classification"]
METRIC = TASK.metrics["macro_f1"]
CLASSES, SEEDS, RECIPES = 3, 2, 5
UNITS, WIDTH, FOLDS = 80, 10, 5
MARGIN = smallest_gain(TASK, "macro_f1", np.zeros(1, np.int64), CLASSES)


def answered(rng: np.random.Generator, targets: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Return answers of which some are right, (n, CLASSES)."""
    wrong = (targets + rng.integers(1, CLASSES, len(targets))) % CLASSES
    return np.asarray(np.eye(CLASSES, dtype=np.float32)[np.where(right, targets, wrong)])


def gains(draws: int) -> Iterator[dict[str, Any]]:
    for spread in (0.0, 0.05, 0.1):
        for advantage in (0.0, 0.11):
            yield _gains(draws, spread, advantage)


def _gains(draws: int, spread: float, advantage: float) -> dict[str, Any]:
    rng, count = np.random.default_rng(1), UNITS
    found, plain, verdicts = [], [], Counter[str]()
    for _ in range(draws):
        units = np.repeat(np.arange(count), rng.integers(1, 16, count))
        targets = rng.integers(0, CLASSES, len(units))
        shared = 0.6 + rng.normal(0, 0.4, count)[units] + rng.normal(0, 1.2, len(units))
        recipes: list[list[Scored]] = []
        for recipe in range(RECIPES):
            skill = shared + (advantage if recipe == 0 else 0.0)
            trainings = [skill + rng.normal(0, spread) + rng.normal(0, 0.6, len(units)) for _ in range(SEEDS)]
            answers = [answered(rng, targets, training > 0) for training in trainings]
            recipes.append([scored(TASK, "macro_f1", targets, given, units) for given in answers])
        variance = seed_variance(recipes)
        without, shuffled = (gain(recipes[0], other, METRIC.direction, variance) for other in recipes[1:3])
        found.append((without.difference, without.low, without.high))
        alone = gain(recipes[0], recipes[1], METRIC.direction)
        plain.append((alone.difference, alone.low, alone.high))
        verdicts[worth(without, shuffled, METRIC, MARGIN, len(units), "it").verdict] += 1
    truth = float(np.mean([one[0] for one in found])) if advantage else 0.0
    return {
        "seeds differ": spread,
        "true gain": round(truth, 4),
        "coverage": float(np.mean([low <= truth <= high for _, low, high in found])),
        "coverage without seeds": float(np.mean([low <= truth <= high for _, low, high in plain])),
        "verdicts": {name: times / draws for name, times in verdicts.items()},
    }


def noise(draws: int) -> Iterator[dict[str, Any]]:
    warnings.simplefilter("ignore", ConvergenceWarning)  # all networks are trained for as many epochs
    for helpful in (0.0, 0.8):
        rng, verdicts = np.random.default_rng(2), Counter[str]()
        for _ in range(draws):
            verdicts[_pictures(rng, helpful)] += 1
        yield {"pictures": helpful, "draws": draws, "verdicts": dict(verdicts)}


def _pictures(rng: np.random.Generator, helpful: float) -> str:
    """Return the verdict about pictures whose features have `helpful` times the signal of the texts'."""
    count = 120
    units = np.repeat(np.arange(count), np.ceil(rng.lognormal(1.0, 0.8, count)).astype(int))
    targets, folds = rng.integers(0, CLASSES, len(units)), rng.permutation(count)[units] % FOLDS
    centres = rng.normal(0, 0.4, (2, CLASSES, WIDTH)) * np.array([1.0, helpful])[:, None, None]
    text, pictures = (centre[targets] + rng.normal(0, 1, (len(units), WIDTH)) for centre in centres)

    def scores(pictures_of: Callable[[int], np.ndarray]) -> list[Scored]:
        trainings = []
        for seed in range(SEEDS):
            features, answers = np.hstack([text, pictures_of(seed)]), np.zeros((len(units), CLASSES), np.float32)
            for fold in range(FOLDS):
                learn, judge = folds != fold, folds == fold
                model = MLPClassifier((32,), batch_size=32, max_iter=15, random_state=seed, n_iter_no_change=1000)
                answers[judge] = model.fit(features[learn], targets[learn]).predict_proba(features[judge])
            trainings.append(scored(TASK, "macro_f1", targets, answers, units))
        return trainings

    def shuffled(seed: int) -> np.ndarray:
        donors = np.arange(len(units))
        for fold in range(FOLDS):
            rows = np.flatnonzero(folds == fold)
            donors[rows] = other_rows(rows, units, np.random.default_rng(seed))
        return np.asarray(pictures[donors])

    recipes = [scores(lambda seed: pictures), scores(lambda seed: np.zeros_like(pictures)), scores(shuffled)]
    variance = seed_variance(recipes)
    without, other = (gain(recipes[0], recipe, METRIC.direction, variance) for recipe in recipes[1:])
    return worth(without, other, METRIC, MARGIN, len(units), "the pictures", plural=True).verdict


def curves(draws: int) -> Iterator[dict[str, Any]]:
    measured = shares_of(UNITS)
    shares, sizes = np.array(measured)[:, None], [1000 * share for share in measured]
    for flat in (False, True):
        rng, covered, verdicts = np.random.default_rng(3), {2.0: 0, MOST: 0}, Counter[str]()
        for _ in range(draws):
            exponent, factor = rng.uniform(0.2, 1.0), 0.0 if flat else -rng.uniform(0.02, 0.15)
            scores = 0.7 + factor * shares**-exponent + rng.normal(0, 0.008, (len(measured), SEEDS))
            law = fit_power_law(sizes, scores, (0.0, 1.0), rng)
            assert law is not None
            for times in covered:
                _, low, high = law.gain(times, METRIC.direction)
                covered[times] += low <= factor * (times**-exponent - 1) <= high
            verdicts[more_data(law, METRIC, MARGIN)[0]] += 1
        coverage = {f"coverage at {times:g} times": hits / draws for times, hits in covered.items()}
        yield {"flat": flat, **coverage, "verdicts": {name: count / draws for name, count in verdicts.items()}}


PARTS: dict[str, tuple[Callable[[int], Iterator[dict[str, Any]]], int]] = {
    "gains": (gains, 1000),
    "noise": (noise, 40),
    "curves": (curves, 1000),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--to", type=Path, required=True, help="a JSON file")
    parser.add_argument("--draws", type=int, help="of each part; without it, 1,000, and 40 of noise")
    parser.add_argument("--only", choices=PARTS, nargs="+", default=list(PARTS))
    arguments = parser.parse_args()
    result: dict[str, Any] = {"seconds": {}}
    for name in arguments.only:
        began, (part, draws) = time.monotonic(), PARTS[name]
        result[name] = []
        for row in part(arguments.draws or draws):
            result[name].append(row)
            print(name, json.dumps(row), flush=True)
        result["seconds"][name] = round(time.monotonic() - began)
    arguments.to.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
