"""What is proposed next: AutoKeras' and KerasTuner's oracles, good points first, and no end before the space's own.

An oracle's proposals follow from the seed that the tuner sets before each and from the trials that it knows, from
nothing else: so a search that was killed goes on as if it had not been.
"""

from collections.abc import Sequence
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
from automm.tracking.run_folder import BOOKKEEPING, EPOCHS, point_of

Status = keras_tuner.engine.trial.TrialStatus
DRAWS = 200  # by chance, before the space is gone through in order

# What a trial of Hyperband carries, beside the epochs that it is given: its bracket, the bracket's plan, and its round.
BRACKET, HALVINGS, SIZE, ROUND = (BOOKKEEPING + name for name in ("bracket", "halvings", "size", "round"))


class Proposals(PointHashes):
    """Mixed into an oracle: the portfolio comes first, no point comes twice, and a new one is found while there is one.

    KerasTuner's Bayesian oracle repeats points, and AutoKeras' greedy one gives up when twenty neighbours of the best
    are known.

    Args:
        space: the choices of the experiment.
        portfolio: points of `space`, in the order in which they are proposed.
    """

    waiting = False  # the last answer was IDLE: the tuner sleeps before it asks again
    epochs_left = 0  # what trials may still spend; the tuner sets it before each proposal

    def __init__(self, *, space: Space, portfolio: Sequence[dict[str, Any]], **options: Any):
        super().__init__(**options)
        self.choices, self.portfolio = space, tuple(portfolio)

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        point = self.first_point()
        if point is not None:
            return {"status": Status.RUNNING, "values": point}
        answer: dict[str, Any] = super().populate_space(trial_id)
        if answer["status"] == Status.RUNNING and self.is_new(answer["values"]):
            return answer
        point = self.new_point()
        return {"status": Status.STOPPED if point is None else Status.RUNNING, "values": point}

    def first_point(self) -> dict[str, Any] | None:
        """The next one of the portfolio."""
        return next((dict(point) for point in self.portfolio if self.is_new(point)), None)

    def new_point(self) -> dict[str, Any] | None:
        """A random point that no trial has had; None where all have been tried."""
        rng = np.random.default_rng(seed_of(self))
        for _ in range(DRAWS):
            point = draw(self.choices, rng)
            if self.is_new(point):
                return point
        return next((point for point in points(self.choices) if self.is_new(point)), None)


class Greedy(Proposals, GreedyOracle):
    """Changes one group of hyperparameters of the best trial so far."""


class Bayesian(Proposals, keras_tuner.oracles.BayesianOptimizationOracle):
    """A Gaussian process over the space, upper confidence bound."""

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        restart_generator(self)
        return super().populate_space(trial_id)


class Random(Proposals, keras_tuner.oracles.RandomSearchOracle):
    """Uniform draws."""


class Hyperband(Proposals, keras_tuner.oracles.HyperbandOracle):
    """Many points for few epochs, the best third of them for three times as many, and so on.

    Li, Jamieson, DeSalvo, Rostamizadeh and Talwalkar 2018, "Hyperband: a novel bandit-based approach to hyperparameter
    optimization", arXiv 1603.06560; the sizes of rounds are KerasTuner's. A bracket that the epochs left cannot pay is
    made smaller, and another begins only when the last is finished, so that the best of each reach the full epochs.

    KerasTuner's own oracle keeps its rounds in memory. Here every trial carries its bracket and its round, and the
    rounds are read off the trials. A trial that failed counts as one of those that its round throws out. A promoted
    trial is trained from its start: whatever it repeats is paid from the epochs.
    """

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        running = [trial for trial in self._rounds_run() if trial.status == Status.RUNNING]
        left = self.epochs_left - sum(values_of(trial)[EPOCHS] for trial in running)
        proposal = self._in_bracket() or (None if running else self._in_new_bracket(left))
        if proposal is not None and proposal[EPOCHS] > left:  # a resumed search may have less than it was planned for
            proposal = None
        self.waiting = proposal is None and bool(running)
        if proposal is None:
            return {"status": Status.IDLE if running else Status.STOPPED, "values": None}
        return {"status": Status.RUNNING, "values": proposal}

    def _rounds_run(self) -> list[Any]:
        """Trials of brackets: baselines are of none."""
        return [trial for trial in self.trials.values() if BRACKET in values_of(trial)]

    def _in_bracket(self) -> dict[str, Any] | None:
        """What the bracket in hand asks for, if there is one and it can go on."""
        trials = self._rounds_run()
        if not trials:
            return None
        last = max(trials, key=lambda trial: values_of(trial)[BRACKET])
        plan = {name: values_of(last)[name] for name in (BRACKET, HALVINGS, SIZE)}
        trials = [trial for trial in trials if values_of(trial)[BRACKET] == plan[BRACKET]]
        rounds = self.rounds(plan[HALVINGS], plan[SIZE])
        begun = [[trial for trial in trials if values_of(trial)[ROUND] == number] for number in range(len(rounds))]
        point = None
        if len(begun[0]) < rounds[0][0]:
            point, number = self.first_point() or self.new_point(), 0
        if point is None:
            ready = self._promotion(rounds, begun)
            if ready is None:
                return None
            number, point = ready
        return {**point, **plan, ROUND: number, EPOCHS: rounds[number][1]}

    def _promotion(self, rounds: Sequence[tuple[int, int]], begun: Sequence[list[Any]]) -> tuple[int, Any] | None:
        """The lowest round that can take a trial, and the point of the best that waits for it.

        A trial is among the best `size` of its round for sure, if those promoted and those still to come are fewer.
        """
        to_come = sum(trial.status == Status.RUNNING for trial in begun[0])  # no new point is left to begin
        for number in range(1, len(rounds)):
            taken = {self.hash_of(values_of(trial)) for trial in begun[number]}
            waiting = [
                trial
                for trial in begun[number - 1]
                if trial.status == Status.COMPLETED and self.hash_of(values_of(trial)) not in taken
            ]
            room = rounds[number][0] - len(begun[number])
            if room > to_come and waiting:
                sign = -1.0 if self.objective.direction == "max" else 1.0
                return number, point_of(values_of(min(waiting, key=lambda trial: sign * trial.score)))
            running = sum(trial.status == Status.RUNNING for trial in begun[number])
            to_come = running + min(room, len(waiting) + to_come)
        return None

    def _in_new_bracket(self, left: int) -> dict[str, Any] | None:
        """The first trial of the next bracket that `left` epochs can pay."""
        numbers = [values_of(trial)[BRACKET] for trial in self._rounds_run()]
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
        """(trials, epochs) of each round of a bracket that begins with `size` trials."""
        return [
            (-(-size // self.factor**number), epochs_of_round(self, halvings, number)) for number in range(halvings + 1)
        ]


def values_of(trial: Any) -> dict[str, Any]:
    """What KerasTuner calls the values of a trial's hyperparameters."""
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
    """The oracle of a tuner of `config.TUNERS`.

    Args:
        epochs: the most that one trial may have.
    """
    options: dict[str, Any] = {}
    if name == "hyperband":
        options["max_epochs"] = epochs
    if name == "bayesian":
        # KerasTuner begins with three random points per hyperparameter, which is all of a search of twenty trials.
        options["num_initial_points"] = 6
    seed = seed + 1  # KerasTuner takes 0 for "draw one"
    return ORACLES[name](space=space, portfolio=portfolio, objective=objective, seed=seed, **options)
