"""Answer with a set of labels, or an interval of numbers, that contains the truth for 90 % of the reviews.

Label sets are those of Romano, Sesia and Candes 2020 (arXiv 2006.02544): labels join a set from the most probable one
on, until their probabilities reach a limit that the judged reviews determine. They are randomised, as in the paper:
whether the last label is in the set depends on a uniform number. Without it, the sets of an accurate model cover more
than was asked for, because every set has at least one label. The number is a hash of the seed and of the review's id:
the same review always has the same set, in any order of the rows, and nothing has to be stored. If the model is right
for more than 90 % of the reviews, some sets are empty; their share is stated.

Intervals of numbers are those of split conformal prediction (Lei et al. 2018, arXiv 1604.04173), of equal width.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from automm.evaluate.compare import Figure
from automm.evaluate.confidence.rows import Answered, share
from automm.tasks.base import Task

COVERAGE = 0.9
LARGEST = 5  # sets of so many labels or more are counted together
CELLS = 4_000_000  # probabilities in memory at once
AVERAGED = (
    "The limit comes from models of one fold each, and the test answers are their mean: the exact guarantee of split "
    "conformal prediction does not hold, and the coverage on the test split is what was measured"
)
CHOSEN = (
    "The candidate was chosen on the reviews that the limit comes from: the exact guarantee of split conformal "
    "prediction does not hold, and the coverage on the test split is what was measured"
)


@dataclass(frozen=True)
class Sets:
    """What sets of answers cover on the test split.

    Attributes:
        asked: the coverage that the limit was set for.
        reviews: the number of judged reviews that the limit comes from.
        limit: of the sum of probabilities; of numbers, half the width of the interval, in the unit of the targets.
            None: the judged reviews are too few for one, and a set has all answers.
        coverage: the share of test reviews whose set has the true answer, with its interval over units.
        note: why the guarantee is not exact.
    """

    asked: float
    reviews: int
    limit: float | None
    coverage: Figure
    note: str


@dataclass(frozen=True)
class LabelSets(Sets):
    """Sets of labels.

    Attributes:
        labels: the mean number of labels in a set.
        sizes: (LARGEST + 1,), the share of the sets with 0, 1, ... labels; the last has larger ones too.
        covered_by_size: the coverage of the sets of each size; None where there are none.
        by_label: for each label, the number of test reviews that have it, and how many of their sets contain it.
    """

    labels: float
    sizes: list[float]
    covered_by_size: list[float | None]
    by_label: list[tuple[int, int]]


def uniforms(ids: np.ndarray, seed: int) -> np.ndarray:
    """Return a number in (0, 1) for each id, (n,) float64; the same id and seed have the same number."""
    digests = [hashlib.blake2b(f"{seed}:{name}".encode(), digest_size=6).digest() for name in ids.tolist()]
    return (np.array([int.from_bytes(digest, "big") for digest in digests], np.float64) + 0.5) / 2.0**48


def label_scores(probabilities: np.ndarray, uniform: np.ndarray) -> np.ndarray:
    """Return the score of each label, (n, classes) float64: it is in the set if the score is at most the limit.

    The score is the sum of the probabilities of all labels that are more probable, and a random share of its own. Of
    equally probable labels, the first in the label set counts as the more probable one.

    Args:
        probabilities: (n, classes); each row is scaled to the sum 1.
        uniform: (n,), in (0, 1).
    """
    scaled = probabilities.astype(np.float64)
    scaled /= scaled.sum(axis=1, keepdims=True)
    order = np.argsort(-scaled, axis=1, kind="stable")
    ordered = np.take_along_axis(scaled, order, axis=1)
    before = ordered.cumsum(axis=1) - ordered
    scores = np.empty_like(scaled)
    np.put_along_axis(scores, order, before + uniform[:, None] * ordered, axis=1)
    return scores


def limit_of(scores: np.ndarray, coverage: float) -> float:
    """Return the limit with which a new score is within it with at least this probability; infinite for too few.

    Args:
        scores: (n,), of reviews that are exchangeable with the new one.
    """
    place = int(np.ceil((len(scores) + 1) * coverage))
    return float(np.partition(scores, place - 1)[place - 1]) if place <= len(scores) else np.inf


def label_sets(judged: Answered, test: Answered, seed: int, *, averaged: bool, coverage: float = COVERAGE) -> LabelSets:
    """Set the limit on the judged reviews, and measure the sets of the test split.

    Args:
        seed: of the random shares.
        averaged: whether the judged answers are of one fold's model each, and the test answers their mean.
    """
    scores = np.concatenate([some[np.arange(len(at)), judged.targets[at]] for at, some in _scores(judged, seed)])
    limit = limit_of(scores, coverage)
    covered, sizes = np.zeros(len(test), bool), np.zeros(len(test), np.int64)
    for at, some in _scores(test, seed):
        within = some <= limit
        covered[at], sizes[at] = within[np.arange(len(at)), test.targets[at]], within.sum(axis=1)
    capped, classes = np.minimum(sizes, LARGEST), test.answers.shape[1]
    counts, hits = (np.bincount(capped, weights, LARGEST + 1) for weights in (None, covered))
    reviews, right = (np.bincount(test.targets, weights, classes) for weights in (None, covered))
    return LabelSets(
        **_shared(judged, test, limit, covered, averaged, coverage),
        labels=float(sizes.mean()),
        sizes=(counts / len(test)).tolist(),
        covered_by_size=[float(hit / count) if count else None for hit, count in zip(hits, counts, strict=True)],
        by_label=[(int(count), int(hit)) for count, hit in zip(reviews, right, strict=True)],
    )


def number_intervals(
    task: Task, judged: Answered, test: Answered, *, averaged: bool, coverage: float = COVERAGE
) -> Sets:
    """Set half the width on the judged reviews, and measure the intervals of the test split.

    Args:
        task: a task without probabilities, whose smooth inputs are errors.
    """
    errors, tested = (np.abs(task.smooth_inputs(rows.targets, rows.answers)) for rows in (judged, test))
    limit = limit_of(errors, coverage)
    return Sets(**_shared(judged, test, limit, tested <= limit, averaged, coverage))


def _scores(rows: Answered, seed: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield the places of some reviews, and the scores of their labels."""
    parts = 1 + rows.answers.size // CELLS
    for at in np.array_split(np.arange(len(rows)), parts):
        yield at, label_scores(rows.answers[at], uniforms(rows.ids[at], seed))


def _shared(
    judged: Answered, test: Answered, limit: float, covered: np.ndarray, averaged: bool, coverage: float
) -> dict[str, Any]:
    """Return the attributes of `Sets`."""
    return {
        "asked": coverage,
        "reviews": len(judged),
        "limit": limit if np.isfinite(limit) else None,
        "coverage": share(np.ones(len(test), bool), covered, test.units),
        "note": AVERAGED if averaged else CHOSEN,
    }
