"""Who learns, who chooses, who judges: train, validation and test.

By a column, by time, by a hash of the id, or by fractions or folds: the last two keep labels in their proportions and
what belongs together (a group, the same text, the same picture, as far as `splits.keep_together` names them) on one
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
from automm.data.reviews import Dataset, Review
from automm.data.sections import SPLITS, Splits
from automm.data.split_rules import by_column, by_hash, by_time, possible_fractions
from automm.data.ties import components, picture_name, whole_key
from automm.errors import DataError, Problem

STRATA = 10  # of numbers


def split_dataset(dataset: Dataset, digests: Mapping[Path, str]) -> dict[str, np.ndarray]:
    """Assign every review to one split.

    Args:
        dataset: n labelled reviews.
        digests: of the pictures' bytes, or `near.picture_names`; a picture without one counts by its path.

    Returns:
        Sorted int64 row indices of 'train', 'validation' and 'test': disjoint, complete.

    Raises:
        DataError: a split without reviews, or a label that is absent from training.
    """
    with no_cycles():
        names = RULES[dataset.manifest.splits.rule](dataset, digests)
    splits = {split: np.array([row for row, name in enumerate(names) if name == split], np.int64) for split in SPLITS}
    problems = _problems(dataset, splits)
    if problems:
        raise DataError(problems)
    return splits


def _by_fractions(dataset: Dataset, digests: Mapping[Path, str]) -> list[str]:
    rules = dataset.manifest.splits
    return _place(dataset.reviews, digests, rules.shares, rules)


def _by_folds(dataset: Dataset, digests: Mapping[Path, str]) -> list[str]:
    """The fold that is asked for is the test split, the next one validation; the others are for training."""
    rules = dataset.manifest.splits
    count, fold = rules.folds or 1, rules.fold or 1
    folds = [str(number) for number in range(count)]
    roles = dict.fromkeys(folds, "train")
    roles[folds[fold - 1]], roles[folds[fold % count]] = "test", "validation"
    placed = _place(dataset.reviews, digests, dict.fromkeys(folds, 1 / count), rules)
    return [roles[name] for name in placed]


def _by_column(dataset: Dataset, digests: Mapping[Path, str]) -> list[str]:
    """What the column says; `splits.validation` draws a share of its training reviews, by the rule of fractions."""
    rules, names = dataset.manifest.splits, by_column(dataset.reviews)
    if rules.validation is None:
        return names
    if "validation" in names:
        file = dataset.manifest.file.name
        raise DataError(f"{file}: column {rules.column!r} names a validation split. Remove splits.validation")
    train = [row for row, name in enumerate(names) if name == "train"]
    shares = {"train": 1 - rules.validation, "validation": rules.validation}
    for row, name in zip(train, _place([dataset.reviews[r] for r in train], digests, shares, rules), strict=True):
        names[row] = name
    return names


# How each rule of a manifest names the split of every review: (dataset, digests of pictures) -> n names.
RULES: dict[str, Callable[[Dataset, Mapping[Path, str]], list[str]]] = {
    "fractions": _by_fractions,
    "folds": _by_folds,
    "column": _by_column,
    "time": lambda dataset, digests: by_time(dataset.reviews, dataset.manifest.splits.shares),
    "by": lambda dataset, digests: by_hash(
        dataset.reviews, dataset.manifest.splits.shares, dataset.manifest.splits.seed
    ),
}


def fold_rows(
    dataset: Dataset, digests: Mapping[Path, str], rows: np.ndarray, folds: int
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Some reviews, cut into folds: labels keep their proportions, and what belongs together stays together.

    Args:
        rows: (n,) sorted.
        folds: how many, from 2.

    Returns:
        For each fold the sorted rows to learn from and the sorted rows to be judged on. The latter are disjoint and
        complete. Fewer folds than asked for where the reviews fall into fewer groups.
    """
    reviews = [dataset.reviews[int(row)] for row in rows]
    names = [str(place) for place in range(folds)]
    placed = _place(reviews, digests, dict.fromkeys(names, 1 / folds), dataset.manifest.splits)
    held_out = [np.array([name == fold for name in placed]) for fold in names]
    return [(rows[~mask], rows[mask]) for mask in held_out if mask.any()]


def subsample(dataset: Dataset, share: float) -> Dataset:
    """A share of the reviews for a first look: labels keep their proportions, in each split that the records name.

    What belongs together by its group, its text or the file of its picture is kept or left out together. The manifest's
    split seed decides, so that everybody's first look is the same.
    """
    # As if the label were the pair of label and split.
    paired = [
        replace(review, label=f"{stratum} {review.split}", value=None)
        for review, stratum in zip(dataset.reviews, strata(dataset.reviews), strict=True)
    ]
    placed = _place(paired, {}, {"kept": share, "left": 1 - share}, dataset.manifest.splits)
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
    treated: list[Change] = []
    for reviews in same.values():
        if len({frozenset(review.all_labels) for review in reviews}) > 1:
            treated += [Change.CONFLICTING] * len(reviews)
        else:
            kept.add(min(review.id for review in reviews))
            treated += [Change.DUPLICATE] * (len(reviews) - 1)
    if not kept:
        file, number = dataset.manifest.file.name, len(dataset.reviews)
        raise DataError(
            f"{file}: no reviews left: {Change.CONFLICTING.text} {number}. Correct the labels, or leave "
            "drop_duplicates out"
        )
    return dataset.keep([review for review in dataset.reviews if review.id in kept], treated)


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


def _place(
    reviews: Sequence[Review], digests: Mapping[Path, str], shares: Mapping[str, float], rules: Splits
) -> list[str]:
    """A part for each review: components, largest first, go where they disturb the wanted label counts least.

    The disturbance is the growth of sum((placed - wanted)^2 / wanted) over the labels, and over all reviews.

    Args:
        shares: of all reviews, by the name of a part.
        rules: their seed, and what they keep together.
    """
    seed = rules.seed
    labels = strata(reviews)
    counts = Counter(labels)
    total = len(reviews)
    wanted = {split: {label: share * count for label, count in counts.items()} for split, share in shares.items()}
    placed = {split: dict.fromkeys(counts, 0) for split in shares}
    filled = dict.fromkeys(shares, 0)
    names = [""] * total
    whole = {split: share * total for split, share in shares.items()}

    def growth(split: str, part: Mapping[str, int], size: int) -> float:
        have, want, all_wanted = placed[split], wanted[split], whole[split]
        disturbed = 0.0
        for label, count in part.items():
            disturbed += count * (2 * (have[label] - want[label]) + count) / want[label]
        return disturbed + size * (2 * (filled[split] - all_wanted) + size) / all_wanted

    tied = components(reviews, digests, rules.keep_together)
    keys = [_hash(seed, review.id) for review in reviews]
    ordered = sorted((-len(rows), min([keys[row] for row in rows]), rows) for rows in tied)
    for _, key, rows in ordered:
        part = Counter(labels[row] for row in rows) if len(rows) > 1 else {labels[rows[0]]: 1}
        growths = [growth(split, part, len(rows)) for split in shares]
        limit = min(growths) + 1e-9  # sums of floats may differ in their last bits where they should not
        level = [split for split, grown in zip(shares, growths, strict=True) if grown <= limit]
        best = level[0] if len(level) == 1 else min(level, key=lambda split: _hash(seed, key.hex() + split))
        for label, count in part.items():
            placed[best][label] += count
        filled[best] += len(rows)
        for row in rows:
            names[row] = best
    return names


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
