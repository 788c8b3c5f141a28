"""Build an ensemble of the search's candidates; it is a candidate itself, evaluated and exported like all others."""

import numpy as np

from automm.search.candidates.ensemble import Ensemble
from automm.search.session import Search
from automm.tracking.run_folder import KILLED, Candidate

KIND = "ensemble"


def run_ensemble(search: Search) -> None:
    """Fit an ensemble, unless this ensemble exists already or there are fewer than two members."""
    if not search.setup.experiment.ensemble:
        return
    name = f"{KIND}-{search.budget.trials_done():03d}"
    members = members_of_ensemble(search)
    done = {candidate.name for candidate in search.candidates if candidate.status != KILLED}
    if len(members) >= 2 and name not in done:
        search.runner.run(Ensemble(name, KIND, members=members))


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
