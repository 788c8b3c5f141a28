"""Who learns, who chooses, who judges: train, validation and test.

By a column, by time, by a hash of the id, or by fractions or folds: the last two keep labels in their proportions and
linked reviews (of a group, with copies of a text or a picture, as far as `splits.keep_together` names them) on one
side, because a picture seen in training and again in the test split measures memory. Decisions depend on ids and the
seed, never on the order of the reviews.
"""

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from automm.data.changes import Change
from automm.data.collector import no_cycles
from automm.data.records.reviews import Dataset, Review
from automm.data.sections import SPLITS
from automm.data.splitting.links import Links, link_reviews
from automm.data.splitting.rules import by_column, by_hash, by_time, possible_fractions
from automm.data.splitting.text_forms import picture_name, whole_key
from automm.errors import DataError, Problem

STRATA = 10  # of numbers


def split_dataset(dataset: Dataset, links: Links) -> dict[str, np.ndarray]:
    """Assign every review to one split.

    Args:
        dataset: n labelled reviews.
        links: of these reviews.

    Returns:
        Sorted int64 row indices of 'train', 'validation' and 'test': disjoint, complete.

    Raises:
        DataError: a split without reviews, or a label that is absent from training.
    """
    with no_cycles():
        names = RULES[dataset.manifest.splits.rule](dataset, links)
    return checked_splits(dataset, names)


def checked_splits(dataset: Dataset, names: Sequence[str]) -> dict[str, np.ndarray]:
    """The rows of each split, as `split_dataset` returns them, from the split of each review.

    Raises:
        DataError: a split without reviews, or a label that is absent from training.
    """
    splits = {split: np.array([row for row, name in enumerate(names) if name == split], np.int64) for split in SPLITS}
    problems = _problems(dataset, splits)
    if problems:
        raise DataError(problems)
    return splits


def place_in_folds(dataset: Dataset, links: Links) -> list[int]:
    """The fold of every review, from 0, by the manifest's `splits.folds`."""
    rules = dataset.manifest.splits
    return _place_evenly(dataset.reviews, links.together, rules.folds or 1, rules.seed)


def roles_of_folds(placed: Sequence[int], folds: int, fold: int) -> list[str]:
    """The split of every review where `fold` (from 1) is the test split, and the next one validation."""
    roles = ["train"] * folds
    roles[fold - 1], roles[fold % folds] = "test", "validation"
    return [roles[one] for one in placed]


def _by_fractions(dataset: Dataset, links: Links) -> list[str]:
    rules = dataset.manifest.splits
    return _place(dataset.reviews, links.together, rules.shares, rules.seed)


def _by_folds(dataset: Dataset, links: Links) -> list[str]:
    rules = dataset.manifest.splits
    return roles_of_folds(place_in_folds(dataset, links), rules.folds or 1, rules.fold or 1)


def _by_column(dataset: Dataset, links: Links) -> list[str]:
    """What the column says; `splits.validation` draws a share of its training reviews, by the rule of fractions."""
    rules, names = dataset.manifest.splits, by_column(dataset.reviews)
    if rules.validation is None:
        return names
    if "validation" in names:
        file = dataset.manifest.file.name
        raise DataError(f"{file}: column {rules.column!r} names a validation split. Remove splits.validation")
    train = [row for row, name in enumerate(names) if name == "train"]
    shares = {"train": 1 - rules.validation, "validation": rules.validation}
    placed = _place([dataset.reviews[row] for row in train], links.among(train), shares, rules.seed)
    for row, name in zip(train, placed, strict=True):
        names[row] = name
    return names


# How each rule of a manifest names the split of every review: (dataset, its links) -> n names.
RULES: dict[str, Callable[[Dataset, Links], list[str]]] = {
    "fractions": _by_fractions,
    "folds": _by_folds,
    "column": _by_column,
    "time": lambda dataset, links: by_time(dataset.reviews, dataset.manifest.splits.shares),
    "by": lambda dataset, links: by_hash(dataset.reviews, dataset.manifest.splits.shares, dataset.manifest.splits.seed),
}


