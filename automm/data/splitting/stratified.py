"""Split the reviews into train, validation and test.

The rules are: by a column, by time, by a hash of the id, by fractions, or by folds. Fractions and folds keep the
proportions of the labels, and keep linked reviews in one split (reviews of a group, copies of a text or a picture, as
`splits.keep_together` says): a picture in both training and test measures memory. Decisions depend on ids and the seed,
never on the order of the reviews.
"""

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from automm.data.changes import Change
from automm.data.collector import paused_collector
from automm.data.records.reviews import Dataset, Review
from automm.data.sections import SPLITS
from automm.data.splitting.links import Links, link_reviews
from automm.data.splitting.rules import by_column, by_hash, by_time, possible_fractions
from automm.data.splitting.text_forms import duplicate_key, picture_name
from automm.errors import DataError, Problem

STRATA = 10  # for numbers to predict: tenths


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


def place_in_folds(dataset: Dataset, links: Links) -> list[int]:
    """Return the fold of every review, from 0, by the manifest's `splits.folds`."""
    rules = dataset.manifest.splits
    return _place_evenly(dataset.reviews, links.components, rules.folds or 1, rules.seed)


def roles_of_folds(placed: Sequence[int], folds: int, fold: int) -> list[str]:
    """Return the split of every review if fold `fold` (from 1) is the test split, and the next fold validation."""
    roles = ["train"] * folds
    roles[fold - 1], roles[fold % folds] = "test", "validation"
    return [roles[place] for place in placed]


def _by_fractions(dataset: Dataset, links: Links) -> list[str]:
    rules = dataset.manifest.splits
    return _place(dataset.reviews, links.components, rules.shares, rules.seed)


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
    placed = _place([dataset.reviews[row] for row in train], links.components_of(train), shares, rules.seed)
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


def fold_rows(dataset: Dataset, links: Links, rows: np.ndarray, folds: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Split some reviews into folds: labels keep their proportions, and linked reviews stay together.

    Args:
        dataset: all reviews.
        links: between all reviews of the data set.
        rows: (n,) sorted rows to split.
        folds: number of folds, at least 2.

    Returns:
        For each fold the sorted training rows and the sorted held-out rows. Held-out rows are disjoint and complete.
        There are fewer folds than `folds` if the reviews form fewer components.
    """
    reviews = [dataset.reviews[int(row)] for row in rows]
    placed = np.array(_place_evenly(reviews, links.components_of(rows.tolist()), folds, dataset.manifest.splits.seed))
    held_out = [placed == fold for fold in range(folds)]
    return [(rows[~mask], rows[mask]) for mask in held_out if mask.any()]


def subsample(dataset: Dataset, share: float) -> Dataset:
    """Return a share of the reviews; labels keep their proportions in each split that the records name.

    Reviews that are linked by a group, a text or the file of a picture are kept or left out together. The manifest's
    split seed decides: the sample is the same for everyone.
    """
    # The pair of label and split takes the place of the label.
    paired = [
        replace(review, label=f"{stratum} {review.split}", value=None)
        for review, stratum in zip(dataset.reviews, strata(dataset.reviews), strict=True)
    ]
    rules = dataset.manifest.splits
    components = link_reviews(dataset.reviews, {}, rules.keep_together).components
    placed = _place(paired, components, {"kept": share, "left": 1 - share}, rules.seed)
    kept = [review for review, place in zip(dataset.reviews, placed, strict=True) if place == "kept"]
    return dataset.keep(kept, [Change.NOT_SAMPLED] * (len(placed) - len(kept)))


def drop_duplicates(dataset: Dataset, digests: Mapping[Path, str]) -> Dataset:
    """Keep one of the reviews with the same text and pictures, if the manifest sets drop_duplicates.

    The review with the smallest id is kept if all labels agree; if they conflict, none is kept. Reviews with a short
    text ("Great!") and no picture are all kept: they may be equal by chance.

    Raises:
        DataError: no review is left.
    """
    if not dataset.manifest.drop_duplicates:
        return dataset
    same: dict[object, list[Review]] = defaultdict(list)
    kept: set[str] = set()
    for review in dataset.reviews:
        key = duplicate_key(review, digests)
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
            f"{file}: no reviews left ({Change.CONFLICTING.text}: {number:,}). Correct the labels, or remove "
            "drop_duplicates"
        )
    return dataset.keep([review for review in dataset.reviews if review.id in kept], changes)


def fingerprint(dataset: Dataset, digests: Mapping[Path, str], splits: Mapping[str, np.ndarray]) -> str:
    """Return the sha256 of ids, texts, labels, pictures, columns and splits, hexadecimal, whatever the row order."""
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
    """Return the stratum of each review, to keep proportions in every split: its label, or the tenth of its number."""
    values = np.array([np.nan if review.value is None else review.value for review in reviews])
    if np.isnan(values).any() or not len(values):
        return [str(review.label) for review in reviews]
    edges = np.quantile(values, np.arange(1, STRATA) / STRATA)
    return [str(place) for place in np.searchsorted(edges, values)]


def _place_evenly(reviews: Sequence[Review], components: Sequence[list[int]], parts: int, seed: int) -> list[int]:
    """Return the part of each review, from 0, for `parts` parts of equal size."""
    return [int(name) for name in _place(reviews, components, {str(part): 1 / parts for part in range(parts)}, seed)]


def _place(
    reviews: Sequence[Review], components: Sequence[list[int]], shares: Mapping[str, float], seed: int
) -> list[str]:
    """Return the part of each review: components, largest first, go where they disturb the wanted label counts least.

    The disturbance is the growth of sum((placed - wanted)^2 / wanted) over the labels, plus the same over all reviews.

    Args:
        reviews: n reviews.
        components: of the n rows, as from `Links.components`.
        shares: of all reviews, by the name of a part.
        seed: decides between equally good parts.
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
        [
            (-len(rows), min([keys[row] for row in rows]) if len(rows) > 1 else keys[rows[0]], rows)
            for rows in components
        ]
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
        limit = min(growths) + 1e-9  # equal sums of floats may differ in their last bits
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
        "column": f"Correct column {rules.column!r}, or map its values in splits.values"
        + (", or draw the split: splits.validation: 0.15" if empty == ["validation"] else ""),
        "time": f"Check the times in column {rules.time!r}{_other_fractions(dataset) if empty else ''}",
        "by": "Add reviews, or set splits.fractions, which keeps the proportions of labels",
    }.get(rules.rule, "Add reviews, or link fewer by splits.keep_together (groups, texts, pictures)")
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


def _hash(seed: int, name: str) -> bytes:
    return hashlib.sha256(f"{seed}\0{name}".encode("utf-8", "surrogatepass")).digest()
