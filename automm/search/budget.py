"""Count the remaining budget of a search, and decide when repeated failures end it."""

import time
from collections.abc import Callable, Sequence

from automm.config.experiment import Experiment
from automm.search.patience import Patience
from automm.tracking.run_folder import COMPLETED, FAILED, KILLED, Candidate

SAME_CAUSE = 5  # failures in a row with the same cause that end a search: the next candidate would fail too
ANY_CAUSE = 20  # failures in a row with any causes that end a search: failures use no budget, so it would never end
MOST_KEPT = 0.5  # of the time limit, for what follows a stage, so that a small budget has candidates at all
WORKER_DIED = "its worker process died"  # the beginning of the cause if a trial crashed its process


class Budget:
    """The budget of an experiment minus what its candidates have used.

    Attributes:
        end: when the whole search has to end, a time of `clock`; None: the experiment sets no time limit.
        reserve: returns the seconds before `end` that are kept for what follows the present stage.
        patience: ends the trials when the best candidate does not become better any more.
        workers: the number of trials that are trained in parallel.
    """

    def __init__(
        self,
        experiment: Experiment,
        candidates: Sequence[Candidate],
        end: float | None,
        clock: Callable[[], float] = time.monotonic,
        patience: Patience | None = None,
    ):
        """
        Args:
            candidates: the candidates of the search; a growing list, read at each call.
            clock: returns seconds.
        """
        self._experiment, self._candidates, self._clock = experiment, candidates, clock
        self.end, self.patience = end, patience
        self.reserve: Callable[[], float] = lambda: 0.0
        self.workers = 1

    @property
    def deadline(self) -> float | None:
        """When the present stage has to end, a time of the clock; None without a time limit."""
        limit = self._experiment.budget.time
        return None if self.end is None or limit is None else self.end - min(self.reserve(), MOST_KEPT * limit)

    def trials_done(self) -> int:
        return len(self._completed())

    def trials_left(self) -> int:
        """Return how many trials may still complete; for Hyperband, how many full trainings the epochs left allow."""
        if self._experiment.tuner == "hyperband":
            return self.epochs_left() // self._experiment.training.epochs
        return self._experiment.budget.trials - self.trials_done()

    def epochs_left(self) -> int:
        """Return the epochs that trials may still use together; failed and killed trials have used none."""
        spent = sum(len(candidate.history) for candidate in trials_of(self._candidates))
        return self._experiment.budget.trials * self._experiment.training.epochs - spent

    def out_of_time(self) -> bool:
        return self.deadline is not None and self._clock() >= self.deadline

    def is_over(self) -> bool:
        """Return whether the time limit of the whole search is reached."""
        return self.end is not None and self._clock() >= self.end

    def is_used_up(self) -> bool:
        return self.trials_left() <= 0 or self.out_of_time() or self.out_of_patience()

    def out_of_patience(self) -> bool:
        """Return whether `budget.patience` ends the trials."""
        return self.patience is not None and self.patience.is_used_up()

    def seconds_left(self) -> float | None:
        """Estimate the time until the budget is used up from the mean of the trials so far; None if unknown."""
        done = self._completed()
        by_trials = None
        if done:
            seconds = sum(candidate.seconds for candidate in done) / self.workers
            by_trials = seconds / len(done) * self.trials_left()
            if self._experiment.tuner == "hyperband":
                by_trials = seconds / sum(len(candidate.history) for candidate in done) * max(0, self.epochs_left())
        known = [seconds for seconds in (by_trials, self.seconds_to_deadline()) if seconds is not None]
        return min(known) if known else None

    def seconds_to_deadline(self) -> float | None:
        return None if self.deadline is None else max(0.0, self.deadline - self._clock())

    def _completed(self) -> list[Candidate]:
        return [candidate for candidate in trials_of(self._candidates) if candidate.status == COMPLETED]


def trials_of(candidates: Sequence[Candidate]) -> list[Candidate]:
    """Return the trials that were not interrupted; interrupted trials are proposed again."""
    return [candidate for candidate in candidates if candidate.kind == "trial" and candidate.status != KILLED]


def last_trial_number(candidates: Sequence[Candidate]) -> int:
    """Return the highest number of a trial, 0 if there is none.

    If trials ran in parallel, a trial with a lower number may have been interrupted.
    """
    return max((int(candidate.name.rpartition("-")[2]) for candidate in trials_of(candidates)), default=0)


def reason_to_give_up(candidates: Sequence[Candidate]) -> str:
    """Return why the search should end: the last candidates all failed. Return '' if it should continue."""
    # A dead worker process does not predict the next failure: memory may have been short, or somebody killed it.
    counted = [c for c in candidates if c.status != KILLED and not c.error.startswith(WORKER_DIED)]
    last = counted[-SAME_CAUSE:]
    causes = {first_error_line(candidate) for candidate in last}
    if _all_failed(last, SAME_CAUSE) and len(causes) == 1:
        return f"{SAME_CAUSE} candidates in a row failed with the same cause: {causes.pop()}"
    last = counted[-ANY_CAUSE:]
    if _all_failed(last, ANY_CAUSE):
        return f"{ANY_CAUSE} candidates in a row failed, the last one with: {first_error_line(last[-1])}"
    return ""


def _all_failed(candidates: Sequence[Candidate], count: int) -> bool:
    return len(candidates) == count and all(candidate.status == FAILED for candidate in candidates)


def first_error_line(candidate: Candidate) -> str:
    """Return the first line of a candidate's error."""
    return candidate.error.split("\n", 1)[0]
