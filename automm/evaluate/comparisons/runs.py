"""Compare the choices of two searches on the same test reviews, and name what differs between the searches."""

from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

import numpy as np

from automm.config.strict_yaml import read_yaml
from automm.data.splitting.disjoint_sets import DisjointSets
from automm.errors import DataError
from automm.evaluate.comparisons.baselines import relation
from automm.evaluate.comparisons.paired import Scores, difference, mcnemar
from automm.tasks.base import Task
from automm.tasks.registry import TASKS
from automm.tracking.mlflow_tracker import flatten
from automm.tracking.packed_answers import TEST, PackedAnswers
from automm.tracking.run_folder import Run

NOT_COMPARED = ("columns", "evaluation_reason", "image_root", "manifest", "text_encoder_choice")  # of manifest.json
SHOWN = 12  # characters of a fingerprint


def compare_runs(first: Run, second: Run) -> dict[str, Any]:
    """Compare the second run's choice with the first's.

    Reviews that are linked in either run are one unit.

    Returns:
        {runs: [{run, experiment, choice, test_reads}] of both, task, objective: of the second, reviews, units,
        relation: of the second choice in its objective, metrics: {metric: {values: of both, and `Difference`}},
        published: {metric: values of both}, mcnemar: `McNemar` or None, differs: {configuration, data, versions: {key:
        values of both}}}. Differences are second minus first.

    Raises:
        NotFoundError: a run has no result, or is of an earlier version.
        DataError: the runs have other test reviews, labels or targets.
    """
    runs = first, second
    tested = [PackedAnswers.read(run, TEST) for run in runs]
    results, described = ([run.read(name) for run in runs] for name in ("result.json", "manifest.json"))
    for run, result in zip(runs, results, strict=True):
        if not result.get("evidence"):
            raise DataError(f"{run.name} has no result: its search has not ended. Resume it, or name another run")
    task = _task(runs, described)
    one, other, labels = _aligned(runs, tested, described)
    units = joined_units(one.rows.units, other.rows.units)
    choices = [result["best"] for result in results]
    old, new = (
        Scores(part.answers[name], part.decided(name)) for part, name in zip((one, other), choices, strict=True)
    )
    targets, objective = one.rows.targets, results[1]["objective"].removeprefix("val_")
    metrics = {
        metric: {
            "values": [task.measure(targets, scores.of(task, metric))[metric] for scores in (old, new)],
            **asdict(difference(task, targets, new, old, metric, units)),
        }
        for metric in task.metrics
    }
    published = [r["evidence"]["metrics"]["test"][name]["values"] for r, name in zip(results, choices, strict=True)]
    return {
        "runs": [
            {"run": run.name, "experiment": run.experiment, "choice": name, "test_reads": result["test_reads"]}
            for run, name, result in zip(runs, choices, results, strict=True)
        ],
        "task": task.name,
        "objective": objective,
        "reviews": len(targets),
        "units": len(np.unique(units)),
        "relation": relation(metrics[objective], task.metrics[objective].direction, "p"),
        "metrics": metrics,
        "published": {name: [values.get(name) for values in published] for name in task.published},
        "mcnemar": asdict(mcnemar(targets, new.decided, old.decided, units)) if labels else None,
        "differs": {
            "configuration": _differing(*(read_yaml(run.folder / "config.yaml")[0] for run in runs)),
            "data": _differing(*map(_data, described)),
            "versions": _differing(*(run.read("environment.json") for run in runs)),
        },
    }


def joined_units(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return units in which two reviews are together if they are in either of two numberings, (n,) int64 each."""
    sets = DisjointSets(len(first))
    for units in (first, second):
        seen: dict[int, int] = {}
        for place, unit in enumerate(units.tolist()):
            sets.join(place, seen.setdefault(unit, place))
    return np.array([sets.root(place) for place in range(len(first))], np.int64)


def _task(runs: tuple[Run, Run], described: list[dict[str, Any]]) -> Task:
    names = [one["reading"]["task"] for one in described]
    if names[0] != names[1]:
        raise DataError(
            f"{runs[0].name} is a {names[0]}, and {runs[1].name} is a {names[1]}. Compare runs of the same task"
        )
    return TASKS[names[0]]


def _aligned(
    runs: tuple[Run, Run], tested: list[PackedAnswers], described: list[dict[str, Any]]
) -> tuple[PackedAnswers, PackedAnswers, list[str]]:
    """Return the answers of both runs in the order of rows and labels of the first, and the labels.

    Raises:
        DataError: the reviews, the labels or the targets are not the same.
    """
    first, second = tested
    ids = [set(one.rows.ids.tolist()) for one in tested]
    if ids[0] != ids[1]:
        raise DataError(
            f"the test splits are not the same reviews: {len(ids[0] & ids[1]):,} are in both, "
            f"{len(ids[0] - ids[1]):,} only in {runs[0].name} and {len(ids[1] - ids[0]):,} only in {runs[1].name}. "
            "Give both manifests the same splits, for example with splits.column"
        )
    places = {name: place for place, name in enumerate(second.rows.ids.tolist())}
    second = _of_rows(second, np.array([places[name] for name in first.rows.ids.tolist()]))
    labels, others = (list(one["labels"]) for one in described)
    if set(labels) != set(others):
        only = [", ".join(sorted(set(one) - set(two))) or "none" for one, two in ((labels, others), (others, labels))]
        raise DataError(
            f"the label sets differ: only {runs[0].name} has {only[0]}, only {runs[1].name} has {only[1]}. Compare "
            "runs with the same labels"
        )
    if labels != others:
        second = _with_labels(second, np.array([others.index(label) for label in labels]))
    different = int((first.rows.targets != second.rows.targets).sum())
    if different:
        raise DataError(
            f"{different:,} of {len(first.rows):,} test reviews have another target in {runs[1].name}. Compare runs on "
            "the same labels or numbers"
        )
    return first, second, labels


def _of_rows(packed: PackedAnswers, order: np.ndarray) -> PackedAnswers:
    rows = packed.rows
    return replace(
        packed,
        rows=replace(rows, **{name: values[order] for name, values in vars(rows).items()}),
        answers={name: answers[order] for name, answers in packed.answers.items()},
        labels={name: labels[order] for name, labels in packed.labels.items()},
    )


def _with_labels(packed: PackedAnswers, order: np.ndarray) -> PackedAnswers:
    """Return the answers for the labels in another order: the new label number i is the old number order[i]."""
    new = np.argsort(order)
    return replace(
        packed,
        rows=replace(packed.rows, targets=new[packed.rows.targets]),
        answers={name: answers[:, order] for name, answers in packed.answers.items()},
        labels={name: new[labels] for name, labels in packed.labels.items()},
    )


def _data(described: Mapping[str, Any]) -> dict[str, Any]:
    """Return what manifest.json says about the data and the encoders, shortened."""
    encoders = {
        modality: [f"{one['name']} ({one['fingerprint'][:SHOWN]}, size {one['size']})" for one in listed]
        for modality, listed in described["encoders"].items()
    }
    kept = {key: value for key, value in described.items() if key not in NOT_COMPARED}
    return {**kept, "fingerprint": described["fingerprint"][:SHOWN], "encoders": encoders}


def _differing(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, list[Any]]:
    """Return the values of both by their keys, with dots between the levels, where they differ; None: not there."""
    one, other = flatten(dict(first)), flatten(dict(second))
    return {
        key: [one.get(key), other.get(key)]
        for key in sorted(one.keys() | other.keys())
        if one.get(key) != other.get(key)
    }
