"""Proposals of the oracles, without models: trials have made-up scores."""

import itertools
import json
import types
import zlib
from pathlib import Path

import keras_tuner
import numpy as np
import pytest

from automm.config.experiment import TUNERS
from automm.search.autokeras.keras_tuner_internals import seed_oracle
from automm.search.autokeras.oracles import BRACKET, ORACLES, ROUND, GreedyOracle, Proposals, build_oracle, values_of
from automm.search.autokeras.tuner import MANY, HarnessTuner
from automm.search.space.portfolio import PORTFOLIO, portfolio, share_of
from automm.search.space.table import DEFAULTS, contains, declare, size
from automm.search.space.validation import full_space, narrow
from automm.tracking.run_folder import COMPLETED, EPOCHS, FAILED, PROPOSED_BY, Candidate, point_of

SMALL = {
    **DEFAULTS,
    "image/pooling": "mean",
    "fusion/operator": ["product", "concatenation"],
    "fusion/width": 8,
    "label/layers": [0, 1],
    "label/width": [2, 4],
    "label/dropout": 0.0,
    "training/learning_rate": [0.1, 0.01],
}


def hyperparameters(space):
    """The space as KerasTuner has it."""
    hp = keras_tuner.HyperParameters()
    declare(hp, space)
    return hp


class Play:
    """A search whose trials take no time: it calls the oracle like the tuner, and keeps candidates like a session."""

    def __init__(self, folder, tuner, space=None, *, epochs=9, trials=10, first=(), score=None, direction="max"):
        self.space, self.epochs, self.trials = space or full_space(), epochs, trials
        objective = keras_tuner.Objective("val_macro_f1", direction)
        self.oracle = build_oracle(tuner, space=self.space, portfolio=first, objective=objective, seed=1, epochs=epochs)
        self.oracle.hyperparameters = hyperparameters(self.space)
        self.oracle._set_project_dir(str(folder), tuner)
        self.oracle.verbose = 0
        self.oracle.max_trials = self.oracle.max_consecutive_failed_trials = MANY  # as HarnessTuner does
        self.score = score or (lambda point, epochs: zlib.crc32(json.dumps(point, sort_keys=True).encode()) / 2**32)
        self.candidates: list[Candidate] = []

    def resume(self, candidates):
        self.candidates = list(candidates)
        HarnessTuner._enter_finished(types.SimpleNamespace(oracle=self.oracle), self.candidates)
        return self

    def ask(self, tuner_id="t"):
        seed = 1000 + len(self.candidates)
        seed_oracle(self.oracle, seed)
        np.random.seed(seed)
        spent = sum(candidate.hyperparameters.get(EPOCHS, self.epochs) for candidate in self.done())
        self.oracle.epochs_left = self.trials * self.epochs - spent
        return self.oracle.create_trial(tuner_id)

    def end(self, trial, failed=False):
        values = dict(trial.hyperparameters.values)
        candidate = Candidate(f"trial-{len(self.candidates):03d}", "trial", FAILED if failed else COMPLETED)
        candidate.hyperparameters = values
        trial.status = candidate.status
        if not failed:
            candidate.score = self.score(point_of(values), values.get(EPOCHS, self.epochs))
            self.oracle.update_trial(trial.trial_id, {"val_macro_f1": candidate.score})
        self.oracle.end_trial(trial)
        self.candidates.append(candidate)
        return candidate

    def run(self, count=10**6, failed=()):
        for _ in range(count):
            trial = self.ask()
            if trial.status == "STOPPED":
                break
            assert trial.status == "RUNNING"
            self.end(trial, failed=len(self.candidates) in failed)
        return self.candidates

    def done(self):
        return [candidate for candidate in self.candidates if candidate.status == COMPLETED]


def shape(candidates):
    """{bracket: [(trials, epochs) of each round]}."""
    found: dict[int, dict[int, list[int]]] = {}
    for candidate in candidates:
        values = candidate.hyperparameters
        found.setdefault(values[BRACKET], {}).setdefault(values[ROUND], []).append(values[EPOCHS])
    return {
        bracket: [(len(epochs), epochs[0]) for _, epochs in sorted(rounds.items())] for bracket, rounds in found.items()
    }


