"""Second seeds on a tiny search: trained once, without a rank, and their spread is recorded."""

import pytest
from advice import advises, hear

from automm.tracking.run_folder import COMPLETED

pytestmark = pytest.mark.usefixtures("eager")

SEEDS = ("training.epochs=1", "training.seeds=2", "budget.trials=2", "baselines=[concatenation, packed_concatenation]")


def test_finalists_of_tier_1_are_trained_with_a_second_seed(search, recorder):
    run = search(*SEEDS)
    by_name = {candidate.name: candidate for candidate in run.candidates()}
    seeds = [candidate for candidate in run.candidates() if candidate.kind == "seed"]
    firsts = ["concatenation", "trial-001", "trial-002"]
    assert sorted(candidate.name for candidate in seeds) == [f"{name}-seed-2" for name in firsts]
    assert {(candidate.status, candidate.proposed_by, candidate.tier) for candidate in seeds} == {
        (COMPLETED, "seed", 1)
    }
    result = run.read("result.json")
    assert sorted(result["seeds"]) == firsts
    for name in firsts:
        first, second = by_name[name], by_name[f"{name}-seed-2"]
        assert first.point == second.point
        assert first.seed != second.seed
        assert first.parameters == second.parameters
        entry = result["seeds"][name]
        assert entry["seeds"] == [first.seed, second.seed]
        assert entry["scores"] == [first.score, second.score]
        assert entry["spread"] == pytest.approx(abs(first.score - second.score))
        assert not run.model_path(second.name).is_file()
        assert second.name not in result["test"]
    assert sorted(result["finalists"]) == firsts
    assert "packed_concatenation" in result["test"]
    assert recorder.named("end")[-1][2]["seeds/trial-001_spread"] == result["seeds"]["trial-001"]["spread"]
    before = run.candidates()
    search(*SEEDS, resume=run)
    assert run.candidates() == before, "a second seed was repeated"


@pytest.mark.usefixtures("trials_only")
def test_the_oracle_does_not_see_second_seeds_and_they_use_no_trial(search):
    run = search(*SEEDS)
    search(*SEEDS, "budget.trials=3", resume=run)
    trials = [candidate.name for candidate in run.candidates() if candidate.kind == "trial"]
    assert trials == ["trial-001", "trial-002", "trial-003"]
    assert not list((run.folder / "tuner").glob("trial_*seed*"))


@advises("Raise budget.time, and resume the run")
@pytest.mark.usefixtures("trials_only")
def test_without_time_left_a_second_seed_is_skipped_and_logged(search, monkeypatch):
    from automm.search.recorder import Recorder

    record = Recorder.record

    def slow(self, candidate):
        candidate.seconds = 3600.0
        record(self, candidate)

    monkeypatch.setattr(Recorder, "record", slow)
    run = search(*SEEDS, "budget.time=30m")
    assert not [candidate for candidate in run.candidates() if candidate.kind == "seed"]
    said = (run.folder / "log.txt").read_text()
    assert "is not trained with another seed: it takes about 3600 s" in said
    hear(said, "Raise budget.time, and resume the run")
    search(*SEEDS, "budget.time=100h", resume=run)
    assert len([candidate for candidate in run.candidates() if candidate.kind == "seed"]) == 3


def test_who_proposed_what(search):
    run = search("training.epochs=1", "budget.trials=3", "baselines=[majority, concatenation]", "ensemble=true")
    by = {candidate.name: candidate.proposed_by for candidate in run.candidates()}
    assert by.pop("majority") == by.pop("concatenation") == "baseline"
    assert by.pop("ensemble-003") == "ensemble"
    first, *others = by.values()
    assert first == "portfolio"
    assert set(others) <= {"greedy", "random"}
    assert not [c for c in run.candidates() if any("proposed_by" in key for key in c.hyperparameters)]
