"""What is left of a search's budget, and when a search is given up."""

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

    def test_the_clock_ends_it(self):
        now = [99.0]
        budget = Budget(experiment(budget={"trials": 5}), [], 100.0, clock=lambda: now[0])
        assert not budget.out_of_time()
        now[0] = 100.0
        assert budget.out_of_time()
        assert budget.is_used_up()

    def test_seconds_left_are_the_nearer_of_trials_and_clock(self):
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


def test_an_interrupted_trial_gives_its_number_back():
    assert last_trial_number([]) == 0
    assert last_trial_number([trial(1), trial(12), trial(13, KILLED)]) == 12


class TestGivingUp:
    def test_one_cause_too_often(self):
        many = [failed("out of memory")] * SAME_CAUSE
        assert reason_to_give_up(many[1:]) == ""
        assert reason_to_give_up([trial(1), *many]) == "5 candidates in a row failed with one cause: out of memory"
        assert reason_to_give_up([*many[1:], trial(1), many[0]]) == ""

    def test_ever_new_causes(self):
        many = [failed(f"number {number}") for number in range(ANY_CAUSE)]
        assert reason_to_give_up(many[1:]) == ""
        assert reason_to_give_up(many) == "20 candidates in a row failed, the last: number 19"

    def test_deaths_are_no_common_cause(self):
        """Where trials fail five times in a row of one cause, the search ends; a process says nothing of the next."""
        died = failed(f"{WORKER_DIED}: SIGKILL")
        candidates = [died] * 6 + [failed("out of memory")] * 4 + [died]
        assert reason_to_give_up(candidates) == ""
        assert "out of memory" in reason_to_give_up([*candidates, failed("out of memory")])

    def test_an_interrupted_candidate_breaks_no_row(self):
        many = [failed("out of memory")] * SAME_CAUSE
        assert reason_to_give_up([*many[1:], trial(1, KILLED), many[0]])
