"""Question: do the 95 % intervals cover, is the corrected score of the best of 30 candidates its score on fresh
reviews, and does a search claim a gain where the labels are noise?

Command:  python experiments/selection_simulations.py --to experiments/selection_simulations.json
          python experiments/selection_simulations.py --to part.json --only coverage     one of the three parts
Data:     none; answers are simulated. A unit has 1 to about 40 reviews (log-normal sizes) with effects of its own on
          labels and answers, and the candidates share three fifths of the variance of their noise.
Cost:     about half an hour of one core.
Finding:  see experiments/README.md.

Three parts, the first two of `--draws` draws (1,000), the third of a tenth:

- coverage: of the interval of one candidate and of a paired difference, for 10 to 300 units; beside it, of the
  percentile bootstrap over units, and of the same interval if reviews are taken for units. Of equal candidates, also
  how often a gain of the first is claimed: the whole interval is on the better side of 0.
- correction: the corrected score of a choice from 30 candidates, minus the score of that same choice on fresh units.
- noise: whole searches on arrays, for labels that no candidate can know: 30 candidates lean to the frequent classes, as
  models that were trained on such labels do, the ensemble in its best form with its decision competes, and the choice
  is judged on 60 fresh units. A gain is claimed if the choice is better than a penalised linear baseline, or than
  the majority class, in the objective and in all main metrics. Beside it, claims in the objective alone: macro-F1 of
  guesses spread over the classes is really larger than that of the majority class.
"""

import argparse
import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from automm.evaluate.combine import BestSingle, Combiner, Crossing, Judged, honest
from automm.evaluate.compare import interval, jackknifed, paired_interval, places_of, unit_sums
from automm.evaluate.ensembles import BestForm, Choice, Greedy, Library, forms
from automm.search.finalists.verdict import Answers, on_constant
from automm.tasks.base import LARGER, Task
from automm.tasks.registry import TASKS

CLASSES = np.array([2.0, 1.5, 0.8])  # of the Dirichlet distribution of labels in a unit
SHARED, UNIT, OWN = 0.6, 0.7, 0.35  # of the noise: the variance that candidates share, and deviations by unit
UNITS = (10, 20, 30, 50, 100, 300)
METRICS = {"macro_f1": "classification", "accuracy": "classification", "loss": "classification", "mae": "regression"}
CANDIDATES, POPULATION, FRESH = 30, 200_000, 2_000
DRAWN, TESTED = 200, 60  # units of the correction and of the noise, and of the test split
LEANING, PENALISED = 0.7, 0.1  # standard deviation of the noise of a candidate, and of a penalised linear baseline


@dataclass(frozen=True)
class World:
    """Reviews with their units, targets, and the noise that all candidates share."""

    task: Task
    units: np.ndarray
    targets: np.ndarray
    noise: np.ndarray

    @classmethod
    def drawn(cls, rng: np.random.Generator, task: Task, count: int) -> "World":
        sizes = np.ceil(rng.lognormal(1.0, 0.8, count)).astype(int)
        units = np.repeat(np.arange(count), sizes)
        outputs = len(CLASSES) if task.has_labels else 1
        noise = rng.normal(0, SHARED**0.5, (len(units), outputs)) + rng.normal(0, UNIT, (count, outputs))[units]
        if not task.has_labels:
            return cls(task, units, np.zeros(len(units)), noise)
        before = rng.dirichlet(CLASSES, count).cumsum(axis=1)[units, :-1]
        return cls(task, units, (rng.random(len(units))[:, None] > before).sum(axis=1), noise)

    def answers(self, rng: np.random.Generator, skill: float) -> np.ndarray:
        """Return the answers of a candidate: the larger its skill, the better."""
        return self.with_noise(self.own_noise(rng), skill)

    def own_noise(self, rng: np.random.Generator) -> np.ndarray:
        """Draw the noise that a candidate does not share, (n, outputs)."""
        shape = int(self.units[-1]) + 1, self.noise.shape[1]
        return rng.normal(0, (1 - SHARED) ** 0.5, self.noise.shape) + rng.normal(0, OWN, shape)[self.units]

    def with_noise(self, own: np.ndarray, skill: float) -> np.ndarray:
        """Return the answers of a candidate with some noise of its own."""
        if not self.task.has_labels:
            return (self.noise + own) / skill
        scores = skill * np.eye(self.noise.shape[1])[self.targets] + self.noise + own
        powers = np.exp(scores - scores.max(axis=1, keepdims=True))
        return powers / powers.sum(axis=1, keepdims=True)


