"""Findings about the numbers to predict: nearly constant, outliers, or different between the splits."""

from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np

from automm.data.quality.checked import Checked
from automm.data.quality.checks.labels import CHANCE, LARGE_SETS, SHIFT, SHIFT_FIXES
from automm.data.quality.finding import Example, Finding, example, finding
from automm.data.records.reviews import Review
from automm.data.sections import SPLITS

QUANTILES = {"min": 0.0, "25%": 0.25, "50%": 0.5, "75%": 0.75, "max": 1.0}
MOSTLY = 0.9  # from this share of reviews with the same value on, there is little to learn
FAR = 10.0  # interquartile ranges outside the nearer quartile; Tukey calls 3 "far out"
ALL = "all"  # key of all reviews


def number_table(checked: Checked) -> dict[str, dict[str, float]]:
    """Count the reviews, and compute quantiles of their numbers, per split; {} if no number is predicted."""
    return {
        split: {
            "reviews": len(reviews),
            **{name: float(np.quantile(_values(reviews), share)) for name, share in QUANTILES.items()},
        }
        for split, reviews in _by_split(checked).items()
    }


def one_number(checked: Checked) -> Iterator[Finding]:
    """Report a value that nearly all reviews have, or all reviews of a split."""
    parts = _by_split(checked)
    whole = [review for reviews in parts.values() for review in reviews]
    examples, count = [], 0
    for split, reviews in ({ALL: whole} | parts if whole else {}).items():
        [(value, times)] = Counter(_values(reviews).tolist()).most_common(1)
        share = times / len(reviews)
        if len(reviews) > 1 and share >= (MOSTLY if split == ALL else 1):
            where = "of all reviews" if split == ALL else f"of {split}"
            examples.append(Example((), f"{value:g} in {share:.0%} {where}"))
            count = max(count, times)
    if examples:
        yield finding("one_number", count, examples)


def far_numbers(checked: Checked) -> Iterator[Finding]:
    """Report outliers that outweigh the other values."""
    reviews = [review for reviews in _by_split(checked).values() for review in reviews]
    if not reviews:
        return
    values = _values(reviews)
    low, high = np.quantile(values, [0.25, 0.75])
    outside = np.maximum(low - values, values - high)
    far = [row for row in np.argsort(-outside, kind="stable") if outside[row] > FAR * (high - low)]
    if high > low and far:
        examples = [example([reviews[row]], f"{values[row]:g}") for row in far]
        yield finding("far_numbers", len(far), examples, low=f"{low:g}", high=f"{high:g}", far=f"{FAR:g}")


def number_shift(checked: Checked) -> Iterator[Finding]:
    """Report values of validation or test that differ from training by more than chance and enough to matter."""
    parts = {split: _values(reviews) for split, reviews in _by_split(checked).items()}
    others = [split for split in parts if split != "train" and "train" in parts]
    apart = [(split, distance(parts["train"], parts[split])) for split in others]
    far = [
        (split, effect, chance_of(effect, parts["train"], parts[split])) for split, effect in apart if effect >= SHIFT
    ]
    shifted = [one for one in far if one[2] <= CHANCE]
    if shifted:
        median = float(np.median(parts["train"]))
        examples = [
            Example((), f"{split}: median {np.median(parts[split]):g}, training: {median:g}") for split, *_ in shifted
        ]
        _, effect, chance = max(shifted, key=lambda one: one[1])
        fix = SHIFT_FIXES.get(checked.dataset.manifest.splits.rule, LARGE_SETS)
        yield finding("number_shift", len(shifted), examples, effect=effect, chance=chance, fix=fix)


def distance(ours: np.ndarray, theirs: np.ndarray) -> float:
    """Return the largest difference between two empirical distribution functions (Kolmogorov-Smirnov), 0 to 1.

    Args:
        ours, theirs: (n,) and (m,), not empty.
    """
    edges = np.union1d(ours, theirs)
    shares = [np.searchsorted(np.sort(one), edges, side="right") / len(one) for one in (ours, theirs)]
    return float(np.abs(shares[0] - shares[1]).max())


def chance_of(largest: float, ours: np.ndarray, theirs: np.ndarray) -> float:
    """Return the p value of a `distance`; exact only for large samples."""
    from scipy.special import kolmogorov

    size = len(ours) * len(theirs) / (len(ours) + len(theirs))
    return float(kolmogorov(np.sqrt(size) * largest))


def _by_split(checked: Checked) -> dict[str, list[Review]]:
    """Return the reviews with a number by split, in the order of the splits; under `ALL` if there are no splits."""
    reviews = [review for review in checked.reviews if review.value is not None]
    parts = {split: [one for one in reviews if checked.split_of.get(one.id) == split] for split in SPLITS}
    parts = {split: part for split, part in parts.items() if part}
    return parts or ({ALL: reviews} if reviews else {})


def _values(reviews: Sequence[Review]) -> np.ndarray:
    return np.array([review.value for review in reviews], np.float64)
