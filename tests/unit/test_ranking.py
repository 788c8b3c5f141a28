"""The ranking of candidates, and whose weights are kept."""

from pathlib import Path

import pytest

from automm.config.experiment import Experiment
from automm.search.ranking import KEPT, Ranking
from automm.search.training.stopping import ENOUGH
from automm.tracking.run_folder import COMPLETED, FAILED, Candidate


def experiment(**settings):
    return Experiment(manifest=Path("m.yaml"), name="test", objective="val_macro_f1", **settings)


def done(name, score, kind="trial", tier=1, trained=True):
    history = [{"val_macro_f1": score}] if trained else []
    return Candidate(name, kind, COMPLETED, tier, score=score, history=history, hyperparameters={"point": name})


def names(candidates):
    return [candidate.name for candidate in candidates]


def test_best_first():
    candidates = []
    ranking = Ranking(experiment(), candidates)
    assert ranking.best() is None
    candidates += [done("a", 0.1), done("b", 0.3), Candidate("c", "trial", FAILED), done("d", 0.2)]
    assert names(ranking.ranked()) == ["b", "d", "a"]
    assert ranking.best() is candidates[1]


def test_trained_candidates_are_those_of_tier_1_with_epochs():
    candidates = [done("a", 0.1), done("majority", 0.9, "baseline", trained=False), done("b", 0.8, tier=2)]
    assert names(Ranking(experiment(), candidates).trained()) == ["a"]


@pytest.mark.parametrize("tier2", [1, 4])
def test_trials_that_are_not_among_the_best_lose_their_weights(tier2):
    best = [done(f"ensemble-{number}", 0.9, "ensemble", trained=False) for number in range(KEPT)]
    trials = [done(f"trial-{number}", number / 10) for number in range(6)]
    baseline = done("concatenation", 0.0, "baseline")
    ranking = Ranking(experiment(tier2={"finalists": tier2}), [baseline, *trials, *best])
    assert names(ranking.trials_to_discard()) == names(trials)[: 6 - tier2]


def test_the_ensemble_is_selected_from_the_thirty_best_candidates():
    trials = [done(f"trial-{number:03d}", number / 100) for number in range(40)]
    assert names(Ranking(experiment(tier2={"finalists": 0}), trials).trials_to_discard()) == names(trials)[:10]


def test_second_seeds_and_pilots_lose_their_weights():
    apart = [done("trial-1-seed-2", 0.9, "seed"), done("end_to_end-pilot", 0.9, "pilot")]
    assert names(Ranking(experiment(), [done("trial-1", 0.1), *apart]).trials_to_discard()) == names(apart)


def test_a_failed_trial_keeps_no_weights():
    assert names(Ranking(experiment(), [Candidate("a", "trial", FAILED), done("b", 0.1)]).trials_to_discard()) == ["a"]


def test_median_scores_are_of_completed_trials():
    trials = [done(str(number), 0.5) for number in range(ENOUGH)]
    others = [done("concatenation", 0.1, "baseline"), Candidate("a", "trial", FAILED)] * ENOUGH
    assert Ranking(experiment(), [*others, *trials]).median_scores() == (0.5,)
    assert Ranking(experiment(), others).median_scores() == ()
    assert Ranking(experiment(tuner="hyperband"), trials).median_scores() == ()
    assert Ranking(experiment(training={"halve_behind": False}), trials).median_scores() == ()
