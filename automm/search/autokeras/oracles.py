"""Propose the next trial: AutoKeras' and KerasTuner's oracles, which start with the portfolio and never repeat a point.

A proposal depends only on the seed, which the tuner sets before each one, and on the trials so far. A resumed search
therefore continues like one that was never interrupted.
"""

from collections.abc import Sequence
from itertools import chain
from typing import Any

import keras_tuner
import numpy as np
from autokeras.tuners.greedy import GreedyOracle

from automm.search.autokeras.keras_tuner_internals import (
    PointHashes,
    brackets_of,
    epochs_of_round,
    first_size,
    restart_generator,
    seed_of,
)
from automm.search.space.table import Space, draw, points
from automm.tracking.run_folder import BOOKKEEPING, EPOCHS, PROPOSED_BY, point_of

Status = keras_tuner.engine.trial.TrialStatus
DRAWS = 200  # random draws for a new point before the space is enumerated in order

# Bookkeeping values of a Hyperband trial, in addition to its epochs: its bracket, the bracket's plan, and its round.
BRACKET, HALVINGS, SIZE, ROUND = (BOOKKEEPING + name for name in ("bracket", "halvings", "size", "round"))


class Proposals(PointHashes):
    """Mixin of an oracle: it proposes the portfolio first, no point twice, and new points until the space is exhausted.

    A proposal names its proposer in PROPOSED_BY: 'portfolio', the tuner, or 'random' for a new point.

    KerasTuner's Bayesian oracle repeats points, and AutoKeras' greedy one stops when twenty neighbours of the best
    point have been tried.

    Args:
        space: the search space of the experiment.
        portfolio: points of `space`, in the order in which they are proposed.
    """

    tuner = ""  # the name of the oracle in an experiment file
    new_points_by = "random"  # the proposer of `new_point`

    waiting = False  # the last answer was IDLE: the tuner sleeps before the next call
    epochs_left = 0  # the epochs that trials may still use; the tuner sets it before each proposal

    def __init__(self, *, space: Space, portfolio: Sequence[dict[str, Any]], **options: Any):
        super().__init__(**options)
        self.choices, self.portfolio = space, tuple(portfolio)

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        point = self.first_point()
        if point is not None:
            return {"status": Status.RUNNING, "values": point}
        answer: dict[str, Any] = super().populate_space(trial_id)
        if answer["status"] == Status.RUNNING and self.is_new(answer["values"]):
            return {**answer, "values": {**answer["values"], PROPOSED_BY: self.tuner}}
        point = self.new_point()
        return {"status": Status.STOPPED if point is None else Status.RUNNING, "values": point}

    def first_point(self) -> dict[str, Any] | None:
        """Return the next point of the portfolio, None if all have been tried."""
        return next(({**point, PROPOSED_BY: "portfolio"} for point in self.portfolio if self.is_new(point)), None)

    def new_point(self) -> dict[str, Any] | None:
        """Return a random point that no trial has; None if all points have been tried."""
        rng = np.random.default_rng(seed_of(self))
        candidates = chain((draw(self.choices, rng) for _ in range(DRAWS)), points(self.choices))
        return next(({**point, PROPOSED_BY: self.new_points_by} for point in candidates if self.is_new(point)), None)


class Greedy(Proposals, GreedyOracle):
    """Changes one group of hyperparameters of the best trial so far."""

    tuner = "greedy"


class Bayesian(Proposals, keras_tuner.oracles.BayesianOptimizationOracle):
    """A Gaussian process over the space, upper confidence bound."""

    tuner = "bayesian"

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        restart_generator(self)
        return super().populate_space(trial_id)


class Random(Proposals, keras_tuner.oracles.RandomSearchOracle):
    """Uniform draws."""

    tuner = "random"


