"""The folds after the first: a search does not use them, but its finalists are measured on them too."""

from collections.abc import Callable, Collection
from dataclasses import replace
from typing import TypeVar

import numpy as np

from automm.data.records.reviews import Dataset
from automm.data.splitting.folds import place_in_folds, roles_of_folds
from automm.data.splitting.links import Links
from automm.data.splitting.split import checked_splits
from automm.errors import DataError, Problem

T = TypeVar("T")


def select_fold(dataset: Dataset, fold: int) -> Dataset:
    """Return the data set with fold `fold` (from 1) as the test split."""
    manifest = dataset.manifest
    splits = manifest.splits.model_copy(update={"fold": fold})
    return replace(dataset, manifest=manifest.model_copy(update={"splits": splits}))


def other_folds(dataset: Dataset, links: Links) -> dict[int, dict[str, np.ndarray]]:
    """Return the splits of each fold after the first, as from `split_dataset`, by the fold's number from 2.

    Empty if the manifest has no folds, or selects one with `fold`.

    Raises:
        DataError: a fold cannot be used for training or measuring.
    """
    rules = dataset.manifest.splits
    if rules.folds is None or rules.fold is not None:
        return {}
    count, placed = rules.folds, place_in_folds(dataset, links)
    return each_fold(
        range(2, count + 1),
        lambda fold: checked_splits(select_fold(dataset, fold), roles_of_folds(placed, count, fold)),
    )


def each_fold(folds: Collection[int], work: Callable[[int], T]) -> dict[int, T]:
    """Call `work` with the number of each fold after the first, and return the results by number.

    Raises:
        DataError: the problems of all folds.
    """
    results, problems = {}, []
    for fold in folds:
        try:
            results[fold] = work(fold)
        except DataError as error:
            problems += [_on_fold(problem, f"fold {fold} of {len(folds) + 1}") for problem in error.problems]
    if problems:
        raise DataError(problems)
    return results


def _on_fold(problem: Problem, fold: str) -> Problem:
    """Return the problem with its fold and one more fix."""
    fix = ". ".join(filter(None, [problem.fix, "To measure only the first fold, set splits.fold: 1"]))
    return replace(problem, where=f"{fold}: {problem.where}" if problem.where else fold, fix=fix)
