"""Findings about labels: shares per split, labels that look like missing values, and spellings of one label."""

import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping

import numpy as np

from automm.data.quality.checked import Checked
from automm.data.quality.finding import Example, Finding, example, excerpt, finding
from automm.data.records.reviews import Review
from automm.data.sections import SPLITS

SHIFT, CHANCE = 0.1, 0.01  # a shift is reported from this Cramér's V on, and up to this p value
# How tables write a missing value. A manifest whose labels.map lists one of these means it as a label.
MISSING_LIKE = {"nan", "na", "n/a", "#n/a", "nat", "none", "null", "nil", "undefined", "missing", "-", "--", "?"}
SAYING, FEWEST_SAYING = 0.9, 20  # share of each label's texts that contain it; fewer reviews may be chance
SAMPLE = 1000  # reviews that are examined first
LARGE_SETS = (
    "Linked reviews (shared groups, texts or pictures) form sets too large to spread evenly. Shorten "
    "splits.keep_together, or set fields.group to a finer column."
)
SHIFT_FIXES = {
    "column": "To balance the splits, replace splits.column with splits: {fractions: ...}.",
    "by": "To balance the splits, replace splits.by with splits: {fractions: ...}.",
    "time": "The shift may be real: later reviews may differ. To balance the splits, replace splits.time with splits: "
    "{fractions: ...}.",
}

# Words for true and for false: labels that mix several words for one of them were written by different programs.
TRUTHS = ({"true", "t", "yes", "y", "1"}, {"false", "f", "no", "n", "0"})

_WORD = re.compile(r"\w+")


def label_table(checked: Checked) -> dict[str, dict[str, int]]:
    """Count the reviews per split and label; {} without a label set, or if the reviews cannot be split."""
    if not checked.dataset.labels:
        return {}
    there = set(checked.split_of.values())
    table = {split: dict.fromkeys(checked.dataset.labels, 0) for split in SPLITS if split in there}
    for review in checked.reviews:
        for label in review.all_labels if review.id in checked.split_of else ():
            table[checked.split_of[review.id]][label] += 1
    return table


def absent_labels(checked: Checked) -> Iterator[Finding]:
    """Report labels that validation or test lacks; a label that training lacks is an error of the split."""
    gaps = [
        Example((), f"{label!r}: no review in {split}")
        for split, counts in label_table(checked).items()
        for label, count in counts.items()
        if split != "train" and count == 0
    ]
    if gaps:
        yield finding("absent_labels", len(gaps), gaps)


def label_shift(checked: Checked) -> Iterator[Finding]:
    """Report label shares that differ between the splits by more than chance and enough to matter."""
    table = label_table(checked)
    counts = np.array([list(row.values()) for row in table.values()])
    if counts.size == 0:
        return
    effect, squared, freedom = _association(counts)
    if effect >= SHIFT and (chance := _chance(squared, freedom)) <= CHANCE:
        shifted = _shifted(table)
        fix = SHIFT_FIXES.get(checked.dataset.manifest.splits.rule, LARGE_SETS)
        yield finding("label_shift", len(shifted), shifted, effect=effect, chance=chance, fix=fix)


def missing_like_labels(checked: Checked) -> Iterator[Finding]:
    """Report labels that look like a missing value, unless labels.map lists the labels."""
    counts = {label: count for label, count in _unlisted(checked).items() if label.casefold() in MISSING_LIKE}
    if counts:
        examples = [Example((), f"{label!r} in {count:,} reviews") for label, count in counts.items()]
        yield finding("missing_like_labels", len(counts), examples)


def labels_of_one_word(checked: Checked) -> Iterator[Finding]:
    """Report labels that differ only in case or spaces, or are words for true or false, such as 1 and true.

    Labels that labels.map lists are not reported.
    """
    spellings: dict[str, list[str]] = defaultdict(list)
    counts = _unlisted(checked)
    plain = {label: " ".join(label.casefold().split()) for label in counts}
    are_truths = set(plain.values()) <= TRUTHS[0] | TRUTHS[1]
    for label in sorted(counts, key=lambda label: (-counts[label], label)):
        word = plain[label]
        spellings[("false" if word in TRUTHS[1] else "true") if are_truths else word].append(label)
    several = [labels for labels in spellings.values() if len(labels) > 1]
    if several:
        examples = [Example((), ", ".join(f"{label!r} ({counts[label]:,})" for label in labels)) for labels in several]
        quoted = [[json.dumps(label, ensure_ascii=False) for label in labels] for labels in several[:3]]
        joined = ", ".join(f"{labels[0]}: [{', '.join(labels)}]" for labels in quoted)
        yield finding("labels_of_one_word", sum(map(len, several)), examples, joined=joined)


