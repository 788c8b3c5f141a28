"""Build an ensemble of the search's candidates; it is a candidate itself, evaluated and exported like all others."""

import logging
from functools import partial

import numpy as np

from automm.evaluate.combine import FEWEST
from automm.search.candidates.ensemble import FORM, Ensemble
from automm.search.cost.latency import costs_of
from automm.search.session import Search
from automm.tracking.run_folder import KILLED, Candidate

KIND = "ensemble"

log = logging.getLogger("automm")


def run_ensemble(search: Search) -> None:
    """Fit an ensemble, unless it exists already, or there are too few members or independent groups of reviews."""
    if not search.setup.experiment.ensemble:
        return
    name = f"{KIND}-{search.budget.trials_done():03d}"
    members = members_of_ensemble(search)
    done = {candidate.name for candidate in search.candidates if candidate.status != KILLED}
    if len(members) < 2 or name in done:
        return
    groups = len(np.unique(search.setup.judged_rows.units))
    if groups < FEWEST:
        log.warning("no ensemble is made: it needs %d independent groups of reviews, and there are %d", FEWEST, groups)
        return
    if len(search.setup.folds) == 1:
        log.info("There are no out-of-fold answers: the ensemble is combined on the validation rows")
    limit = search.setup.experiment.budget.latency
    costs = None if limit is None else partial(costs_of, search.bench, limit)
    candidate = search.runner.run(Ensemble(name, KIND, members=members, costs=costs))
    if FORM in candidate.hyperparameters:
        log.info("%s: %s", name, candidate.hyperparameters[FORM])


def members_of_ensemble(search: Search) -> list[tuple[Candidate, np.ndarray]]:
    """Return candidates with their predictions that were evaluated on all folds and have a saved model, best first."""
    members = []
    constant = search.setup.task.baseline("majority")
    for candidate in search.ranking.ranked():
        usable = (
            candidate.evaluation == search.setup.evaluation and candidate.kind != KIND and candidate.name != constant
        )
        predictions = search.run.predictions(candidate.name) if usable else None
        if predictions is not None and search.run.model_path(candidate.name).is_file():
            members.append((candidate, predictions))
    return members
