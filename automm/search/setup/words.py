"""The words of a search's texts, counted once: all folds share the counts, and each has its own idf."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from automm.config.experiment import Experiment
from automm.data.inputs.input_sources import WORD_WEIGHTS
from automm.data.inputs.words import Terms, count_terms, weights_of
from automm.data.manifest import Manifest
from automm.models.heads import Statistics
from automm.search.space.validation import space_of

BAG_OF_WORDS, WIDTH = "bag_of_words", "words/width"


@dataclass(frozen=True)
class Words:
    """The words of all reviews, row for row; without arguments, no candidate reads words.

    Attributes:
        weights: of all terms.
        idf: of the training split, (BUCKETS,) float32; it decides which terms a model reads.
        read: the terms that a model reads.
        dropped: how many terms were dropped.
    """

    weights: Terms | None = None
    idf: np.ndarray | None = None
    read: Terms | None = None
    dropped: int = 0

    @classmethod
    def of(cls, texts: Sequence[str], train: np.ndarray) -> "Words":
        """Count the words of all texts.

        Args:
            train: the rows of the training split.
        """
        weights = weights_of(count_terms(texts))
        idf = weights.idf(train)
        return cls(weights, idf, *weights.largest(idf))

    def statistics(self, train: np.ndarray) -> Statistics:
        """Return the idf of the training rows of a fold, as `learn_statistics` takes it."""
        return {} if self.weights is None else {WORD_WEIGHTS: (self.weights.idf(train),)}


def reads_words(experiment: Experiment, manifest: Manifest) -> bool:
    """Return whether a candidate of the experiment reads words."""
    names = experiment.baselines.names(manifest.towers(experiment.inputs), manifest.task_object)
    return BAG_OF_WORDS in names or WIDTH in space_of(experiment, manifest)
