"""Rank the candidates of a search, and choose whose weights are kept."""

from collections.abc import Sequence

from automm.config.experiment import Experiment
from automm.search.training import stopping
from automm.tracking.run_folder import COMPLETED, PILOT, SEED, Candidate, rank

FINALISTS = 3
KEPT = 30  # the best candidates whose weights are kept: an ensemble is selected from them


class Ranking:
    """Candidates ranked by the objective of the experiment; the list may grow and is read at each call."""

    def __init__(self, experiment: Experiment, candidates: Sequence[Candidate]):
        self._experiment, self._candidates = experiment, candidates

    def ranked(self) -> list[Candidate]:
        """Return completed candidates, best first; of equal scores, fewer parameters and then the earlier one first."""
        return rank(self._candidates, self._experiment.direction)

    def best(self) -> Candidate | None:
        ranked = self.ranked()
        return ranked[0] if ranked else None

    def trained(self) -> list[Candidate]:
        """Return completed candidates of tier 1 that were trained by gradient descent, best first."""
        return [candidate for candidate in self.ranked() if candidate.tier == 1 and candidate.history]

    def median_scores(self) -> tuple[float, ...]:
        """Return the median scores of completed trials by epoch (`training/stopping`).

        () if early stopping by the median is off, and for Hyperband, which stops trials by its own rules.
        """
        experiment = self._experiment
        if experiment.tuner == "hyperband" or not experiment.training.halve_behind:
            return ()
        histories = [c.history for c in self._candidates if c.kind == "trial" and c.status == COMPLETED]
        return stopping.median_scores(histories, experiment.objective, experiment.direction)

    def trials_to_discard(self) -> list[Candidate]:
        """Return candidates whose weights may be deleted: trials that are neither among the KEPT best nor finalists of
        tier 2, second seeds and pilots. Baselines are kept.
        """
        best = self.ranked()[:KEPT] + self.trained()[: self._experiment.tier2.finalists]
        kept = {candidate.name for candidate in best}
        return [c for c in self._candidates if c.kind in ("trial", SEED, PILOT) and c.name not in kept]
