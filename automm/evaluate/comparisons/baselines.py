"""Compare the choice of a search with each baseline on the test split, and show the spread of seeds."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from automm.evaluate.comparisons.paired import LEVEL, Scores, difference, mcnemar, with_correction
from automm.tasks.base import LARGER, Detailed, Task

BETTER, WORSE, UNDECIDED = "better", "worse", "not told apart"


def against_baselines(
    task: Task,
    objective: str,
    targets: np.ndarray,
    units: np.ndarray,
    choice: Scores,
    baselines: Mapping[str, Scores],
) -> dict[str, Any]:
    """Return how much better the choice is than each baseline: a part of the section `comparisons` (docs/evidence.md).

    p values are corrected for the number of baselines, separately for each metric and for McNemar's test.

    Args:
        objective: the metric that decides the relation; the main metrics of the task are compared too.
        targets: (n,), of the test split.
        units: (n,) int64, their resampling units.

    Returns:
        {metric, reviews, units, against: {baseline: {relation, metrics: {metric: `Difference` and p_holm}, mcnemar:
        `McNemar` and p_holm, None without labels}}}
    """
    compared = {
        metric: with_correction(
            [difference(task, targets, choice, other, metric, units) for other in baselines.values()]
        )
        for metric in dict.fromkeys((objective, *task.main_metrics))
    }
    counted: Sequence[dict[str, Any] | None] = [None] * len(baselines)
    if task.has_probabilities:
        tests = [mcnemar(targets, choice.decided, other.decided, units) for other in baselines.values()]
        counted = with_correction(tests)
    return {
        "metric": objective,
        "reviews": len(targets),
        "units": len(np.unique(units)),
        "against": {
            name: {
                "relation": relation(compared[objective][place], task.metrics[objective].direction),
                "metrics": {metric: rows[place] for metric, rows in compared.items()},
                "mcnemar": counted[place],
            }
            for place, name in enumerate(baselines)
        },
    }


def relation(compared: Mapping[str, Any], direction: str, p: str = "p_holm") -> str:
    """Return BETTER, WORSE or UNDECIDED for a difference whose p value decides.

    Args:
        direction: of the metric, LARGER or SMALLER.
        p: the key of the p value.
    """
    if compared[p] is None or compared[p] >= LEVEL:
        return UNDECIDED
    return BETTER if (compared["difference"] > 0) == (direction == LARGER) else WORSE


def spread_of_seeds(judged: Mapping[str, Detailed], seeds: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """Return the spread of the published metrics between trainings of one candidate with several seeds.

    Args:
        judged: by candidate, its metrics on the judged rows.
        seeds: by candidate, the names of its trainings, the first one included.

    Returns:
        {candidate: {metric: {values, mean, deviation}}}, the deviation with n - 1; metrics that are not defined for all
        trainings are left out.
    """
    spread: dict[str, Any] = {}
    for name, trainings in seeds.items():
        by_metric = {metric: [judged[one].values[metric] for one in trainings] for metric in judged[name].values}
        known = {
            metric: [value for value in values if value is not None]
            for metric, values in by_metric.items()
            if None not in values
        }
        spread[name] = {
            metric: {"values": values, "mean": float(np.mean(values)), "deviation": float(np.std(values, ddof=1))}
            for metric, values in known.items()
        }
    return spread
