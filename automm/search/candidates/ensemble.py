"""An ensemble of fitted candidates.

Greedy forward selection with replacement (Caruana, Niculescu-Mizil, Crew and Ksikes 2004, "Ensemble selection from
libraries of models"): each step adds the member that minimises the loss of the mean answers. The loss is used for every
objective because it is smooth; the number of correct answers in few rows is mostly chance. The score is
cross-validated: for each part of the validation rows, members are selected on the other parts.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from automm.models.average import average
from automm.search.bench import Bench
from automm.search.candidates.estimator import Estimator, Fitted
from automm.tasks.base import Task

PICKS = 20
PARTS = 5  # parts of the validation rows with `evaluation: holdout`


@dataclass(frozen=True)
class Ensemble(Estimator):
    """A weighted mean of fitted candidates.

    Attributes:
        members: name and out-of-fold answers of each candidate to select from, best first.
    """

    members: Sequence[tuple[str, np.ndarray]] = field(kw_only=True)

    def fit(self, bench: Bench) -> Fitted:
        predictions = np.stack([prediction for _, prediction in self.members])
        task, targets = bench.setup.task, bench.setup.validation_targets
        crossed = np.zeros_like(predictions[0])
        for part in _parts(bench):
            rest = np.setdiff1d(np.arange(len(targets)), part)
            crossed[part] = np.tensordot(
                ensemble_shares(task, targets[rest], predictions[:, rest]), predictions[:, part], axes=1
            )
        shares = ensemble_shares(task, targets, predictions)
        picked = [(name, float(share)) for (name, _), share in zip(self.members, shares, strict=True) if share > 0]
        models = [bench.saved(name) for name, _ in picked]
        model = average(models, [share for _, share in picked], name="member")
        return Fitted(
            model, bench.evaluate_answers(crossed), {f"ensemble/{name}": round(share, 3) for name, share in picked}
        )


def ensemble_shares(task: Task, targets: np.ndarray, predictions: np.ndarray) -> np.ndarray:
    """Select members greedily, and return the share of each candidate in the ensemble.

    Args:
        targets: (n,), in the form of the task.
        predictions: (candidates, n, outputs) answers.

    Returns:
        (candidates,) float64, not negative, their sum 1.
    """
    counts = np.zeros(len(predictions))
    total = np.zeros_like(predictions[0], dtype=np.float64)
    best_counts, least = counts.copy(), np.inf
    for size in range(1, PICKS + 1):
        losses = [task.measure(targets, (total + answers) / size)[task.smooth] for answers in predictions]
        place = int(np.argmin(losses))
        counts[place] += 1
        total += predictions[place]
        if losses[place] < least:
            best_counts, least = counts.copy(), losses[place]
    return np.asarray(best_counts / best_counts.sum())


def _parts(bench: Bench) -> Sequence[np.ndarray]:
    """Divide the validation rows into parts: the folds, or five random parts of a holdout. Each part is positions."""
    folds = bench.setup.folds
    if len(folds) > 1:
        ends = np.cumsum([len(fold.validation) for fold in folds])
        return np.split(np.arange(ends[-1]), ends[:-1])
    count = len(bench.setup.validation_targets)
    order = np.random.default_rng(bench.seed_of("ensemble")).permutation(count)
    return [part for part in np.array_split(order, PARTS) if len(part)]
