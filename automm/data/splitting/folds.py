"""The folds of a manifest that a search does not search on: its finalists are measured on them too."""

from collections.abc import Callable, Collection
from dataclasses import replace
from typing import TypeVar

import numpy as np

from automm.data.records.reviews import Dataset
from automm.data.splitting.links import Links
from automm.data.splitting.stratified import checked_splits, place_in_folds, roles_of_folds
from automm.errors import DataError, Problem

T = TypeVar("T")


def on_fold(dataset: Dataset, fold: int) -> Dataset:
    """The same reviews, of which that fold's (from 1) are the test split."""
    manifest = dataset.manifest
    splits = manifest.splits.model_copy(update={"fold": fold})
    return replace(dataset, manifest=manifest.model_copy(update={"splits": splits}))


def other_folds(dataset: Dataset, links: Links) -> dict[int, dict[str, np.ndarray]]:
    """The splits of each fold but the first, as `split_dataset` makes them, by the fold's number from 2.

    Nothing where the manifest has no folds, or names the one `fold` that it is about.

    Raises:
        DataError: a fold cannot be trained or measured on.
    """
    rules = dataset.manifest.splits
    if rules.folds is None or rules.fold is not None:
        return {}
    count, placed = rules.folds, place_in_folds(dataset, links)
    return each_fold(
        range(2, count + 1), lambda fold: checked_splits(on_fold(dataset, fold), roles_of_folds(placed, count, fold))
    )


def each_fold(folds: Collection[int], work: Callable[[int], T]) -> dict[int, T]:
    """What `work` makes of each fold after the first, by its number.

    Raises:
        DataError: the problems of all folds that have some.
    """
    found, problems = {}, []
    for fold in folds:
        try:
            found[fold] = work(fold)
        except DataError as error:
            problems += [_on_fold(problem, f"fold {fold} of {len(folds) + 1}") for problem in error.problems]
    if problems:
        raise DataError(problems)
    return found


def _on_fold(problem: Problem, fold: str) -> Problem:
    fix = "; or ".join(filter(None, [problem.fix, "measure the first fold alone: splits.fold: 1"]))
    return replace(problem, where=f"{fold}: {problem.where}" if problem.where else fold, fix=fix)
