"""The selection bias of the chosen candidate, and its difference to another candidate on the test split."""

from collections.abc import Collection
from typing import Any

import numpy as np

from automm.evaluate.combine import FEWEST, BestSingle, Combiner
from automm.evaluate.compare import paired_interval
from automm.evaluate.ensembles import Choice, Library, forms
from automm.evaluate.selection import selection
from automm.search.cost.latency import costs_of
from automm.search.finalists.run_ensemble import KIND, members_of_ensemble
from automm.search.session import Search
from automm.tracking.run_folder import COMPLETED, Candidate


def selection_of(search: Search, best: Candidate, refused: Collection[str]) -> dict[str, Any] | None:
    """Return the entry "selection" of result.json: the attributes of `Selection`, and `of`, the evaluation.

    None if fewer than two candidates are comparable, or nearly all reviews are linked.

    Args:
        best: the chosen candidate.
        refused: the names of those that cannot be chosen, because their whole models answer differently.
    """
    setup = search.setup
    singles = [(candidate, answer) for candidate, answer in _comparable(search) if candidate.name not in refused]
    judged = setup.judged([answer for _, answer in singles])
    if best.score is None or best.evaluation != setup.evaluation or len(singles) < 2 or judged.count < FEWEST:
        return None
    candidates = [candidate for candidate, _ in singles]
    rng = np.random.default_rng(setup.experiment.seed)
    trained = any(candidate.history for candidate in candidates)
    luck = selection(judged, best.score, _combiner(search, candidates, refused), rng=rng, early_stopping=trained)
    return {**vars(luck), "of": setup.evaluation}


def _comparable(search: Search) -> list[tuple[Candidate, np.ndarray]]:
    """Return the single candidates that were evaluated on all folds, best first, with their answers."""
    answers = [
        (candidate, search.run.predictions(candidate.name))
        for candidate in search.ranking.ranked()
        if candidate.evaluation == search.setup.evaluation and candidate.kind != KIND
    ]
    return [(candidate, answer) for candidate, answer in answers if answer is not None]


def _combiner(search: Search, singles: list[Candidate], refused: Collection[str]) -> Combiner:
    """Return how the best candidate was chosen.

    Members of an ensemble were all candidates that are no trials, and the best trials: other trials keep no model.
    """
    ensembles = [one for one in search.candidates if one.kind == KIND and one.status == COMPLETED]
    if all(ensemble.name in refused for ensemble in ensembles):
        return BestSingle()
    members = {candidate.name for candidate, _ in members_of_ensemble(search)}
    trials = [place for place, candidate in enumerate(singles) if candidate.kind == "trial"]
    always = [place for place, one in enumerate(singles) if one.name in members and place not in trials]
    kept = sum(singles[place].name in members for place in trials)
    limit = search.setup.experiment.budget.latency
    costs = None if limit is None else costs_of(search.bench, limit, singles)
    library = Library(tuple(always), tuple(trials), kept, costs)
    metric = search.setup.experiment.objective.removeprefix("val_")
    return Choice(forms(search.setup.task, metric, search.setup.outputs, library))


def difference(search: Search, first: np.ndarray, second: np.ndarray) -> dict[str, Any]:
    """Return how much better the first answers for the test split are than the second, by metric, as `Interval`."""
    setup = search.setup
    units = setup.units[setup.rows("test")]
    return {
        metric: vars(paired_interval(setup.task, setup.targets("test"), first, second, metric, units=units))
        for metric in setup.task.main_metrics
    }
