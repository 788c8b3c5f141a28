"""Split the reviews into train, validation and test.

The rules are: by a column, by time, by a hash of the id, by fractions, or by folds. Fractions and folds keep the
proportions of the labels, and keep linked reviews in one split (reviews of a group, copies of a text or a picture, as
`splits.keep_together` says): a picture in both training and test measures memory. Decisions depend on ids and the seed,
never on the order of the reviews.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from automm.data.collector import paused_collector
from automm.data.records.reviews import Dataset
from automm.data.sections import SPLITS
from automm.data.splitting.folds import place_in_folds, roles_of_folds
from automm.data.splitting.links import Links
from automm.data.splitting.rules import by_column, by_hash, by_time, possible_fractions
from automm.data.splitting.stratified import place
from automm.errors import DataError, Problem


def split_dataset(dataset: Dataset, links: Links) -> dict[str, np.ndarray]:
    """Assign every review to one split.

    Args:
        dataset: n labelled reviews.
        links: between these reviews.

    Returns:
        Sorted int64 row indices of 'train', 'validation' and 'test': disjoint and complete.

    Raises:
        DataError: a split has no reviews, or a label has none in training.
    """
    with paused_collector():
        names = RULES[dataset.manifest.splits.rule](dataset, links)
    return checked_splits(dataset, names)


def checked_splits(dataset: Dataset, names: Sequence[str]) -> dict[str, np.ndarray]:
    """Return the rows of each split, as `split_dataset` does, from the split of each review.

    Raises:
        DataError: a split has no reviews, or a label has none in training.
    """
    splits = {split: np.array([row for row, name in enumerate(names) if name == split], np.int64) for split in SPLITS}
    problems = _problems(dataset, splits)
    if problems:
        raise DataError(problems)
    return splits


def _by_fractions(dataset: Dataset, links: Links) -> list[str]:
    rules = dataset.manifest.splits
    return place(dataset.reviews, links.components, rules.shares, rules.seed)


def _by_folds(dataset: Dataset, links: Links) -> list[str]:
    rules = dataset.manifest.splits
    return roles_of_folds(place_in_folds(dataset, links), rules.folds or 1, rules.fold or 1)


def _by_column(dataset: Dataset, links: Links) -> list[str]:
    """Return the splits that the column names; `splits.validation` draws a share of the training reviews."""
    rules, names = dataset.manifest.splits, by_column(dataset.reviews)
    if rules.validation is None:
        return names
    if "validation" in names:
        file = dataset.manifest.file.name
        raise DataError(f"{file}: column {rules.column!r} already has a validation split. Remove splits.validation")
    train = [row for row, name in enumerate(names) if name == "train"]
    shares = {"train": 1 - rules.validation, "validation": rules.validation}
    placed = place([dataset.reviews[row] for row in train], links.components_of(train), shares, rules.seed)
    for row, name in zip(train, placed, strict=True):
        names[row] = name
    return names


# The function of each rule in a manifest: (dataset, its links) -> the split of each of n reviews.
RULES: dict[str, Callable[[Dataset, Links], list[str]]] = {
    "fractions": _by_fractions,
    "folds": _by_folds,
    "column": _by_column,
    "time": lambda dataset, links: by_time(dataset.reviews, dataset.manifest.splits.shares),
    "by": lambda dataset, links: by_hash(dataset.reviews, dataset.manifest.splits.shares, dataset.manifest.splits.seed),
}


def _problems(dataset: Dataset, splits: Mapping[str, np.ndarray]) -> list[Problem]:
    file, rules = dataset.manifest.file.name, dataset.manifest.splits
    empty = [split for split in SPLITS if not len(splits[split])]
    advice = {
        "column": f"Correct column {rules.column!r}, or map its values in splits.values"
        + (", or draw the split: splits.validation: 0.15" if empty == ["validation"] else ""),
        "time": f"Check the times in column {rules.time!r}{_other_fractions(dataset) if empty else ''}",
        "by": "Add reviews, or replace splits.by with splits: {fractions: ...}",
    }.get(rules.rule, "Add reviews, or remove groups, texts or pictures from splits.keep_together")
    problems = [Problem("empty_split", file, f"split {split!r} has no reviews", advice) for split in empty]
    if "train" not in empty:
        learned = {label for row in splits["train"] for label in dataset.reviews[int(row)].all_labels}
        several = dataset.several_labels
        problems += [
            Problem(
                "label_not_in_training",
                file,
                f"label {label!r} has no reviews in split 'train'",
                f"{advice}, or merge it with another label in labels.map, or set labels: {{min_count: 5, rare: drop}}",
            )
            for label in dataset.labels
            if label not in learned and not several
        ]
    return problems


def _other_fractions(dataset: Dataset) -> str:
    """Return advice on fractions that leave no split empty, for data with few distinct times; "" for other rules."""
    rules = dataset.manifest.splits
    if rules.rule != "time":
        return ""
    found = possible_fractions(dataset.reviews, rules.shares)
    if found is None:
        return ": too few distinct times for three splits"
    shares = ", ".join(f"{split}: {share:g}" for split, share in found.items())
    return f", or set splits: {{time: {rules.time}, fractions: {{{shares}}}}}"