def labels_in_texts(checked: Checked) -> Iterator[Finding]:
    """Report texts that contain their own label and no other ("Rating: positive"), if nearly all of every label do."""
    reviews = [review for review in checked.reviews if len(review.all_labels) == 1]
    spelt = {label: _spaced(label) for label in checked.dataset.labels}
    if len(reviews) < FEWEST_SAYING or not all(map(str.strip, spelt.values())):
        return
    for some in (reviews[:: max(1, len(reviews) // SAMPLE)], reviews):  # all texts are read only if the sample's do
        of_label: dict[str, list[Review | None]] = defaultdict(list)
        for review in some:
            [label] = review.all_labels
            text = _spaced(review.text)
            said = [one for one in spelt.values() if one in text and one not in spelt[label]]
            of_label[label].append(review if spelt[label] in text and not said else None)
        if len(of_label) < 2 or any(sum(map(bool, every)) < SAYING * len(every) for every in of_label.values()):
            return
    saying = [review for every in of_label.values() for review in every if review]
    examples = [
        example([review], f"label {review.all_labels[0]!r} in the text {excerpt(review.text)}")
        for review in sorted(saying, key=lambda review: review.where)[:5]
    ]
    yield finding("labels_in_texts", len(saying), examples)


def _spaced(text: str) -> str:
    """Return the words of a text in lower case, each between spaces."""
    return f" {' '.join(_WORD.findall(text.casefold()))} "


def _unlisted(checked: Checked) -> Counter[str]:
    """Count the reviews per label; empty if the manifest lists the labels."""
    manifest = checked.dataset.manifest
    if manifest.labels.map is not None:
        return Counter()
    return Counter(label for review in checked.reviews for label in review.all_labels)


def association(counts: np.ndarray) -> tuple[float, float]:
    """Measure the association between the rows and the columns of a table of counts.

    Args:
        counts: (rows, columns), at least 2 each; empty rows and columns are ignored.

    Returns:
        Cramér's V (0 to 1; H. Cramér, Mathematical Methods of Statistics, 1946), and the p value of Pearson's
        chi-squared test; 0 and 1 if only one row or column is not empty.
    """
    effect, squared, freedom = _association(counts)
    return effect, _chance(squared, freedom)


def _association(counts: np.ndarray) -> tuple[float, float, int]:
    """Return Cramér's V, chi squared, and its degrees of freedom."""
    counts = counts[counts.sum(axis=1) > 0][:, counts.sum(axis=0) > 0].astype(np.float64)
    rows, columns = counts.shape
    if min(rows, columns) < 2:
        return 0.0, 0.0, 0
    total = counts.sum()
    expected = counts.sum(axis=1, keepdims=True) * counts.sum(axis=0, keepdims=True) / total
    squared = float(((counts - expected) ** 2 / expected).sum())
    freedom = (rows - 1) * (columns - 1)
    return float(np.sqrt(squared / total / (min(rows, columns) - 1))), squared, freedom


def _chance(squared: float, freedom: int) -> float:
    from scipy.special import gammaincc  # half of the import time of the command, and seldom needed

    return float(gammaincc(freedom / 2, squared / 2)) if freedom else 1.0


def _shifted(table: Mapping[str, Mapping[str, int]]) -> list[Example]:
    """Return every label with its shares, the most different ones first."""
    totals = {split: max(1, sum(counts.values())) for split, counts in table.items()}
    shares = {label: [counts[label] / totals[split] for split, counts in table.items()] for label in table["train"]}
    ordered = sorted(shares, key=lambda label: min(shares[label]) - max(shares[label]))
    return [
        Example(
            (),
            f"{label!r}: "
            + ", ".join(f"{share:.0%} of {split}" for split, share in zip(table, shares[label], strict=True)),
        )
        for label in ordered
    ]
