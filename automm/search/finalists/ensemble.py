"""An ensemble of what the search has found: a candidate of its own, judged and exported like any other.

Greedy forward selection with replacement (Caruana, Niculescu-Mizil, Crew and Ksikes 2004, "Ensemble selection from
libraries of models"): again and again the member is added that makes the loss of the mean probabilities smallest. The
loss whatever the objective is: it is smooth, where a count of right answers would follow every chance of few rows.
Its score is crossed: for each part of the judged rows the members are picked on the other parts, or the pick would
flatter itself.
"""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from automm.models.average import average
from automm.search.session import Search
from automm.search.training.loop import Trained
from automm.tasks.base import Task
from automm.tracking.runs import KILLED, Candidate

PICKS = 20
PARTS = 5  # of the judged rows, where candidates have no folds of their own
LEFT_OUT = ("majority", "packed_concatenation")  # one knows nothing, the other is the concatenation again


def run_ensemble(search: Search) -> None:
    """Record one, unless there is one of these candidates already or there is nothing to join."""
    if not search.setup.experiment.ensemble:
        return
    name = f"ensemble-{search.budget.trials_done():03d}"
    members = _members(search)
    done = {candidate.name for candidate in search.candidates if candidate.status != KILLED}
    if len(members) < 2 or name in done:
        return
    values: dict[str, Any] = {}

    def work() -> tuple[Any, Trained]:
        predictions = np.stack([prediction for _, prediction in members])
        task, labels = search.setup.task, search.setup.judged
        crossed = np.zeros_like(predictions[0])
        for part in _parts(search):
            rest = np.setdiff1d(np.arange(len(labels)), part)
            weights = pick(task, labels[rest], predictions[:, rest])
            crossed[part] = np.tensordot(weights, predictions[:, part], axes=1)
        weights = pick(task, labels, predictions)
        chosen = [(candidate.name, share) for (candidate, _), share in zip(members, weights, strict=True) if share > 0]
        values.update({f"ensemble/{member}": round(float(share), 3) for member, share in chosen})
        models = [keras.saving.load_model(search.run.model_path(member), compile=False) for member, _ in chosen]
        return average(models, [float(share) for _, share in chosen], name="member"), search.runner.judged(crossed)

    search.runner.record(name, "ensemble", values, work)


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


def _members(search: Search) -> list[tuple[Candidate, np.ndarray]]:
    """Candidates judged on all of the folds of the setup whose weights and predictions are there, best first."""
    members = []
    left_out = [search.setup.task.baseline(name) for name in LEFT_OUT]
    for candidate in search.ranking.ranked():
        usable = (
            candidate.evaluation == search.setup.evaluation
            and candidate.kind != "ensemble"
            and candidate.name not in left_out
        )
        predictions = search.run.predictions(candidate.name) if usable else None
        if predictions is not None and search.run.model_path(candidate.name).is_file():
            members.append((candidate, predictions))
    return members


def _parts(search: Search) -> Sequence[np.ndarray]:
    """Places in the judged rows, cut as the folds are; those of a holdout by chance."""
    folds = search.setup.folds
    if len(folds) > 1:
        ends = np.cumsum([len(fold.validation) for fold in folds])
        return np.split(np.arange(ends[-1]), ends[:-1])
    count = len(search.setup.judged)
    order = np.random.default_rng(search.runner.seed_of("ensemble")).permutation(count)
    return [part for part in np.array_split(order, PARTS) if len(part)]