def percentile(
    rng: np.random.Generator, world: World, pair: Sequence[np.ndarray], metric: str, samples: int
) -> tuple[float, float]:
    """Return the interval of the percentile bootstrap over units (Efron 1979), of a figure or of a difference."""
    places = places_of(world.units)
    count = int(places[-1]) + 1
    drawn = rng.integers(0, count, (samples, count)) + count * np.arange(samples)[:, None]
    weights = np.bincount(drawn.ravel(), minlength=samples * count).reshape(samples, count)
    values = [
        world.task.from_sums(metric, unit_sums(world.task, metric, world.targets, one, places).T @ weights.T)
        for one in pair
    ]
    low, high = np.quantile(values[0] - (values[1] if len(pair) > 1 else 0.0), [0.025, 0.975])
    return float(low), float(high)


def ours(world: World, pair: Sequence[np.ndarray], metric: str, units: np.ndarray) -> tuple[float, float]:
    """Return the interval of automm, of a figure or of a difference."""
    found: Any = (
        paired_interval(world.task, world.targets, *pair, metric, units=units)
        if len(pair) > 1
        else interval(world.task, world.targets, *pair, metric, units=units)
    )
    return found.low, found.high


def coverage(
    draws: int, skills: Sequence[float], metric: str, count: int, *, population: int = POPULATION, samples: int = 300
) -> dict[str, Any]:
    """Measure how often intervals contain the value in the population.

    Args:
        skills: of one candidate or of two.
        count: the number of units.
    """
    task = TASKS[METRICS[metric]]
    rng = np.random.default_rng(0)
    everyone = World.drawn(rng, task, population)
    values = [
        jackknifed(task, metric, unit_sums(task, metric, everyone.targets, one, np.zeros_like(everyone.units)))[0]
        for one in (everyone.answers(rng, skill) for skill in skills)
    ]
    equal = len(set(skills)) < len(skills)
    true = 0.0 if equal else values[0] - sum(values[1:])
    rng = np.random.default_rng(count)
    inside = {"units": 0, "percentile": 0, "reviews": 0}
    above = below = 0
    for _ in range(draws):
        world = World.drawn(rng, task, count)
        pair = [world.answers(rng, skill) for skill in skills]
        found = {
            "units": ours(world, pair, metric, world.units),
            "percentile": percentile(rng, world, pair, metric, samples),
            "reviews": ours(world, pair, metric, np.arange(len(world.units))),
        }
        for name, (low, high) in found.items():
            inside[name] += low <= true <= high
        above += found["units"][0] > true
        below += found["units"][1] < true
    shares = {name: round(times / draws, 4) for name, times in inside.items()}
    gain = above if task.metrics[metric].direction == LARGER else below
    return {"skills": list(skills), "metric": metric, "count": count, "true": round(true, 4), **shares} | {
        "low above": above / draws,
        "high below": below / draws,
        "claims of a gain": gain / draws if equal else None,
    }


def correction(
    draws: int, metric: str, spread: float, combiner: Combiner, count: int = DRAWN, repeats: int = 1
) -> dict[str, Any]:
    """Compare the score of a choice from CANDIDATES candidates, and its correction, with its score on fresh units.

    Args:
        spread: the standard deviation of the candidates' skills; 0: they are equally good.
    """
    task = TASKS[METRICS[metric]]
    rng = np.random.default_rng(7)
    found = []
    for _ in range(draws):
        skills = np.maximum(rng.normal(1.2, spread, CANDIDATES), 0.2)
        world, fresh = World.drawn(rng, task, count), World.drawn(rng, task, FRESH)
        answers = [world.answers(rng, skill) for skill in skills]
        judged = Judged(task, f"val_{metric}", world.targets, world.units, answers)
        chosen = Crossing.drawn(judged, rng).fit(combiner)
        later = [fresh.answers(rng, skill) for skill in skills]
        new = chosen.answers(later, np.arange(len(fresh.units)))
        seen = chosen.answers(answers, np.arange(len(world.units)))
        apparent = task.measure(world.targets, seen)[metric]
        corrected = honest(combiner, judged, rng=rng, repeats=repeats)
        found.append((apparent, corrected, task.measure(fresh.targets, new)[metric], len(chosen.members) > 1))
    apparent, corrected, real, ensembles = np.array(found).T
    errors = corrected - real
    return {
        "metric": metric,
        "spread": spread,
        "choice": type(combiner).__name__,
        "apparent minus fresh": round(float((apparent - real).mean()), 4),
        "corrected minus fresh": round(float(errors.mean()), 4),
        "standard error": round(float(errors.std() / draws**0.5), 4),
        "deviation of corrected minus fresh": round(float(errors.std()), 4),
        "deviation of apparent minus fresh": round(float((apparent - real).std()), 4),
        "ensembles": round(float(ensembles.mean()), 3),
    }