def test_every_tuner_of_the_configuration_has_an_oracle():
    assert tuple(ORACLES) == TUNERS
    assert all(issubclass(oracle, Proposals) for oracle in ORACLES.values())


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")  # a Gaussian process over made-up scores
class TestEveryOracle:
    @pytest.mark.parametrize("tuner", ["greedy", "bayesian", "random"])
    def test_a_small_space_is_tried_completely_and_without_repetition(self, tmp_path, tuner):
        """AutoKeras' greedy oracle gives up earlier, KerasTuner's Bayesian one repeats."""
        # A Gaussian process takes seconds for a proposal: for it a smaller one.
        space = narrow({**SMALL, "label/layers": 1} if tuner == "bayesian" else SMALL)
        candidates = Play(tmp_path, tuner, space).run(100)
        tried = {tuple(sorted(point_of(candidate.hyperparameters).items())) for candidate in candidates}
        assert len(candidates) == len(tried) == size(space) == (8 if tuner == "bayesian" else 12)

    @pytest.mark.parametrize("tuner", ["greedy", "hyperband", "random"])
    def test_every_proposal_is_a_point(self, tmp_path, tuner):
        for candidate in Play(tmp_path, tuner).run(40):
            assert contains(full_space(), candidate.hyperparameters), candidate.hyperparameters

    @pytest.mark.parametrize(("tuner", "before"), [*itertools.product(TUNERS, [1, 7])])
    def test_a_resumed_search_makes_the_same_proposals(self, tmp_path, tuner, before):
        # A Gaussian process takes seconds for a proposal, and longer in more dimensions.
        space, trials = (narrow(SMALL), 8) if tuner == "bayesian" else (full_space(), 16)
        whole = Play(tmp_path / "whole", tuner, space, first=portfolio(space)[:2]).run(trials)
        resumed = Play(tmp_path / "resumed", tuner, space, first=portfolio(space)[:2])
        resumed.resume(whole[:before]).run(trials - before)
        assert [c.hyperparameters for c in resumed.candidates] == [c.hyperparameters for c in whole]

    @pytest.mark.parametrize("tuner", ["greedy", "hyperband", "random"])
    def test_the_portfolio_comes_first_in_order_without_known_points(self, tmp_path, tuner):
        first = portfolio(full_space())
        play = Play(tmp_path, tuner, first=first)
        known = Candidate("concatenation", "baseline", COMPLETED, hyperparameters=first[1], score=0.5)
        play.resume([known]).run(len(first))
        proposed = [point_of(candidate.hyperparameters) for candidate in play.candidates[1:]]
        by = [candidate.hyperparameters[PROPOSED_BY] for candidate in play.candidates[1:]]
        assert by == ["portfolio"] * (len(first) - 1) + [by[-1]]
        assert by[-1] in (tuner, "random")
        assert proposed[: len(first) - 1] == [first[0], *first[2:]]
        # Nine points are a first round of Hyperband: its tenth trial is the best of them again.
        assert (proposed[-1] in first) == (tuner == "hyperband")

    def test_a_new_point_in_place_of_a_repeated_proposal_is_random(self, tmp_path, monkeypatch):
        play = Play(tmp_path, "greedy", narrow(SMALL))
        play.run(3)
        repeated = point_of(play.candidates[0].hyperparameters)
        monkeypatch.setattr(GreedyOracle, "populate_space", lambda *a: {"status": "RUNNING", "values": repeated})
        play.run(1)
        by = [candidate.hyperparameters[PROPOSED_BY] for candidate in play.candidates]
        assert set(by[:3]) <= {"greedy", "random"}
        assert "greedy" in by
        assert by[3] == "random"

    def test_hyperband_proposes_new_points_and_promotions_itself(self, tmp_path):
        candidates = Play(tmp_path, "hyperband", first=portfolio(full_space())[:1], trials=3).run()
        by = [candidate.hyperparameters[PROPOSED_BY] for candidate in candidates]
        assert by == ["portfolio"] + ["hyperband"] * (len(candidates) - 1)


