"""Record each candidate of a search as soon as it is finished."""

import time
from collections.abc import Callable, Sequence

import keras_tuner

from automm.errors import NoTrialError
from automm.search.budget import Budget, reason_to_give_up
from automm.search.ranking import Ranking
from automm.search.reporter import Reporter
from automm.tracking.protocol import Tracker
from automm.tracking.run_folder import FAILED, KILLED, Candidate, Run


class GiveUp(keras_tuner.errors.FatalError, NoTrialError):
    """Ends a search from inside the tuner, which continues after all exceptions but FatalError."""


class Recorder:
    """Hands candidates to the run folder, which writes trials.jsonl, to the tracker, the reporter and the list."""

    def __init__(
        self,
        run: Run,
        tracker: Tracker,
        reporter: Reporter,
        candidates: list[Candidate],
        ranking: Ranking,
        budget: Budget,
        give_up: Callable[[Sequence[Candidate]], str] = reason_to_give_up,
    ):
        """
        Args:
            candidates: the list that `ranking` and `budget` read; finished candidates are appended.
            give_up: returns why failed candidates end the search, or ''.
        """
        self._run, self._tracker, self._reporter = run, tracker, reporter
        self._candidates, self._ranking, self._budget, self._give_up = candidates, ranking, budget, give_up
        self._started: dict[str, tuple[Candidate, float]] = {}  # by name, with the start time

    def start(self, candidate: Candidate) -> None:
        """Note that the training of a candidate starts."""
        self._reporter.started(candidate.name)
        self._started[candidate.name] = candidate, time.monotonic()

    def seconds_since_start(self, candidate: Candidate) -> float:
        return time.monotonic() - self._started[candidate.name][1]

    def record(self, candidate: Candidate) -> None:
        """Record a candidate that is completed, failed or killed.

        Raises:
            GiveUp: the candidate failed, like too many before it.
        """
        self._started.pop(candidate.name, None)
        self._candidates.append(candidate)
        self._run.append(candidate)  # to disk first, so that an outage of the tracker loses nothing
        self._tracker.candidate(candidate)
        for trial in self._ranking.trials_to_discard():
            self._run.model_path(trial.name).unlink(missing_ok=True)
        self._reporter.finished(candidate, self._ranking.best(), self._budget.seconds_left())
        if candidate.status == FAILED and (reason := self._give_up(self._candidates)):
            raise GiveUp(reason)

    def record_interrupted(self) -> None:
        """Record the candidates that are being trained as KILLED; they do not count towards the budget of trials."""
        for candidate, _ in list(self._started.values()):
            candidate.status = KILLED
            candidate.error = "interrupted"
            candidate.seconds = self.seconds_since_start(candidate)  # counts towards the time limit
            self.record(candidate)
