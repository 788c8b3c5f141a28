"""The record of a search's candidates, kept the moment that each is finished."""

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
    """Ends a search from inside the tuner, which goes on after every other exception."""


class Recorder:
    """Keeps candidates on disk, with the tracker and in the search's list."""

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
            candidates: the list that `ranking` and `budget` read; it grows.
            give_up: why candidates that have failed end the search, '' where they do not.
        """
        self._run, self._tracker, self._reporter = run, tracker, reporter
        self._candidates, self._ranking, self._budget, self._give_up = candidates, ranking, budget, give_up
        self._in_hand: dict[str, tuple[Candidate, float]] = {}  # with the time at which it began

    def take_in_hand(self, candidate: Candidate) -> None:
        """It is being trained, from now on."""
        self._reporter.started(candidate.name)
        self._in_hand[candidate.name] = candidate, time.monotonic()

    def seconds_in_hand(self, candidate: Candidate) -> float:
        return time.monotonic() - self._in_hand[candidate.name][1]

    def keep(self, candidate: Candidate) -> None:
        """Record a candidate that is finished, whatever has become of it.

        Raises:
            GiveUp: it has failed, and too many before it have.
        """
        self._in_hand.pop(candidate.name, None)
        self._candidates.append(candidate)
        self._run.append(candidate)  # to disk first, so that an outage of the tracker loses nothing
        self._tracker.candidate(candidate)
        for loser in self._ranking.losers():
            self._run.model_path(loser.name).unlink(missing_ok=True)
        self._reporter.finished(candidate, self._ranking.best(), self._budget.seconds_left())
        if candidate.status == FAILED and (reason := self._give_up(self._candidates)):
            raise GiveUp(reason)

    def interrupted(self) -> None:
        """Record the candidates in hand as KILLED; they do not count."""
        for candidate, _ in list(self._in_hand.values()):
            candidate.status = KILLED
            candidate.error = "interrupted"
            candidate.seconds = self.seconds_in_hand(candidate)  # its time is spent
            self.keep(candidate)
