"""One search as it runs: its parts put together, and what the tuner asks of them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from automm.search.bench import Bench
from automm.search.budget import Budget, last_trial_number, reason_to_give_up
from automm.search.candidate_runner import CandidateRunner
from automm.search.interrupt import check
from automm.search.ranking import Ranking
from automm.search.recorder import Recorder
from automm.search.reporter import Reporter
from automm.search.setup.data import Setup
from automm.search.space.table import Space, contains, is_active
from automm.search.training.options import Options
from automm.tracking.protocol import Tracker
from automm.tracking.run_folder import COMPLETED, FAILED, Candidate, Run


class Search:
    """The parts of a search, and the tuner's session (`tuner.Trials` and `tuner.Session`).

    Attributes:
        candidates: all of them, in the order in which they were finished; those of the run first.
        number: of the last trial.
    """

    def __init__(
        self,
        setup: Setup,
        run: Run,
        tracker: Tracker,
        reporter: Reporter,
        deadline: float | None,
        *,
        give_up: Callable[[Sequence[Candidate]], str] = reason_to_give_up,
    ):
        """
        Args:
            deadline: on the clock of `time.monotonic`.
            give_up: why candidates that have failed end the search, '' where they do not.
        """
        self.setup, self.run, self.tracker, self.reporter = setup, run, tracker, reporter
        self.candidates: list[Candidate] = run.candidates()
        self.budget = Budget(setup.experiment, self.candidates, deadline)
        self.ranking = Ranking(setup.experiment, self.candidates)
        self.recorder = Recorder(run, tracker, reporter, self.candidates, self.ranking, self.budget, give_up)
        self.bench = Bench(setup, run, reporter.step, deadline)
        self.runner = CandidateRunner(self.bench, self.recorder, self.ranking.bars)
        self.number = last_trial_number(self.candidates)

    def known(self) -> Sequence[Candidate]:
        return known_points(self.candidates, self.bench.space, self.setup.experiment.training.class_weights)

    def may_continue(self) -> bool:
        check()
        return not self.budget.is_used_up()

    def epochs_left(self) -> int:
        return self.budget.epochs_left()

    def proposal_seed(self) -> int:
        return self.bench.seed_of(f"proposal-{self.number}")

    def begin_trial(self, trial_id: str) -> None:
        self.number += 1

    def run_trial(self, values: dict[str, Any], build: Callable[[], Any]) -> float:
        return self.runner.trial(self.number, values, build)


def known_points(candidates: Sequence[Candidate], space: Space, class_weights: str) -> list[Candidate]:
    """Finished candidates of tier 1 that are points of the space, as copies.

    Args:
        class_weights: the experiment's, by which baselines are trained.
    """
    # A baseline's values name no options; where the space does, it is the point at which they are off.
    off = Options(class_weights=class_weights).values()

    def with_options(values: Mapping[str, Any]) -> dict[str, Any]:
        return {**{name: off[name] for name in off if name in space and is_active(name, values)}, **values}

    finished = [
        replace(candidate, hyperparameters=with_options(candidate.hyperparameters))
        for candidate in candidates
        if candidate.status in (COMPLETED, FAILED)
        and candidate.tier == 1
        and candidate.name != "packed_concatenation"  # the same point as the concatenation
    ]
    return [one for one in finished if contains(space, one.hyperparameters)]
