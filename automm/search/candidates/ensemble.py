"""An ensemble of fitted candidates.

Greedy forward selection with replacement (Caruana, Niculescu-Mizil, Crew and Ksikes 2004, "Ensemble selection from
libraries of models"): the member is added that makes the loss of the mean answers smallest, again and again. It is the
loss whatever the objective is, because the loss is smooth; a count of right answers in few rows is mostly chance. The
score is crossed: for each part of the judged rows, the members are picked on the other parts.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from automm.models.average import average
from automm.search.bench import Bench
from automm.search.candidates.estimator import Estimator, Fitted
from automm.tasks.base import Task

PICKS = 20
PARTS = 5  # of the judged rows, where candidates are judged on a holdout


@dataclass(frozen=True)
class Ensemble(Estimator):
    """Of some fitted candidates.

    Attributes:
        members: name and out-of-fold answers of each candidate to pick from, best first.
    """

    members: Sequence[tuple[str, np.ndarray]] = ()

    def fit(self, bench: Bench) -> Fitted:
        predictions = np.stack([prediction for _, prediction in self.members])
        task, targets = bench.setup.task, bench.setup.judged
        crossed = np.zeros_like(predictions[0])
        for part in _parts(bench):
            rest = np.setdiff1d(np.arange(len(targets)), part)
            crossed[part] = np.tensordot(pick(task, targets[rest], predictions[:, rest]), predictions[:, part], axes=1)
        shares = pick(task, targets, predictions)
        picked = [(name, float(share)) for (name, _), share in zip(self.members, shares, strict=True) if share > 0]
        models = [bench.saved(name) for name, _ in picked]
        model = average(models, [share for _, share in picked], name="member")
        return Fitted(model, bench.judged(crossed), {f"ensemble/{name}": round(share, 3) for name, share in picked})


def pick(task: Task, targets: np.ndarray, predictions: np.ndarray) -> np.ndarray:
    """The share of each candidate in the ensemble.

    Args:
        targets: (n,), as the task has them.
        predictions: (candidates, n, outputs) answers.

    Returns:
        (candidates,) float64, not negative, their sum 1.
    """
    counts = np.zeros(len(predictions))
    total = np.zeros_like(predictions[0], dtype=np.float64)
    best_counts, least = counts.copy(), np.inf
    for size in range(1, PICKS + 1):
        losses = [task.measure(targets, (total + one) / size)[task.smooth] for one in predictions]
        place = int(np.argmin(losses))
        counts[place] += 1
        total += predictions[place]
        if losses[place] < least:
            best_counts, least = counts.copy(), losses[place]
    return np.asarray(best_counts / best_counts.sum())


def _parts(bench: Bench) -> Sequence[np.ndarray]:
    """Places in the judged rows: fold by fold, or five random parts of a holdout."""
    folds = bench.setup.folds
    if len(folds) > 1:
        ends = np.cumsum([len(fold.validation) for fold in folds])
        return np.split(np.arange(ends[-1]), ends[:-1])
    count = len(bench.setup.judged)
    order = np.random.default_rng(bench.seed_of("ensemble")).permutation(count)
    return [part for part in np.array_split(order, PARTS) if len(part)]
