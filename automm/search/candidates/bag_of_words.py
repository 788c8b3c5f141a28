"""The linear baseline on the words of the text (`data/inputs/words`), without an encoder."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from automm.data.inputs.words import BUCKETS
from automm.models import baselines
from automm.models.average import average
from automm.search.bench import Bench
from automm.search.candidates.estimator import Estimator, Fitted
from automm.search.candidates.linear import Logistic, Ridge, fit_linear


class LogisticOfWords(Logistic):
    """A softmax regression of labels on vectors of length 1, which need a weaker penalty than standardised features."""

    strengths = (3.0, 10.0, 30.0)
    strength_of_many = 10.0
    tolerance = 1e-4


class RidgeOfWords(Ridge):
    """A ridge regression of numbers on vectors of length 1."""

    strengths = (10.0, 3.0, 1.0, 0.3, 0.1)


REGRESSIONS = {"logistic": LogisticOfWords(), "ridge": RidgeOfWords()}  # as in `candidates/linear`


@dataclass(frozen=True)
class BagOfWords(Estimator):
    """The regression of the task on the words of the text."""

    def fit(self, bench: Bench) -> Fitted:
        from threadpoolctl import threadpool_limits

        regression = REGRESSIONS[bench.setup.task.linear]
        models = bench.fold_models(partial(baselines.bag_of_words, bench.setup.shapes))
        with threadpool_limits(1):  # as in `boosted_trees`; the products are sparse, and have one thread anyway
            strength = fit_linear(bench, models, regression, _design)
        return Fitted(average(models), bench.evaluate_models(models), {regression.key: strength})


@contextmanager
def _design(bench: Bench, model: Any, rows: np.ndarray) -> Iterator[Any]:
    """Provide what `WordWeights` of the model gives for some reviews, as a sparse matrix (rows, BUCKETS) float32."""
    from scipy.sparse import csr_matrix

    words = bench.setup.arrays.words
    assert words is not None
    terms = words.rows(rows)
    values = terms.values * np.asarray(model.get_layer("word_weights").idf)[terms.buckets]
    of_review = np.repeat(np.arange(len(rows)), terms.lengths)
    lengths = np.sqrt(np.bincount(of_review, values.astype(np.float64) ** 2, minlength=len(rows)))
    values = (values / np.maximum(lengths, 1e-12)[of_review]).astype(np.float32)  # as `WordWeights`
    yield csr_matrix((values, terms.buckets.astype(np.int32), terms.starts), shape=(len(rows), BUCKETS))