def fold_rows(dataset: Dataset, links: Links, rows: np.ndarray, folds: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Some reviews, cut into folds: labels keep their proportions, and linked reviews stay together.

    Args:
        links: of all reviews of the data set.
        rows: (n,) sorted.
        folds: how many, from 2.

    Returns:
        For each fold the sorted rows to learn from and the sorted rows to be judged on. The latter are disjoint and
        complete. Fewer folds than asked for where the reviews fall into fewer groups.
    """
    reviews = [dataset.reviews[int(row)] for row in rows]
    placed = np.array(_place_evenly(reviews, links.among(rows.tolist()), folds, dataset.manifest.splits.seed))
    held_out = [placed == fold for fold in range(folds)]
    return [(rows[~mask], rows[mask]) for mask in held_out if mask.any()]


def subsample(dataset: Dataset, share: float) -> Dataset:
    """A share of the reviews for a first look: labels keep their proportions, in each split that the records name.

    Reviews that are linked by a group, a text or the file of a picture are kept or left out together. The manifest's
    split seed decides, so that everybody's first look is the same.
    """
    # As if the label were the pair of label and split.
    paired = [
        replace(review, label=f"{stratum} {review.split}", value=None)
        for review, stratum in zip(dataset.reviews, strata(dataset.reviews), strict=True)
    ]
    rules = dataset.manifest.splits
    together = link_reviews(dataset.reviews, {}, rules.keep_together).together
    placed = _place(paired, together, {"kept": share, "left": 1 - share}, rules.seed)
    kept = [review for review, place in zip(dataset.reviews, placed, strict=True) if place == "kept"]
    return dataset.keep(kept, [Change.NOT_SAMPLED] * (len(placed) - len(kept)))


def drop_duplicates(dataset: Dataset, digests: Mapping[Path, str]) -> Dataset:
    """Where the manifest says drop_duplicates, keep one of the reviews with the same text and pictures.

    The smallest id stays where the labels agree (all of them, where there are several); where they conflict, nothing
    does. Without pictures, short texts ("Great!") are alike by chance, and stay.

    Raises:
        DataError: no review is left.
    """
    if not dataset.manifest.drop_duplicates:
        return dataset
    same: dict[object, list[Review]] = defaultdict(list)
    kept: set[str] = set()
    for review in dataset.reviews:
        key = whole_key(review, digests)
        if key is None:
            kept.add(review.id)
        else:
            same[key].append(review)
    changes: list[Change] = []
    for reviews in same.values():
        if len({frozenset(review.all_labels) for review in reviews}) > 1:
            changes += [Change.CONFLICTING] * len(reviews)
        else:
            kept.add(min(review.id for review in reviews))
            changes += [Change.DUPLICATE] * (len(reviews) - 1)
    if not kept:
        file, number = dataset.manifest.file.name, len(dataset.reviews)
        raise DataError(
            f"{file}: no reviews left: {Change.CONFLICTING.text} {number}. Correct the labels, or leave "
            "drop_duplicates out"
        )
    return dataset.keep([review for review in dataset.reviews if review.id in kept], changes)


def fingerprint(dataset: Dataset, digests: Mapping[Path, str], splits: Mapping[str, np.ndarray]) -> str:
    """sha256 over ids, texts, labels, pictures, columns and splits, hexadecimal; row order does not matter."""
    split_of = {int(row): split for split, rows in splits.items() for row in rows}
    columns = dataset.manifest.columns
    lines = [
        json.dumps(
            [
                review.id,
                review.text,
                review.label,
                [picture_name(path, digests) for path in review.images],
                split_of.get(row, ""),
                *([review.numbers, review.categories, review.history] if columns else []),
            ]
        )
        for row, review in enumerate(dataset.reviews)
    ]
    return hashlib.sha256("\n".join([json.dumps(dataset.labels), *sorted(lines)]).encode()).hexdigest()


def strata(reviews: Sequence[Review]) -> list[str]:
    """What keeps its proportions in every split: labels, or tenths of the numbers that are to be predicted."""
    values = np.array([np.nan if review.value is None else review.value for review in reviews])
    if np.isnan(values).any() or not len(values):
        return [str(review.label) for review in reviews]
    edges = np.quantile(values, np.arange(1, STRATA) / STRATA)
    return [str(place) for place in np.searchsorted(edges, values)]


def _place_evenly(reviews: Sequence[Review], together: Sequence[list[int]], parts: int, seed: int) -> list[int]:
    """The part of each review, from 0."""
    return [int(name) for name in _place(reviews, together, {str(part): 1 / parts for part in range(parts)}, seed)]


def _place(
    reviews: Sequence[Review], together: Sequence[list[int]], shares: Mapping[str, float], seed: int
) -> list[str]:
    """A part for each review: components, largest first, go where they disturb the wanted label counts least.

    The disturbance is the growth of sum((placed - wanted)^2 / wanted) over the labels, and over all reviews.

    Args:
        reviews: n.
        together: components of the n rows, as of `Links.together`.
        shares: of all reviews, by the name of a part.
    """
    labels = strata(reviews)
    counts = Counter(labels)
    whole = [share * len(reviews) for share in shares.values()]
    wanted = [{label: share * count for label, count in counts.items()} for share in shares.values()]
    placed = [dict.fromkeys(counts, 0) for _ in shares]
    filled = [0] * len(shares)
    names = list(shares)
    part_of = [0] * len(reviews)
    keys = [_hash(seed, review.id) for review in reviews]
    ordered = sorted(
        [(-len(rows), min([keys[row] for row in rows]) if len(rows) > 1 else keys[rows[0]], rows) for rows in together]
    )
    for _, key, rows in ordered:
        size = len(rows)
        of_labels = list(Counter([labels[row] for row in rows]).items()) if size > 1 else [(labels[rows[0]], 1)]
        growths = []
        for have, want, full, all_wanted in zip(placed, wanted, filled, whole, strict=True):
            growth = 0.0
            for label, count in of_labels:
                growth += count * (2 * (have[label] - want[label]) + count) / want[label]
            growths.append(growth + size * (2 * (full - all_wanted) + size) / all_wanted)
        limit = min(growths) + 1e-9  # sums of floats may differ in their last bits where they should not
        level = [part for part, growth in enumerate(growths) if growth <= limit]
        best = level[0] if len(level) == 1 else min(level, key=lambda part: _hash(seed, key.hex() + names[part]))
        for label, count in of_labels:
            placed[best][label] += count
        filled[best] += size
        for row in rows:
            part_of[row] = best
    return [names[part] for part in part_of]


def _problems(dataset: Dataset, splits: Mapping[str, np.ndarray]) -> list[Problem]:
    file, rules = dataset.manifest.file.name, dataset.manifest.splits
    empty = [split for split in SPLITS if not len(splits[split])]
    advice = {
        "column": f"Correct column {rules.column!r}, or translate its values in splits.values"
        + (", or draw it: splits.validation: 0.15" if empty == ["validation"] else ""),
        "time": f"Look at the times in column {rules.time!r}{_other_fractions(dataset) if empty else ''}",
        "by": "Add reviews, or set splits.fractions, which looks at the labels",
    }.get(rules.rule, "Add reviews, or loosen what ties them together (groups, duplicate texts or pictures)")
    problems = [Problem("empty_split", file, f"split {split!r} has no reviews", advice) for split in empty]
    if "train" not in empty:
        learned = {label for row in splits["train"] for label in dataset.reviews[int(row)].all_labels}
        several = dataset.several_labels
        problems += [
            Problem(
                "label_not_in_training",
                file,
                f"label {label!r} is absent from split 'train'",
                f"{advice}, or join it with another in labels.map",
            )
            for label in dataset.labels
            if label not in learned and not several
        ]
    return problems


def _other_fractions(dataset: Dataset) -> str:
    """Fractions that leave no split of a few moments without reviews, as advice."""
    rules = dataset.manifest.splits
    if rules.rule != "time":
        return ""
    found = possible_fractions(dataset.reviews, rules.shares)
    if found is None:
        return ": fewer than three moments cannot be split by time"
    shares = ", ".join(f"{split}: {share:g}" for split, share in found.items())
    return f", or set splits: {{time: {rules.time}, fractions: {{{shares}}}}}"


def _hash(seed: int, name: str) -> bytes:
    return hashlib.sha256(f"{seed}\0{name}".encode("utf-8", "surrogatepass")).digest()
