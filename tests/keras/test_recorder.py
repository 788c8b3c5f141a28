"""The record of finished candidates."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from automm.config.experiment import Experiment
from automm.search.budget import SAME_CAUSE, Budget, reason_to_give_up
from automm.search.ranking import Ranking
from automm.search.recorder import GiveUp, Recorder
from automm.tracking.run_folder import COMPLETED, FAILED, KILLED, Candidate, Run


@pytest.fixture
def make(tmp_path):
    """make() -> (recorder, run, candidates, what was reported)."""

    def make(give_up=reason_to_give_up):
        run, told, candidates = Run(tmp_path), [], []
        run.candidates_folder.mkdir()
        experiment = Experiment(manifest=Path("m.yaml"), name="test", budget={"trials": 5}, tier2={"finalists": 1})
        tracker = SimpleNamespace(candidate=lambda one: told.append(("tracker", one.name)))
        reporter = SimpleNamespace(
            started=lambda name: told.append(("started", name)),
            finished=lambda one, best, left: told.append(("finished", one.name, best and best.name)),
        )
        ranking, budget = Ranking(experiment, candidates), Budget(experiment, candidates, None)
        return Recorder(run, tracker, reporter, candidates, ranking, budget, give_up), run, candidates, told

    return make


def trial(name, score):
    return Candidate(name, "trial", COMPLETED, score=score, hyperparameters={"point": name})


def test_a_candidate_is_on_disk_in_the_tracker_and_in_the_list(make):
    recorder, run, candidates, told = make()
    one = trial("trial-001", 0.5)
    recorder.start(one)
    recorder.record(one)
    assert candidates == [one]
    assert [line.name for line in run.candidates()] == ["trial-001"]
    assert told == [("started", "trial-001"), ("tracker", "trial-001"), ("finished", "trial-001", "trial-001")]
    recorder.record_interrupted()
    assert len(candidates) == 1, "it is not in hand any more"


def test_weights_of_discarded_trials_are_deleted_at_once(make, monkeypatch):
    monkeypatch.setattr("automm.search.ranking.KEPT", 3)
    recorder, run, _, _ = make()
    for number in range(5):
        name = f"trial-{number:03d}"
        run.model_path(name).touch()
        recorder.record(trial(name, number / 10))
    left = sorted(path.stem for path in run.candidates_folder.iterdir())
    assert left == ["trial-002", "trial-003", "trial-004"]


def test_an_interrupt_records_started_candidates_as_killed(make):
    recorder, run, _, _ = make()
    for name in ("trial-001", "trial-002"):
        recorder.start(trial(name, None))
    recorder.record_interrupted()
    assert [(line.name, line.status, line.error) for line in run.candidates()] == [
        ("trial-001", KILLED, "interrupted"),
        ("trial-002", KILLED, "interrupted"),
    ]


def test_failures_end_a_search_after_they_are_recorded(make):
    recorder, run, candidates, _ = make()
    for number in range(SAME_CAUSE - 1):
        recorder.record(Candidate(str(number), "trial", FAILED, error="out of memory"))
    with pytest.raises(GiveUp, match="out of memory"):
        recorder.record(Candidate("last", "trial", FAILED, error="out of memory"))
    assert candidates[-1].name == run.candidates()[-1].name == "last"


def test_a_recorder_can_be_told_never_to_give_up(make):
    recorder, _, candidates, _ = make(give_up=lambda candidates: "")
    for number in range(SAME_CAUSE + 1):
        recorder.record(Candidate(str(number), "trial", FAILED, error="out of memory"))
    assert len(candidates) == SAME_CAUSE + 1
