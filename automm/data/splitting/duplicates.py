"""Drop reviews that repeat another one in text and pictures."""

from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

from automm.data.change_kinds import Change
from automm.data.records.reviews import Dataset, Review
from automm.data.splitting.text_forms import duplicate_key
from automm.errors import DataError


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
