"""The order of a search's candidates, and whose weights are kept."""

from collections.abc import Sequence

from automm.config.experiment import Experiment
from automm.search.training import stopping
from automm.tracking.run_folder import COMPLETED, Candidate, rank

FINALISTS = 3


class Ranking:
    """Candidates in the order of their experiment's objective; a list that grows is read anew at each question."""

    def __init__(self, experiment: Experiment, candidates: Sequence[Candidate]):
        self._experiment, self._candidates = experiment, candidates

    def ranked(self) -> list[Candidate]:
        """Completed candidates, best first; ties: fewer parameters, then the earlier one."""
        return rank(self._candidates, self._experiment.direction)

    def best(self) -> Candidate | None:
        ranked = self.ranked()
        return ranked[0] if ranked else None

    def trained(self) -> list[Candidate]:
        """Completed candidates of tier 1 that gradient descent has made, best first."""
        return [candidate for candidate in self.ranked() if candidate.tier == 1 and candidate.history]

    def bars(self) -> tuple[float, ...]:
        """What a trial should have reached by each epoch; Hyperband gives trials up by rules of its own."""
        experiment = self._experiment
        if experiment.tuner == "hyperband" or not experiment.training.halve_behind:
            return ()
        histories = [one.history for one in self._candidates if one.kind == "trial" and one.status == COMPLETED]
        return stopping.bars(histories, experiment.objective, experiment.direction)

    def losers(self) -> list[Candidate]:
        """Trials that are no finalists of either tier, whose weights nobody asks for; baselines are few and stay."""
        finalists = self.ranked()[:FINALISTS] + self.trained()[: self._experiment.tier2.finalists]
        kept = {candidate.name for candidate in finalists}
        return [one for one in self._candidates if one.kind == "trial" and one.name not in kept]
