"""Train the finalists of tier 1 again with other seeds: the spread of their scores is the noise of training.

A seed sets initial weights, batches and dropout. These trainings have no rank, use no trial of the budget, and the
oracle does not see them.
"""

import logging
import time
from dataclasses import replace
from typing import Any

from automm.search.finalists.folds import estimator_of
from automm.search.ranking import FINALISTS
from automm.search.session import Search
from automm.tracking.run_folder import COMPLETED, KILLED, SEED

SUFFIX = "-seed-"

log = logging.getLogger("automm")


def train_other_seeds(search: Search) -> None:
    """Train the best heads of tier 1 once with each further seed of `training.seeds`, where the time suffices."""
    done = {candidate.name for candidate in search.candidates if candidate.status != KILLED}
    for candidate in search.ranking.trained()[:FINALISTS]:
        for number in range(2, search.setup.experiment.training.seeds + 1):
            name = f"{candidate.name}{SUFFIX}{number}"
            if name in done:
                continue
            deadline = search.budget.deadline
            if deadline is not None and deadline - time.monotonic() < candidate.seconds:
                log.warning(
                    "%s is not trained with another seed: it takes about %.0f s, and the time of the budget is used "
                    "up. Raise budget.time, and resume the run",
                    candidate.name,
                    candidate.seconds,
                )
                return
            again = estimator_of(search, candidate)
            search.runner.run(
                replace(again, name=name, kind=SEED, seed=None, seed_name=f"{candidate.name}/seed {number}")
            )


def trainings_of(search: Search) -> dict[str, list[str]]:
    """Return the names of all trainings of each candidate that was trained with several seeds, the first one first."""
    completed = {candidate.name: candidate for candidate in search.candidates if candidate.status == COMPLETED}
    trainings: dict[str, list[str]] = {}
    for candidate in completed.values():
        base = candidate.name.rpartition(SUFFIX)[0]
        if candidate.kind == SEED and base in completed:
            trainings.setdefault(base, [base]).append(candidate.name)
    return trainings


def spread_of_seeds(search: Search) -> dict[str, dict[str, Any]]:
    """Return the entry "seeds" of result.json: by candidate, {seeds, scores, spread}.

    `spread` is the largest score of the objective minus the smallest.
    """
    completed = {candidate.name: candidate for candidate in search.candidates if candidate.status == COMPLETED}
    spread = {}
    for name, trainings in trainings_of(search).items():
        scores = [float(completed[one].score or 0.0) for one in trainings]
        spread[name] = {
            "seeds": [completed[one].seed for one in trainings],
            "scores": scores,
            "spread": max(scores) - min(scores),
        }
    return spread
