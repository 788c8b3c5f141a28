"""How much of a search's budget is left, and when a search that only fails is given up."""

import time
from collections.abc import Callable, Sequence

from automm.config.experiment import Experiment
from automm.tracking.run_folder import COMPLETED, FAILED, KILLED, Candidate

SAME_CAUSE = 5  # failures in a row with one cause end a search: the next would fail too
ANY_CAUSE = 20  # failures in a row that end it whatever their causes: they cost no budget, and would go on for ever
WORKER_DIED = "its worker process died"  # how the cause begins where a trial took its process down, and no other


class Budget:
    """What an experiment allows, less what its candidates have used.

    Attributes:
        deadline: on the clock; None where the experiment sets no time.
        workers: how many trials are trained at a time.
    """

    def __init__(
        self,
        experiment: Experiment,
        candidates: Sequence[Candidate],
        deadline: float | None,
        clock: Callable[[], float] = time.monotonic,
    ):
        """
        Args:
            candidates: of the search; a list that grows is read anew at each question.
            clock: () -> seconds.
        """
        self._experiment, self._candidates, self._clock = experiment, candidates, clock
        self.deadline = deadline
        self.workers = 1

    def trials_done(self) -> int:
        return len(self._completed())

    def trials_left(self) -> int:
        """Completed trials that are still to come; of Hyperband: how many full trainings the epochs left would pay."""
        if self._experiment.tuner == "hyperband":
            return self.epochs_left() // self._experiment.training.epochs
        return self._experiment.budget.trials - self.trials_done()

    def epochs_left(self) -> int:
        """Of what trials may spend together; those that failed or were killed have spent none."""
        spent = sum(len(candidate.history) for candidate in trials_of(self._candidates))
        return self._experiment.budget.trials * self._experiment.training.epochs - spent

    def out_of_time(self) -> bool:
        return self.deadline is not None and self._clock() >= self.deadline

    def is_used_up(self) -> bool:
        return self.trials_left() <= 0 or self.out_of_time()

    def seconds_left(self) -> float | None:
        """Till the budget is used up, by the mean of the trials so far; None while nothing is known."""
        done = self._completed()
        by_trials = None
        if done:
            seconds = sum(candidate.seconds for candidate in done) / self.workers
            by_trials = seconds / len(done) * self.trials_left()
            if self._experiment.tuner == "hyperband":
                by_trials = seconds / sum(len(candidate.history) for candidate in done) * max(0, self.epochs_left())
        by_clock = None if self.deadline is None else max(0.0, self.deadline - self._clock())
        known = [seconds for seconds in (by_trials, by_clock) if seconds is not None]
        return min(known) if known else None

    def _completed(self) -> list[Candidate]:
        return [candidate for candidate in trials_of(self._candidates) if candidate.status == COMPLETED]


def trials_of(candidates: Sequence[Candidate]) -> list[Candidate]:
    """The trials, without those that were interrupted: these are proposed again."""
    return [one for one in candidates if one.kind == "trial" and one.status != KILLED]


def last_trial_number(candidates: Sequence[Candidate]) -> int:
    """The highest number of a trial; where several ran at a time, one below it may have been interrupted."""
    return max((int(candidate.name.rpartition("-")[2]) for candidate in trials_of(candidates)), default=0)


def reason_to_give_up(candidates: Sequence[Candidate]) -> str:
    """Why the next candidate would fail like the last ones; '' where nothing says so."""
    # A process that died says nothing of the next: memory may have been short, or somebody ended it.
    counted = [one for one in candidates if one.status != KILLED and not one.error.startswith(WORKER_DIED)]
    last = counted[-SAME_CAUSE:]
    causes = {cause_in_words(candidate) for candidate in last}
    if _all_failed(last, SAME_CAUSE) and len(causes) == 1:
        return f"{SAME_CAUSE} candidates in a row failed with one cause: {causes.pop()}"
    last = counted[-ANY_CAUSE:]
    if _all_failed(last, ANY_CAUSE):
        return f"{ANY_CAUSE} candidates in a row failed, the last: {cause_in_words(last[-1])}"
    return ""


def _all_failed(candidates: Sequence[Candidate], count: int) -> bool:
    return len(candidates) == count and all(candidate.status == FAILED for candidate in candidates)


def cause_in_words(candidate: Candidate) -> str:
    """The first line of its error."""
    return candidate.error.split("\n", 1)[0]
