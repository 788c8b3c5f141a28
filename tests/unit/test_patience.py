"""A search ends when its best candidate does not become better any more."""

from types import SimpleNamespace

from automm.search.patience import Patience, corrected_score
from automm.tracking.run_folder import COMPLETED, FAILED, KILLED, Candidate


def trial(score, status=COMPLETED, kind="trial", **more):
    return Candidate("", kind, status, score=score, evaluation="5 folds", **more)


def corrected_by(optimism):
    """The best score minus an optimism for each candidate."""
    return lambda candidates: max(c.score for c in candidates if c.score is not None) - optimism * len(candidates)


def test_trials_without_a_better_score_use_it_up():
    candidates = [trial(0.5), trial(0.6)]
    patience = Patience(3, candidates, "max", corrected_by(0.0))
    candidates += [trial(0.6), trial(0.59)]
    assert not patience.is_used_up()
    candidates.append(trial(0.55))
    assert patience.is_used_up()
    candidates.append(trial(0.7))
    assert not patience.is_used_up(), "the best has become better"


def test_a_lead_by_luck_does_not_count():
    """Each lead is smaller than what one more candidate adds to the optimism."""
    scores = [0.5, 0.505, 0.51, 0.515]
    assert Patience(3, [trial(score) for score in scores], "max", corrected_by(0.01)).is_used_up()
    assert not Patience(3, [trial(score) for score in scores], "max", corrected_by(0.001)).is_used_up()


def test_the_correction_is_computed_for_leaders_only():
    asked = []

    def corrected(candidates):
        asked.append(len(candidates))
        return candidates[-1].score

    candidates = [trial(score) for score in (0.5, 0.4, 0.6, 0.3, 0.55)]
    patience = Patience(5, candidates, "max", corrected)
    assert not patience.is_used_up()
    assert not patience.is_used_up(), "asked again, nothing is counted twice"
    assert asked == [1, 3]


def test_only_completed_trials_on_all_rows_count():
    candidates = [trial(0.5, kind="baseline")] * 4
    candidates += [trial(None, FAILED), trial(None, KILLED), trial(0.9, kind="fine-tuned"), trial(0.1, stopped="round")]
    candidates += [trial(0.4), trial(0.4)]
    patience = Patience(3, candidates, "max", corrected_by(0.0))
    assert not patience.is_used_up()
    candidates.append(trial(0.4))
    assert patience.is_used_up()


def test_the_correction_is_over_baselines_and_trials():
    """A resumed search has ensembles and fine-tuned candidates of an earlier session, which patience does not count."""
    kinds = {"trial": 0.5, "baseline": 0.6, "fine-tuned": 0.8, "ensemble": 0.9}
    candidates = [Candidate(kind, kind, COMPLETED, score=score, evaluation="5 folds") for kind, score in kinds.items()]
    asked = []
    run = SimpleNamespace(predictions=lambda name: asked.append(name) or name)
    setup = SimpleNamespace(
        experiment=SimpleNamespace(direction="max"),
        evaluation="5 folds",
        judged=lambda answers: SimpleNamespace(count=0),
    )
    assert corrected_score(setup, run, candidates) == 0.6
    assert asked == ["baseline", "trial"]


def test_for_a_loss_smaller_is_better_and_null_never_ends():
    falling = [trial(score) for score in (0.9, 0.8, 0.7, 0.6)]
    assert not Patience(2, falling, "min", lambda candidates: candidates[-1].score).is_used_up()
    rising = falling[::-1]
    assert Patience(2, rising, "min", lambda candidates: candidates[-1].score).is_used_up()
    assert not Patience(None, rising, "min", lambda candidates: candidates[-1].score).is_used_up()
