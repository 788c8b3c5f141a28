"""Say what a search has not shown: folds that differ, too few units, a choice that is no better than a constant."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.sparse import csr_array

from automm.evaluate.compare import FEWEST, Interval, paired_interval, places_of, unit_sums
from automm.tasks.base import LARGER, Task
from automm.tracking.judged_rows import JudgedRows

if TYPE_CHECKING:  # the functions on arrays work without Keras
    from automm.data.splitting.links import Links
    from automm.search.setup.data import Setup

FEW_UNITS = 50
SAMPLES, LEVEL = 999, 0.05
BETTER = "better than"


@dataclass(frozen=True)
class Answers:
    """Answers for some reviews.

    Attributes:
        where: the reviews in words.
        targets: (n,), of the task.
        choice, constant: (n, outputs), the answers of the choice, and the best answers without any input.
        units: (n,) int64, the resampling units.
    """

    where: str
    targets: np.ndarray
    choice: np.ndarray
    constant: np.ndarray
    units: np.ndarray


def verdict_of(setup: "Setup", links: "Links", judged: np.ndarray | None, tested: np.ndarray) -> dict[str, Any]:
    """Return the entries `by_fold` and `verdict` of result.json.

    Args:
        links: between all reviews.
        judged: the choice's answers for the judged rows; None, or too short, if it was not judged on all of them.
        tested: its answers for the test split.
    """
    task, rows, targets = setup.task, setup.judged_rows, setup.arrays.targets
    metric = setup.experiment.objective.removeprefix("val_")
    constants = [task.constant(targets[fold.train], setup.outputs).astype(np.float32) for fold in setup.folds]
    found: dict[str, Any] = {"by_fold": None, "verdict": []}
    parts = []
    if judged is not None and len(judged) == len(rows):
        constant = np.stack(constants)[rows.folds - 1]
        parts.append(Answers("the judged reviews", rows.targets, judged, constant, rows.units))
        found["verdict"] += on_units(rows.units)
        if len(setup.folds) > 1:
            rng = np.random.default_rng(setup.experiment.seed)
            ungrouped = _without_groups(links, np.concatenate([fold.validation for fold in setup.folds]))
            found["by_fold"] = by_fold(task, metric, rows, judged, ungrouped, rng)
            found["verdict"] += on_folds(task, found["by_fold"])
    test = setup.rows("test")
    constant = np.broadcast_to(np.mean(constants, axis=0), tested.shape)
    parts.append(Answers("the test split", targets[test], tested, constant, setup.units[test]))
    found["verdict"] += [sentence for part in parts if (sentence := on_constant(task, metric, part))]
    return found


def by_fold(
    task: Task, metric: str, rows: JudgedRows, answers: np.ndarray, ungrouped: np.ndarray, rng: np.random.Generator
) -> dict[str, Any]:
    """Return the choice's score on each fold, and which folds differ.

    With FEW_UNITS or more units, a fold differs if it deviates by more than the units do by chance. Fewer units cannot
    say that; then chance is that of the reviews in them, and a fold that differs says that the groups do.

    Args:
        answers: (n, outputs), for `rows`.
        ungrouped: (n,) int64, the units that the reviews would be without groups.

    Returns:
        {metric, folds, scores, reviews, units, differ, chance}: lists over the folds; `differ` has the numbers of those
        that differ, and `chance` is "units" or "reviews".
    """
    count = len(np.unique(rows.units))
    inside = count < FEW_UNITS and count < len(np.unique(ungrouped))
    folds = np.unique(rows.folds)
    of_fold = [np.flatnonzero(rows.folds == fold) for fold in folds]
    units = ungrouped if inside else rows.units
    return {
        "metric": metric,
        "folds": folds.tolist(),
        "scores": [task.measure(rows.targets[some], answers[some])[metric] for some in of_fold],
        "reviews": [len(some) for some in of_fold],
        "units": [len(np.unique(rows.units[some])) for some in of_fold],
        "differ": differing_folds(task, metric, rows.targets, answers, rows.folds, units, rng),
        "chance": "reviews" if inside else "units",
    }


def differing_folds(
    task: Task,
    metric: str,
    targets: np.ndarray,
    answers: np.ndarray,
    folds: np.ndarray,
    units: np.ndarray,
    rng: np.random.Generator,
    samples: int = SAMPLES,
) -> list[int]:
    """Return the numbers of the folds whose scores deviate from the median of all folds by more than chance.

    A permutation test: units are dealt to the folds anew, as many to each as it has. A fold differs if it deviates by
    more than the largest deviation does in 95 % of the deals (Westfall and Young 1993, Resampling-Based Multiple
    Testing). Folds of equal quality are thus named in at most 5 % of searches, however many folds there are.

    Args:
        targets: (n,); answers: (n, outputs).
        folds: (n,) int64, the number of each review's fold.
        units: (n,) int64, what is dealt; a unit of several folds counts as one unit in each.
    """
    numbers, fold_of_row = np.unique(folds, return_inverse=True)
    places = places_of(places_of(units) * len(numbers) + fold_of_row)
    sums, sizes = unit_sums(task, metric, targets, answers, places), np.bincount(places)
    dealt = np.empty(len(sizes), np.int64)
    dealt[places] = fold_of_row

    def deviations(fold_of_unit: np.ndarray) -> np.ndarray:
        shape = len(numbers), len(sizes)
        chosen = csr_array((np.ones(len(sizes)), (fold_of_unit, np.arange(len(sizes)))), shape=shape)
        scores = task.from_sums(metric, (chosen @ sums).toarray().T)
        # Of the size that chance gives them: the larger a fold, the smaller its deviation.
        return np.asarray(np.abs(scores - np.median(scores)) * np.sqrt(chosen @ sizes))

    largest = np.sort([deviations(rng.permutation(dealt)).max() for _ in range(samples)])
    limit = largest[int(np.ceil((1 - LEVEL) * (samples + 1))) - 1]
    # Deals that only rename the folds have equal deviations up to rounding.
    return [int(number) for number in numbers[deviations(dealt) > limit * (1 + 1e-9)]]


def on_units(units: np.ndarray) -> list[str]:
    """Return what is to be said about the number of judged units."""
    count = len(np.unique(units))
    if count >= FEWEST:
        return []
    return [
        f"the {len(units):,} judged reviews are only {count} independent units (reviews that share a group, a text or "
        "a picture are one): too few to say how the choice does on new ones"
    ]


def on_folds(task: Task, found: dict[str, Any]) -> list[str]:
    """Return what is to be said about `by_fold`."""
    if not found["differ"]:
        return []
    names = ", ".join(map(str, found["differ"]))
    subject = f"fold {names} differs" if len(found["differ"]) == 1 else f"folds {names} differ"
    scores = ", ".join(f"{score:.3f}" for score in found["scores"])
    groups = ": the groups differ, and new groups may differ as much" if found["chance"] == "reviews" else ""
    return [f"{subject} by more than chance ({task.metrics[found['metric']].title} of the folds: {scores}){groups}"]


def on_constant(task: Task, objective: str, answers: Answers) -> str:
    """Return how the choice compares with a constant answer; "" if it is better in all main metrics.

    Args:
        objective: the metric that decides; the other main metrics are named after it.
    """
    first, *others = [_against_constant(task, name, answers) for name in dict.fromkeys((objective, *task.main_metrics))]
    better = first[0] == BETTER
    if better and all(relation == BETTER for relation, _ in others):
        return ""
    constant = "the majority class" if task.has_labels else "a constant answer"
    sentence = f"on {answers.where} the choice is {first[0]} {constant} in {first[1]}"
    for relation, figure in others:
        also = relation == BETTER
        sentence += f", {'and' if also == better else 'but'} {'better' if also else 'not better'} in {figure}"
    return sentence


def _against_constant(task: Task, metric: str, answers: Answers) -> tuple[str, str]:
    """Return how the choice compares with the constant in a metric, and the difference in words."""
    found = paired_interval(task, answers.targets, answers.choice, answers.constant, metric, units=answers.units)
    low, high = _gain(found, task.metrics[metric].direction)
    relation = "not told apart from"
    if low is not None and low > 0:
        relation = BETTER
    elif high is not None and high < 0:
        relation = "worse than"
    return relation, f"{task.metrics[metric].title} {_in_words(found)}"


def _gain(interval: Interval, direction: str) -> Sequence[float | None]:
    """Return the limits of a difference, with the sign of a gain."""
    if interval.low is None or interval.high is None:
        return None, None
    return (interval.low, interval.high) if direction == LARGER else (-interval.high, -interval.low)


def _in_words(interval: Interval) -> str:
    if interval.low is None or interval.high is None:
        return f"{interval.difference:+.3f} ({interval.units} units are too few for an interval)"
    return f"{interval.difference:+.3f} (95 % interval {interval.low:+.3f} to {interval.high:+.3f})"


def _without_groups(links: "Links", rows: np.ndarray) -> np.ndarray:
    """Return the unit of each row, (n,) int64, if only texts and pictures linked reviews."""
    units = np.empty(len(rows), np.int64)
    for unit, places in enumerate(links.components_of(rows.tolist(), [k for k in links.kinds if k != "groups"])):
        units[places] = unit
    return units
