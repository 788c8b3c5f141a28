"""End the trials of a search when the best candidate has not become better for many of them.

What counts is the corrected score of the best candidate (`evaluate/selection`): a new leader that is only the luckiest
of more candidates does not move it. The correction is computed when a candidate takes the lead, which happens about
log(n) times in n trials, and not for every trial.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from automm.evaluate.combine import FEWEST, BestSingle
from automm.evaluate.compare import better
from automm.evaluate.selection import selection
from automm.tracking.run_folder import COMPLETED, Candidate, Run, is_partial, rank

if TYPE_CHECKING:  # it imports Keras, which a budget does not need
    from automm.search.setup.data import Setup

# A resumed search also has ensembles and fine-tuned candidates of an earlier session, which no trial has to beat.
COUNTED = ("baseline", "trial")


class Patience:
    """Counts the completed trials since the corrected best score became better.

    Trials that Hyperband stopped after a round do not count: they can hardly take the lead. The count follows from the
    candidates alone, so a resumed search continues it.
    """

    def __init__(
        self,
        limit: int | None,
        candidates: Sequence[Candidate],
        direction: str,
        corrected: Callable[[Sequence[Candidate]], float],
    ):
        """
        Args:
            limit: `budget.patience`; None: never used up.
            candidates: a growing list, read at each call.
            direction: of the objective, 'max' or 'min'.
            corrected: returns the corrected score of the best of some candidates.
        """
        self._limit, self._candidates, self._direction, self._corrected = limit, candidates, direction, corrected
        self._counted, self._waited = 0, 0
        self._lead: float | None = None
        self._best: float | None = None

    def is_used_up(self) -> bool:
        trials = sum(candidate.kind == "trial" and candidate.status == COMPLETED for candidate in self._candidates)
        if self._limit is None or trials < self._limit:
            return False
        for place in range(self._counted, len(self._candidates)):
            self._count(place)
        self._counted = len(self._candidates)
        return self._waited >= self._limit

    def _count(self, place: int) -> None:
        candidate = self._candidates[place]
        comparable = candidate.kind in COUNTED and not is_partial(candidate.evaluation)
        if candidate.status != COMPLETED or candidate.score is None or not comparable:
            return
        self._waited += candidate.kind == "trial" and candidate.stopped != "round"
        if self._lead is not None and not better(candidate.score, self._lead, self._direction):
            return
        self._lead = candidate.score
        score = self._corrected(self._candidates[: place + 1])
        if self._best is None or better(score, self._best, self._direction):
            self._best, self._waited = score, 0


def corrected_score(setup: "Setup", run: Run, candidates: Sequence[Candidate]) -> float:
    """Return the score of the best baseline or trial of some candidates, corrected for the selection among them."""
    experiment = setup.experiment
    counted = [c for c in candidates if c.kind in COUNTED and c.evaluation == setup.evaluation]
    comparable = rank(counted, experiment.direction)
    answers = [answers for c in comparable if (answers := run.predictions(c.name)) is not None]
    judged, score = setup.judged(answers), float(comparable[0].score or 0.0)
    if len(answers) < 2 or judged.count < FEWEST:
        return score
    return selection(judged, score, BestSingle(), rng=np.random.default_rng(experiment.seed)).corrected