class Hyperband(Proposals, keras_tuner.oracles.HyperbandOracle):
    """Trains many points for few epochs, the best third of them for three times as many epochs, and so on.

    Li, Jamieson, DeSalvo, Rostamizadeh and Talwalkar 2018, "Hyperband: a novel bandit-based approach to hyperparameter
    optimization", arXiv 1603.06560; round sizes are those of KerasTuner. A bracket is made smaller if too few epochs
    are left for it. The next one starts only when the last is finished, so the best trials of each bracket reach the
    full epochs.

    KerasTuner's own oracle keeps its rounds in memory. Here every trial stores its bracket and round, and the rounds
    are derived from the trials. A failed trial counts as eliminated in its round. A promoted trial is trained from
    scratch, and the repeated epochs count. Its new points are random draws: they and its promotions are its proposals.
    """

    tuner = new_points_by = "hyperband"

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        running = [trial for trial in self._bracket_trials() if trial.status == Status.RUNNING]
        left = self.epochs_left - sum(values_of(trial)[EPOCHS] for trial in running)
        proposal = self._continue_bracket() or (None if running else self._start_bracket(left))
        if (
            proposal is not None and proposal[EPOCHS] > left
        ):  # a resumed search may have fewer epochs than the bracket was planned for
            proposal = None
        self.waiting = proposal is None and bool(running)
        if proposal is None:
            return {"status": Status.IDLE if running else Status.STOPPED, "values": None}
        return {"status": Status.RUNNING, "values": proposal}

    def _bracket_trials(self) -> list[Any]:
        """Return the trials that belong to a bracket; baselines do not."""
        return [trial for trial in self.trials.values() if BRACKET in values_of(trial)]

    def _continue_bracket(self) -> dict[str, Any] | None:
        """Return the next proposal of the current bracket; None if there is none now."""
        trials = self._bracket_trials()
        if not trials:
            return None
        last = max(trials, key=lambda trial: values_of(trial)[BRACKET])
        plan = {name: values_of(last)[name] for name in (BRACKET, HALVINGS, SIZE)}
        trials = [trial for trial in trials if values_of(trial)[BRACKET] == plan[BRACKET]]
        rounds = self.rounds(plan[HALVINGS], plan[SIZE])
        by_round = [[trial for trial in trials if values_of(trial)[ROUND] == number] for number in range(len(rounds))]
        point = None
        if len(by_round[0]) < rounds[0][0]:
            point, number = self.first_point() or self.new_point(), 0
        if point is None:
            ready = self._promotion(rounds, by_round)
            if ready is None:
                return None
            number, point = ready
        return {**point, **plan, ROUND: number, EPOCHS: rounds[number][1]}

    def _promotion(self, rounds: Sequence[tuple[int, int]], by_round: Sequence[list[Any]]) -> tuple[int, Any] | None:
        """Return the lowest round that can take a trial, and the point of the best trial that waits for it.

        The best waiting trial is certain to be promoted if the next round has more free places than trials may still
        arrive.
        """
        to_come = sum(trial.status == Status.RUNNING for trial in by_round[0])  # no new point will start here
        for number in range(1, len(rounds)):
            taken = {self.hash_of(values_of(trial)) for trial in by_round[number]}
            waiting = [
                trial
                for trial in by_round[number - 1]
                if trial.status == Status.COMPLETED and self.hash_of(values_of(trial)) not in taken
            ]
            room = rounds[number][0] - len(by_round[number])
            if room > to_come and waiting:
                sign = -1.0 if self.objective.direction == "max" else 1.0
                best = min(waiting, key=lambda trial: sign * trial.score)
                return number, {**point_of(values_of(best)), PROPOSED_BY: self.tuner}
            running = sum(trial.status == Status.RUNNING for trial in by_round[number])
            to_come = running + min(room, len(waiting) + to_come)
        return None

    def _start_bracket(self, left: int) -> dict[str, Any] | None:
        """Return the first proposal of the next bracket that fits into `left` epochs; None if none fits."""
        numbers = [values_of(trial)[BRACKET] for trial in self._bracket_trials()]
        number, count = max(numbers, default=-1) + 1, brackets_of(self)
        for halvings in range(count - 1 - number % count, -1, -1):
            fewest = self.factor if halvings else 1
            for size in range(first_size(self, halvings), fewest - 1, -1):
                rounds = self.rounds(halvings, size)
                if sum(trials * epochs for trials, epochs in rounds) <= left:
                    point = self.first_point() or self.new_point()
                    plan = {BRACKET: number, HALVINGS: halvings, SIZE: size, ROUND: 0, EPOCHS: rounds[0][1]}
                    return None if point is None else {**point, **plan}
        return None

    def rounds(self, halvings: int, size: int) -> list[tuple[int, int]]:
        """Return (trials, epochs) of each round of a bracket that starts with `size` trials."""
        return [
            (-(-size // self.factor**number), epochs_of_round(self, halvings, number)) for number in range(halvings + 1)
        ]


def values_of(trial: Any) -> dict[str, Any]:
    """Return the values of a trial's hyperparameters."""
    return trial.hyperparameters.values


ORACLES: dict[str, Any] = {"greedy": Greedy, "bayesian": Bayesian, "hyperband": Hyperband, "random": Random}


def build_oracle(
    name: str,
    *,
    space: Space,
    portfolio: Sequence[dict[str, Any]],
    objective: keras_tuner.Objective,
    seed: int,
    epochs: int,
) -> Any:
    """Return a new oracle.

    Args:
        name: a key of ORACLES: the experiment's `tuner`.
        epochs: the maximum epochs of one trial.
    """
    options: dict[str, Any] = {}
    if name == "hyperband":
        options["max_epochs"] = epochs
    if name == "bayesian":
        # KerasTuner's default is three random points per hyperparameter: a whole search of twenty trials.
        options["num_initial_points"] = 6
    seed = seed + 1  # KerasTuner reads 0 as "choose a random seed"
    return ORACLES[name](space=space, portfolio=portfolio, objective=objective, seed=seed, **options)
