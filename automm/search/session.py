"""The state of a running search, and the interface through which the tuner uses it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from automm.search.bench import Bench
from automm.search.budget import Budget, last_trial_number, reason_to_give_up
from automm.search.candidate_runner import CandidateRunner
from automm.search.interrupt import raise_if_interrupted
from automm.search.patience import Patience, corrected_score
from automm.search.ranking import Ranking
from automm.search.recorder import Recorder
from automm.search.reporter import Reporter
from automm.search.setup.data import Setup
from automm.search.setup.words import WIDTH
from automm.search.space.table import Space, contains, is_active
from automm.search.training.options import Options
from automm.tracking.protocol import Tracker
from automm.tracking.run_folder import COMPLETED, COPIES, FAILED, SEED, Candidate, Run


class Search:
    """The parts of a search, and the tuner's session (`tuner.Trials` and `tuner.Session`).

    Attributes:
        candidates: all finished candidates in order, those of a resumed run first.
        number: the number of the last trial.
    """

    def __init__(
        self,
        setup: Setup,
        run: Run,
        tracker: Tracker,
        reporter: Reporter,
        end: float | None,
        *,
        give_up: Callable[[Sequence[Candidate]], str] = reason_to_give_up,
    ):
        """
        Args:
            end: when the search has to end, a time of `time.monotonic`; None: no limit.
            give_up: returns why failed candidates end the search, or ''.
        """
        self.setup, self.run, self.tracker, self.reporter = setup, run, tracker, reporter
        self.candidates: list[Candidate] = run.candidates()
        experiment = setup.experiment
        patience = Patience(
            experiment.budget.patience, self.candidates, experiment.direction, partial(corrected_score, setup, run)
        )
        self.budget = Budget(experiment, self.candidates, end, patience=patience)
        self.ranking = Ranking(setup.experiment, self.candidates)
        self.recorder = Recorder(run, tracker, reporter, self.candidates, self.ranking, self.budget, give_up)
        self.bench = Bench(setup, run, reporter.step, end)
        self.runner = CandidateRunner(self.bench, self.recorder, self.ranking.median_scores)
        self.number = last_trial_number(self.candidates)

    def keep(self, reserve: Callable[[], float]) -> None:
        """Keep time for what follows the present stage: estimated seconds before the end of the time limit."""
        self.budget.reserve = reserve
        self.bench.deadline = self.budget.deadline

    def finished_points(self) -> Sequence[Candidate]:
        return finished_points(self.candidates, self.bench.space, self.setup.experiment.training.class_weights)

    def may_continue(self) -> bool:
        raise_if_interrupted()
        self.bench.deadline = self.budget.deadline  # more candidates may need more time after the trials
        return not self.budget.is_used_up()

    def epochs_left(self) -> int:
        return self.budget.epochs_left()

    def proposal_seed(self) -> int:
        return self.bench.seed_of(f"proposal-{self.number}")

    def begin_trial(self, trial_id: str) -> None:
        self.number += 1

    def run_trial(self, values: dict[str, Any], build: Callable[[], Any]) -> float:
        return self.runner.trial(self.number, values, build)


def finished_points(candidates: Sequence[Candidate], space: Space, class_weights: str) -> list[Candidate]:
    """Return copies of the finished candidates of tier 1 that are points of the space.

    Args:
        class_weights: the setting of the experiment file, with which baselines are trained.
    """
    # A baseline has no values for words and training options. If the space has them, the baseline is the point where
    # they are off.
    off = {WIDTH: 0, **Options(class_weights=class_weights).values()}

    def with_options(values: Mapping[str, Any]) -> dict[str, Any]:
        return {**{name: off[name] for name in off if name in space and is_active(name, values)}, **values}

    finished = [
        replace(candidate, hyperparameters=with_options(candidate.hyperparameters))
        for candidate in candidates
        if candidate.status in (COMPLETED, FAILED)
        and candidate.tier == 1
        and candidate.kind != SEED  # the same point as its first training
        and candidate.name not in COPIES
    ]
    return [candidate for candidate in finished if contains(space, candidate.hyperparameters)]