class TestHyperband:
    def test_rounds_are_those_of_the_paper(self, tmp_path):
        """R = 9, eta = 3: brackets of 2, 1 and 0 halvings, each round a third of the trials for thrice the epochs."""
        candidates = Play(tmp_path, "hyperband", trials=15).run()
        assert list(shape(candidates).values())[:2] == [[(9, 1), (3, 3), (1, 9)], [(5, 3), (2, 9)]]

    def test_the_best_are_promoted(self, tmp_path):
        candidates = Play(tmp_path, "hyperband", trials=3, direction="max").run()
        first, second, third = ([c for c in candidates if c.hyperparameters[ROUND] == number] for number in range(3))
        ranked = sorted(first, key=lambda candidate: -candidate.score)
        assert [point_of(c.hyperparameters) for c in second] == [point_of(c.hyperparameters) for c in ranked[:3]]
        assert [point_of(c.hyperparameters) for c in third] == [point_of(ranked[0].hyperparameters)]

    def test_the_best_by_a_loss_are_the_smallest(self, tmp_path):
        candidates = Play(tmp_path, "hyperband", trials=3, direction="min").run()
        first = [c for c in candidates if c.hyperparameters[ROUND] == 0]
        least = min(first, key=lambda candidate: candidate.score)
        assert point_of(candidates[-1].hyperparameters) == point_of(least.hyperparameters)

    def test_a_point_starts_once(self, tmp_path):
        candidates = Play(tmp_path, "hyperband", trials=20).run()
        first = [json.dumps(point_of(c.hyperparameters)) for c in candidates if c.hyperparameters[ROUND] == 0]
        assert len(set(first)) == len(first) > 20

    @pytest.mark.parametrize("trials", [1, 2, 3, 5, 20])
    @pytest.mark.parametrize("epochs", [1, 2, 9, 30])
    def test_the_budget_is_kept_and_the_best_reach_the_full_epochs(self, tmp_path, trials, epochs):
        candidates = Play(tmp_path, "hyperband", trials=trials, epochs=epochs).run()
        spent = sum(candidate.hyperparameters[EPOCHS] for candidate in candidates)
        assert (trials - 1) * epochs < spent <= trials * epochs, "less than one full training is left over"
        for rounds in shape(candidates).values():
            assert rounds[-1][1] == epochs

    def test_failed_trials_count_as_eliminated(self, tmp_path):
        candidates = Play(tmp_path, "hyperband", trials=3).run(failed={0, 3, 4})
        assert shape(candidates)[0] == [(9, 1), (3, 3), (1, 9)]
        failed = [point_of(candidates[number].hyperparameters) for number in (0, 3, 4)]
        assert not [c for c in candidates if c.hyperparameters[ROUND] and point_of(c.hyperparameters) in failed]

    def test_a_round_of_failures_ends_its_bracket(self, tmp_path):
        candidates = Play(tmp_path, "hyperband", trials=6).run(failed=set(range(9)))
        assert [candidate.hyperparameters[BRACKET] for candidate in candidates[8:11]] == [0, 1, 1]

    def test_a_space_smaller_than_a_round(self, tmp_path):
        candidates = Play(tmp_path, "hyperband", narrow(SMALL), epochs=27, trials=20).run()
        assert shape(candidates)[0] == [(12, 1), (9, 3), (3, 9), (1, 27)]
        assert list(shape(candidates)) == [0], "no new point is left for another bracket"

    def test_running_trials_are_waited_for(self, tmp_path):
        """Nine trials, two of them still running: one of those left may be promoted, as two at most can overtake it."""
        play = Play(tmp_path, "hyperband", trials=3)
        trials = [play.ask(f"worker-{number}") for number in range(9)]
        for trial in trials[:7]:
            play.end(trial)
        promoted = play.ask("worker-9")
        assert promoted.hyperparameters.values[ROUND] == 1
        ahead = max(play.candidates, key=lambda candidate: candidate.score)
        assert point_of(values_of(promoted)) == point_of(ahead.hyperparameters)
        assert play.ask("worker-10").status == "IDLE"
        assert play.oracle.waiting, "the tuner sleeps before it asks again"
        play.end(trials[7])
        assert play.ask("worker-10").status == "RUNNING"
        assert not play.oracle.waiting

    def test_resumed_with_fewer_epochs_it_stops(self, tmp_path):
        whole = Play(tmp_path / "whole", "hyperband", trials=3).run(11)
        resumed = Play(tmp_path / "less", "hyperband", trials=1).resume(whole)
        assert resumed.ask().status == "STOPPED"


class TestPortfolio:
    @pytest.mark.parametrize(("trials", "share"), [(0, 1), (1, 1), (2, 1), (5, 1), (6, 2), (20, 6), (1000, 333)])
    def test_it_has_a_third_of_the_trials_and_at_least_one(self, trials, share):
        assert share_of(trials) == share

    def test_it_was_not_picked_on_the_demo(self):
        measured = json.loads((Path(__file__).parents[2] / "experiments" / "pool.json").read_text())
        assert "demo" not in measured["data"]

    def test_it_is_the_result_of_its_experiment(self):
        measured = json.loads((Path(__file__).parents[2] / "experiments" / "pool.json").read_text())
        found = portfolio(full_space())
        for point, picked in zip(found, measured["portfolio"], strict=True):
            assert point == {name: picked.get(name, DEFAULTS[name]) for name in point}
            assert picked.keys() <= point.keys()

    def test_every_point_is_in_the_full_space_and_none_is_repeated(self):
        found = portfolio(full_space())
        assert len(found) == len(PORTFOLIO)
        assert all(contains(full_space(), point) for point in found)
        assert all(left != right for left, right in itertools.combinations(found, 2))

    @pytest.mark.parametrize(
        "overrides",
        [
            SMALL,
            {"label.layers": [0]},
            {"label.layers": [1, 2]},
            {"training.learning_rate": [1e-5, 2e-3], "label.width": 7},
            {"fusion.operator": "product"},
        ],
    )
    def test_in_a_narrowed_space_every_point_is_in_the_space(self, overrides):
        space = narrow(overrides)
        found = portfolio(space)
        assert all(contains(space, point) for point in found)
        assert all(left != right for left, right in itertools.combinations(found, 2))

    def test_numbers_move_to_the_nearest_and_operators_do_not(self):
        found = portfolio(narrow({"training.learning_rate": [1e-5, 2e-3]}))
        assert len(found) > 3
        assert {point["training/learning_rate"] for point in found} == {2e-3}
        wanted = {row[0] for row in PORTFOLIO}
        assert {point["fusion/operator"] for point in found} <= wanted
        only = portfolio(narrow({"fusion.operator": sorted(wanted)[0]}))
        assert 0 < len(only) < len(PORTFOLIO)
