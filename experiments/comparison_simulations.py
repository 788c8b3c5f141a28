"""Question: are the claims of a comparison right: the intervals, the p values, McNemar's test and Holm's correction?

Command:  python experiments/comparison_simulations.py --to experiments/comparison_simulations.json
Data:     none; answers are simulated as in selection_simulations.py, in units of 1 to about 40 reviews.
Cost:     three minutes of one core.
Finding:  see experiments/README.md.

Two parts, each of `--draws` draws (1,000):

- pairs: of two candidates, for 60 to 1,000 units: how often the 95 % interval has the true difference; how often a
  difference is claimed (p below 0.05) by the t-test over units, by McNemar's test over units, and by McNemar's test if
  reviews are taken for units. Two seeds of one model share three fifths of the variance of their noise, or more; a gain
  is 3 points of accuracy.
- family: a choice against eight baselines that are as good: how often any is claimed to differ, without and with Holm's
  correction.
"""

import argparse
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from selection_simulations import METRICS, POPULATION, World

from automm.evaluate.compare import jackknifed, unit_sums
from automm.evaluate.comparisons.paired import LEVEL, Scores, difference, holm, mcnemar
from automm.tasks.registry import TASKS

UNITS = (60, 120, 300, 1000)
SKILL, GAIN = 1.2, 0.03  # the skill of the second candidate, and the gain of the first in accuracy
BASELINES = 8


@dataclass(frozen=True)
class Pair:
    """Two candidates.

    Attributes:
        gain: of the first in accuracy.
        alike: the share of the noise of their own that is the same in both.
    """

    gain: float = 0.0
    alike: float = 0.0


PAIRS = {"two seeds": Pair(), "two seeds, nearly alike": Pair(alike=0.9), "a gain of 3 points": Pair(GAIN)}


def drawn(world: World, pair: Pair, skill: float, rng: np.random.Generator) -> tuple[Scores, Scores]:
    """Return the answers of both candidates.

    Args:
        skill: of the first candidate.
    """
    common = world.own_noise(rng)
    pairs = []
    for one in (skill, SKILL):
        own = pair.alike**0.5 * common + (1 - pair.alike) ** 0.5 * world.own_noise(rng)
        answers = world.with_noise(own, one)
        pairs.append(Scores(answers, answers))
    return pairs[0], pairs[1]


def skill_with(gain: float, population: int = 20_000) -> float:
    """Return the skill of a candidate whose accuracy is better than that of one with SKILL by a gain."""
    task, rng = TASKS["classification"], np.random.default_rng(1)
    world = World.drawn(rng, task, population)
    own = world.own_noise(rng)
    skills = np.linspace(SKILL, 2.0, 30)
    accuracies = [task.measure(world.targets, world.with_noise(own, skill))["accuracy"] for skill in skills]
    return float(np.interp(gain, np.array(accuracies) - accuracies[0], skills))


def true_difference(metric: str, pair: Pair, skill: float, population: int) -> float:
    """Return the difference in a population."""
    if skill == SKILL:
        return 0.0
    task, rng = TASKS[METRICS[metric]], np.random.default_rng(0)
    world = World.drawn(rng, task, population)
    values = [
        jackknifed(task, metric, unit_sums(task, metric, world.targets, one.answers, np.zeros_like(world.units)))[0]
        for one in drawn(world, pair, skill, rng)
    ]
    return values[0] - values[1]


def claims(
    draws: int, pair: Pair, metric: str, count: int, *, skill: float = SKILL, population: int = POPULATION
) -> dict[str, Any]:
    """Return how often intervals have the true difference, and how often a difference is claimed, as shares of draws.

    Args:
        count: the number of units.
        skill: of the first candidate.
    """
    task, rng = TASKS[METRICS[metric]], np.random.default_rng(count)
    true = true_difference(metric, pair, skill, population)
    covered = claimed = by_units = by_reviews = wrong = 0
    for _ in range(draws):
        world = World.drawn(rng, task, count)
        first, second = drawn(world, pair, skill, rng)
        found = difference(task, world.targets, first, second, metric, world.units)
        covered += found.low <= true <= found.high
        claimed += found.p < LEVEL
        wrong += found.p < LEVEL and found.difference * true < 0
        if metric == "accuracy":
            for_reviews = np.arange(len(world.units))
            tests = [mcnemar(world.targets, first.decided, second.decided, of) for of in (world.units, for_reviews)]
            by_units += tests[0].p < LEVEL
            by_reviews += tests[1].p < LEVEL
    row = {"metric": metric, "count": count, "true": round(true, 4), "coverage": covered / draws}
    row |= {"claims": claimed / draws, "in the wrong direction": wrong / draws}
    if metric == "accuracy":
        row |= {"mcnemar over units": by_units / draws, "mcnemar over reviews": by_reviews / draws}
    return row


def family(draws: int, metric: str, count: int) -> dict[str, Any]:
    """Return how often a choice is claimed to differ from any of BASELINES candidates that are as good."""
    task, rng = TASKS[METRICS[metric]], np.random.default_rng(count)
    plain = corrected = 0
    for _ in range(draws):
        world = World.drawn(rng, task, count)
        choice, *others = (Scores(found, found) for found in (world.answers(rng, SKILL) for _ in range(BASELINES + 1)))
        p = [difference(task, world.targets, choice, other, metric, world.units).p for other in others]
        plain += min(p) < LEVEL
        corrected += min(holm(p)) < LEVEL
    return {"metric": metric, "count": count, "any claim": plain / draws, "any claim with Holm": corrected / draws}


def all_claims(draws: int) -> Iterator[dict[str, Any]]:
    better = skill_with(GAIN)
    for name, pair in PAIRS.items():
        for metric in METRICS:
            for count in UNITS:
                skill = better if pair.gain else SKILL
                yield {"pair": name, **claims(draws, pair, metric, count, skill=skill)}


def all_families(draws: int) -> Iterator[dict[str, Any]]:
    for metric in ("macro_f1", "accuracy"):
        for count in UNITS[:3]:
            yield family(draws, metric, count)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--to", type=Path, required=True, help="a JSON file")
    parser.add_argument("--draws", type=int, default=1000)
    arguments = parser.parse_args()
    began, result = time.process_time(), {"draws": arguments.draws}
    for name, rows in (("pairs", all_claims), ("family", all_families)):
        result[name] = []
        for row in rows(arguments.draws):
            result[name].append(row)
            print(name, json.dumps(row), flush=True)
    result["processor seconds"] = round(time.process_time() - began)
    arguments.to.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