def noise(draws: int, metric: str) -> dict[str, Any]:
    """Count the searches that claim a gain for an objective, although no answer depends on the labels."""
    task, rng = TASKS[METRICS[metric]], np.random.default_rng(11)
    claims = {"than a baseline": 0, "than the majority class": 0, "either": 0, "than a baseline in the objective": 0}
    metrics = dict.fromkeys((metric, *task.main_metrics))
    decided = ensembles = 0
    for _ in range(draws):
        worlds = World.drawn(rng, task, DRAWN), World.drawn(rng, task, TESTED)
        shares = np.log(task.constant(worlds[0].targets, len(CLASSES)))
        seen, tested = ([_leaning(rng, world, shares) for _ in range(CANDIDATES)] for world in worlds)
        judged = Judged(task, f"val_{metric}", worlds[0].targets, worlds[0].units, seen)
        combiner = Choice(forms(task, metric, len(CLASSES), Library(tuple(range(CANDIDATES)))))
        chosen = Crossing.drawn(judged, rng).fit(combiner)
        rows = np.arange(len(worlds[1].units))
        plain, answers = chosen.answers(tested, rows), chosen.decided(tested, rows)
        decided += not np.array_equal(answers.argmax(axis=1), plain.argmax(axis=1))
        ensembles += len(chosen.members) > 1
        if not task.metrics[metric].of_labels:
            answers = plain
        baseline = _leaning(rng, worlds[1], shares, PENALISED)
        better = []
        for name in metrics:
            low, high = ours(worlds[1], [answers, baseline], name, worlds[1].units)
            better.append(low > 0 if task.metrics[name].direction == LARGER else high < 0)
        constant = np.broadcast_to(np.exp(shares), answers.shape)
        against = Answers("the test split", worlds[1].targets, answers, constant, worlds[1].units)
        found = all(better), not on_constant(task, metric, against)
        for name, claimed in zip(claims, [*found, any(found), better[0]], strict=True):
            claims[name] += claimed
    shared = {"decisions by class": decided / draws, "ensembles": ensembles / draws}
    return {"metric": metric, "claims of a gain": {name: times / draws for name, times in claims.items()}, **shared}


def _leaning(rng: np.random.Generator, world: World, shares: np.ndarray, noise: float = LEANING) -> np.ndarray:
    """Return answers that do not depend on the labels, (n, classes), with a share of noise that candidates share."""
    scores = shares + noise * (world.noise + rng.normal(0, (1 - SHARED) ** 0.5, world.noise.shape))
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True), np.float32)


def all_coverage(draws: int) -> Iterator[dict[str, Any]]:
    for skills in ((1.2,), (1.2, 1.2), (1.2, 1.7)):
        for metric in METRICS:
            for count in UNITS:
                yield coverage(draws, skills, metric, count)


def all_corrections(draws: int) -> Iterator[dict[str, Any]]:
    greedy = Greedy(Library(tuple(range(CANDIDATES))))
    for combiner in (BestSingle(), greedy, Choice(BestForm((greedy,)))):
        for metric in METRICS:
            for spread in (0.0, 0.3):
                yield correction(draws, metric, spread, combiner)


PARTS: dict[str, Callable[[int], Iterator[dict[str, Any]]]] = {
    "coverage": all_coverage,
    "correction": all_corrections,
    "noise": lambda draws: (noise(draws // 10, metric) for metric in ("macro_f1", "accuracy", "loss")),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--to", type=Path, required=True, help="a JSON file")
    parser.add_argument("--draws", type=int, default=1000)
    parser.add_argument("--only", choices=PARTS, nargs="+", default=list(PARTS))
    arguments = parser.parse_args()
    result: dict[str, Any] = {"draws": arguments.draws, "seconds": {}}
    for name in arguments.only:
        began = time.monotonic()
        result[name] = []
        for row in PARTS[name](arguments.draws):
            result[name].append(row)
            print(name, json.dumps(row), flush=True)
        result["seconds"][name] = round(time.monotonic() - began)
    arguments.to.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
