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


def spread_of_seeds(search: Search) -> dict[str, dict[str, Any]]:
    """Return the entry "seeds" of result.json: by candidate, {seeds, scores, spread}.

    `spread` is the largest score of the objective minus the smallest.
    """
    completed = {candidate.name: candidate for candidate in search.candidates if candidate.status == COMPLETED}
    trained: dict[str, list[Any]] = {}
    for candidate in completed.values():
        base = candidate.name.rpartition(SUFFIX)[0]
        if candidate.kind == SEED and base in completed:
            trained.setdefault(base, [completed[base]]).append(candidate)
    return {
        name: {
            "seeds": [candidate.seed for candidate in same],
            "scores": [candidate.score for candidate in same],
            "spread": max(candidate.score for candidate in same) - min(candidate.score for candidate in same),
        }
        for name, same in trained.items()
    }
