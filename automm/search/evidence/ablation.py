"""Features from which something was taken: a modality, its link to the reviews, or a part of the training reviews.

A modality is taken by masking it in all reviews, in training and in judging, and not by building a smaller model: every
fusion then stays what it is, and what a model learns for reviews without the modality takes its place.
"""

from dataclasses import dataclass, field, fields, replace

import numpy as np

from automm.data.inputs.input_sources import WORD_WEIGHTS, source_of_input
from automm.data.inputs.modalities import without
from automm.evaluate.evidence.rows import other_rows, rows_of_share, unit_order
from automm.models.heads import HEADS, Statistics
from automm.search.features.encoded import Features
from automm.search.setup.data import Setup
from automm.search.training.loop import Fold


@dataclass(frozen=True)
class Arm:
    """One training of the recipe.

    Attributes:
        seed: counted from 1: of the weights and batches, of the shuffle, and of the share.
        lost: the modalities that no review has.
        shuffled: the modality that each review has from another one; "": none.
        share: of the training reviews.
    """

    seed: int
    lost: frozenset[str] = frozenset()
    shuffled: str = ""
    share: float = 1.0

    @property
    def name(self) -> str:
        """The name of its file."""
        parts = [f"without-{name}" for name in sorted(self.lost)]
        parts += [f"shuffled-{self.shuffled}"] if self.shuffled else []
        parts += [f"share-{self.share:g}"] if self.share < 1 else []
        return "-".join([*parts, f"seed-{self.seed}"])


@dataclass(frozen=True)
class Ablated(Features):
    """Features without some modalities, with a modality of other reviews, or without the pictures at one place.

    Attributes:
        lost, shuffled: as in `Arm`.
        donors: (all rows,) int64, the review whose modality each review has, if one is shuffled.
        place: of the pictures that all reviews lose, from 0; None: they keep all.
    """

    lost: frozenset[str] = frozenset()
    shuffled: str = ""
    donors: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    place: int | None = None

    @classmethod
    def of(cls, features: Features, lost: frozenset[str], shuffled: str, donors: np.ndarray) -> "Ablated":
        given = {one.name: getattr(features, one.name) for one in fields(Features)}
        return cls(**given, lost=lost, shuffled=shuffled, donors=donors)

    def batch(self, rows: np.ndarray) -> dict[str, np.ndarray]:
        batch = super().batch(rows)
        if self.shuffled:
            other = super().batch(self.donors[rows])
            batch |= {name: other[name] for name in batch if source_of_input(name).modality == self.shuffled}
        for modality in self.lost:
            batch = without(batch, modality, np.ones(len(rows), bool))
        if self.place is not None:
            for name in [name for name in batch if source_of_input(name).modality == "image"]:
                batch[name] = batch[name].copy()
                batch[name][:, self.place] = 0
        return batch


def ablated(setup: Setup, arm: Arm) -> Setup:
    """Return the setup of an arm: its features, its training rows with their statistics, and the same judged rows."""
    features = Ablated.of(setup.features, arm.lost, arm.shuffled, donors_of(setup, arm.seed))
    if arm.share == 1.0:
        return replace(setup, features=features)
    folds = folds_of_share(setup, arm.seed, arm.share)
    statistics = tuple(_statistics(setup, fold.train) for fold in folds)
    return replace(setup, features=features, folds=folds, statistics=statistics)


def folds_of_share(setup: Setup, seed: int, share: float) -> tuple[Fold, ...]:
    """Return the folds with a share of their training rows; a unit that one fold lacks, others lack too."""
    order = unit_order(setup.units, np.random.default_rng((setup.experiment.seed, seed)))
    return tuple(Fold(rows_of_share(f.train, setup.units, order, share), f.validation) for f in setup.folds)


def donors_of(setup: Setup, seed: int) -> np.ndarray:
    """Return the review whose modality each review has, (all rows,) int64; the reviews of the test split keep theirs.

    Reviews exchange it within their fold, or within train and validation. What a model is trained on then holds nothing
    of the reviews that it is judged on, and the statistics of the training rows stay the same.
    """
    rng, donors = np.random.default_rng((setup.experiment.seed, seed)), np.arange(len(setup.features))
    parts = [fold.validation for fold in setup.folds]
    if len(setup.folds) == 1:
        parts.append(setup.folds[0].train)
    for rows in parts:
        donors[rows] = other_rows(rows, setup.units, rng)
    return donors


def _statistics(setup: Setup, train: np.ndarray) -> Statistics:
    """Return the statistics of some training rows, as `search/setup/data.prepare` computes them.

    The idf of words is that of the terms that models read: of the others, none is stored.
    """
    found = setup.features.statistics(train, of_targets=HEADS[setup.task.head].scaled)
    words = setup.arrays.words
    return found if words is None else {**found, WORD_WEIGHTS: (words.idf(train),)}
