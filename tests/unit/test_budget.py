"""The remaining budget of a search, and when repeated failures end it."""

from pathlib import Path

import pytest

from automm.config.experiment import Experiment
from automm.search.budget import ANY_CAUSE, SAME_CAUSE, WORKER_DIED, Budget, last_trial_number, reason_to_give_up
from automm.tracking.run_folder import COMPLETED, FAILED, KILLED, Candidate


def experiment(**settings):
    return Experiment(manifest=Path("m.yaml"), name="test", **settings)


def trial(number, status=COMPLETED, seconds=10.0, epochs=2):
    history = [{"val_loss": 1.0}] * epochs if status == COMPLETED else []
    return Candidate(f"trial-{number:03d}", "trial", status, seconds=seconds, history=history)


def failed(cause):
    return Candidate("", "trial", FAILED, error=f"{cause}\n\nTraceback")


class TestBudget:
    def test_only_completed_trials_count(self):
        candidates = [Candidate("majority", "baseline", COMPLETED), trial(1), trial(2, FAILED), trial(3, KILLED)]
        budget = Budget(experiment(budget={"trials": 3}), candidates, None)
        assert (budget.trials_done(), budget.trials_left()) == (1, 2)
        assert not budget.is_used_up()
        candidates += [trial(4), trial(5)]  # the list grows as the search goes on
        assert budget.trials_left() == 0
        assert budget.is_used_up()

    def test_hyperband_spends_epochs(self):
        settings = experiment(tuner="hyperband", budget={"trials": 2}, training={"epochs": 9})
        budget = Budget(settings, [trial(1, epochs=9), trial(2, FAILED), trial(3, epochs=1)], None)
        assert budget.epochs_left() == 8
        assert budget.trials_left() == 0, "not one more full training"
        assert budget.seconds_left() == pytest.approx(20 / 10 * 8)

    def test_the_deadline_ends_the_budget(self):
        now = [99.0]
        budget = Budget(experiment(budget={"trials": 5}), [], 100.0, clock=lambda: now[0])
        assert not budget.out_of_time()
        now[0] = 100.0
        assert budget.out_of_time()
        assert budget.is_used_up()

    def test_seconds_left_are_the_minimum_of_trials_and_deadline(self):
        candidates = []
        settings = experiment(budget={"trials": 5})
        assert Budget(settings, candidates, None).seconds_left() is None
        assert Budget(settings, candidates, 100.0, clock=lambda: 30.0).seconds_left() == 70.0
        assert Budget(settings, candidates, 100.0, clock=lambda: 130.0).seconds_left() == 0.0
        candidates += [trial(1, seconds=8.0), trial(2, seconds=12.0)]
        budget = Budget(settings, candidates, 100.0, clock=lambda: 30.0)
        assert budget.seconds_left() == 3 * 10.0
        budget.workers = 2
        assert budget.seconds_left() == 3 * 5.0


def test_the_number_of_an_interrupted_trial_is_used_again():
    assert last_trial_number([]) == 0
    assert last_trial_number([trial(1), trial(12), trial(13, KILLED)]) == 12


class TestGivingUp:
    def test_the_same_cause_too_often(self):
        many = [failed("out of memory")] * SAME_CAUSE
        assert reason_to_give_up(many[1:]) == ""
        assert reason_to_give_up([trial(1), *many]) == "5 candidates in a row failed with the same cause: out of memory"
        assert reason_to_give_up([*many[1:], trial(1), many[0]]) == ""

    def test_different_causes_too_often(self):
        many = [failed(f"number {number}") for number in range(ANY_CAUSE)]
        assert reason_to_give_up(many[1:]) == ""
        assert reason_to_give_up(many) == "20 candidates in a row failed, the last one with: number 19"

    def test_dead_workers_do_not_count_as_the_same_cause(self):
        """Five failures with the same cause end a search; a dead process does not predict the next failure."""
        died = failed(f"{WORKER_DIED}: SIGKILL")
        candidates = [died] * 6 + [failed("out of memory")] * 4 + [died]
        assert reason_to_give_up(candidates) == ""
        assert "out of memory" in reason_to_give_up([*candidates, failed("out of memory")])

    def test_an_interrupted_candidate_does_not_reset_the_count(self):
        many = [failed("out of memory")] * SAME_CAUSE
        assert reason_to_give_up([*many[1:], trial(1, KILLED), many[0]])


def test_time_is_kept_for_what_follows_but_half_of_the_limit_at_most():
    budget = Budget(experiment(budget={"time": 100}), [], 1000.0, clock=lambda: 960.0)
    seconds = [30.0]
    budget.reserve = lambda: seconds[0]
    assert budget.deadline == 970.0
    assert not budget.out_of_time()
    seconds[0] = 45.0  # measured meanwhile
    assert budget.out_of_time()
    seconds[0] = 500.0
    assert budget.deadline == 950.0
