"""A time limit is compared with the encoding before it begins, and divided among the stages."""

import re
import time
from pathlib import Path
from types import SimpleNamespace

import keras
import pytest

from automm.config.experiment import Experiment
from automm.errors import ConfigError
from automm.search.cost.time_budget import Pace, Tail, check_encoding, has_time_to_fine_tune
from automm.search.features.encoding_time import EncodingTime
from automm.tracking.run_folder import COMPLETED, Candidate

EXPECTED = EncodingTime(120.0, (("texts", 2000),)) + EncodingTime(480.0, (("pictures", 9000),))


def experiment(**settings):
    return Experiment(manifest=Path("m.yaml"), name="test", **settings)


def test_an_encoding_that_fits_is_named_with_its_time():
    words = check_encoding(experiment(budget={"time": "20m"}), EXPECTED, 30.0)
    assert words == "2,000 texts and 9,000 pictures, about 10 min of 20 min"
    two_encoders = EXPECTED + EncodingTime(0.0, (("texts", 2000),))
    assert check_encoding(experiment(budget={"time": "20m"}), two_encoders, 30.0) == words
    assert check_encoding(experiment(budget={"time": None}), EXPECTED, 30.0).endswith("about 10 min")


def test_nothing_to_encode_needs_time_for_a_candidate_only_if_there_is_none_yet():
    stored = EncodingTime()
    assert check_encoding(experiment(budget={"time": None}), stored, 3000.0) == ""
    assert check_encoding(experiment(budget={"time": "1m"}), stored, 10.0) == ""
    assert check_encoding(experiment(budget={"time": "4s"}), stored, 1.0) == "", "half of it is for candidates"
    assert check_encoding(experiment(budget={"time": "1m"}), stored, 3000.0, begun=True) == "", "they are evaluated"
    with pytest.raises(ConfigError) as raised:
        check_encoding(experiment(budget={"time": "20s"}), stored, 10.0)
    message = str(raised.value)
    assert "budget.time is 20 s: 10 s of it are used, and 10 s are kept for the finalists" in message
    assert message.endswith("so that no candidate can be trained. Set --time-budget 2m")


def test_a_limit_too_small_for_candidates_and_finalists_names_what_they_need():
    few = EncodingTime(0.2, (("texts", 4),))
    with pytest.raises(ConfigError) as raised:
        check_encoding(experiment(budget={"time": "20s"}), few, 3.0)
    message = str(raised.value)
    assert "budget.time is 20 s: 3 s of it are used, encoding 4 texts takes about 1 s on this machine" in message
    assert message.endswith("and 31 s are kept for candidates and finalists. Set --time-budget 2m")


def test_a_limit_that_is_too_small_says_at_once_what_fits():
    with pytest.raises(ConfigError) as raised:
        check_encoding(experiment(budget={"time": "5m"}), EXPECTED, 30.0)
    message = str(raised.value)
    assert "budget.time is 5 min: 30 s of it are used" in message
    assert "and 31 s are kept for candidates and finalists. Set" in message
    assert "encoding 2,000 texts and 9,000 pictures takes about 10 min on this machine" in message
    assert "--subsample 0.35, or --time-budget 23m" in message
    assert check_encoding(experiment(budget={"time": "22m"}), EXPECTED, 30.0)
    less = EncodingTime(0.35 * EXPECTED.seconds, EXPECTED.items)
    assert check_encoding(experiment(budget={"time": "5m"}, subsample=0.35), less, 30.0)


@pytest.mark.parametrize("limit", range(80, 655, 25))
def test_a_share_fits_if_the_second_measurement_is_a_tenth_slower(limit):
    settings = {"budget": {"time": f"{limit}s"}}
    with pytest.raises(ConfigError) as raised:
        check_encoding(experiment(**settings), EXPECTED, 30.0)
    for share in re.findall(r"--subsample ([\d.]+)", str(raised.value)):
        slower = EncodingTime(1.1 * float(share) * EXPECTED.seconds, EXPECTED.items)
        assert check_encoding(experiment(**settings, subsample=float(share)), slower, 30.0)


def test_a_resumed_run_is_offered_no_share_because_its_reviews_stay_the_same():
    with pytest.raises(ConfigError, match=r"candidates and finalists\. Set --time-budget 23m"):
        check_encoding(experiment(budget={"time": "5m"}), EXPECTED, 30.0, resumed=True)


def test_a_share_of_a_share():
    with pytest.raises(ConfigError, match=r"--subsample 0\.15,"):
        check_encoding(experiment(budget={"time": "5m"}, subsample=0.5), EXPECTED, 30.0)


def test_without_any_share_that_fits_only_a_longer_limit_is_named():
    with pytest.raises(ConfigError, match="Set --time-budget 23m"):
        check_encoding(experiment(budget={"time": "40s"}), EXPECTED, 30.0)


def tail(setup, other_folds=0, slowness=1.0):
    return Tail(setup, other_folds, lambda: slowness)


def test_the_time_after_the_trials_grows_with_what_is_to_be_done():
    setup = SimpleNamespace(experiment=experiment(), splits={"test": range(700)}, folds=("a fold",) * 5)
    candidates = [Candidate(f"trial-00{number}", "trial", COMPLETED, seconds=10.0) for number in range(1, 9)]
    alone = tail(setup).seconds(candidates, tuned=False)
    assert 10 < alone < 60
    assert tail(setup, slowness=3.0).seconds(candidates, tuned=False) == pytest.approx(3 * alone)
    assert alone < tail(setup).seconds(candidates, tuned=True) < 2 * 60
    assert tail(setup).seconds(candidates, tuned=False, seeds=2) == alone + 2 * 3 * 10.0
    assert tail(setup, 4).seconds(candidates, tuned=False) > alone + 4 * 4 * 10.0


def test_time_is_kept_for_the_evidence_at_most_its_share():
    def kept(**more):
        setup = SimpleNamespace(experiment=experiment(**more), splits={"test": range(700)}, folds=("a fold",) * 5)
        return tail(setup).seconds(heads, tuned=False)

    heads = [Candidate("logistic_both", "baseline", COMPLETED, seconds=90.0)]
    heads += [Candidate("trial-001", "trial", COMPLETED, seconds=10.0, history=[{"loss": 1.0}])]
    none = kept(evidence=0)
    assert kept() - none == pytest.approx(20 * 10.0), "twenty trainings of the best head"
    assert kept(budget={"time": "10m"}) - none == pytest.approx(0.15 * 600)
    assert kept(budget={"time": None}) == none
    heads.pop()
    assert kept() == kept(evidence=0)


def bench(states_time):
    """A bench whose saved model reads no encoder."""
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    return SimpleNamespace(states_time=states_time, saved=lambda name: model, encoders_of=lambda suffix: frozenset())


@pytest.mark.parametrize(
    ("left", "states", "enough"), [(60.0, 0.0, False), (400.0, 120.0, True), (400.0, 180.0, False)]
)
def test_fine_tuning_begins_only_with_time_for_its_states_and_for_some_steps(left, states, enough):
    search = SimpleNamespace(
        setup=SimpleNamespace(experiment=experiment(tier2={"share": 0.5})),
        budget=SimpleNamespace(deadline=time.monotonic() + left),
        bench=bench(lambda encoders: EncodingTime(states)),
    )
    assert has_time_to_fine_tune(search, "trial-001") is enough
    search.budget.deadline = None
    assert has_time_to_fine_tune(search, "trial-001")


def test_a_busy_machine_needs_more_time():
    now, used = [0.0], [0.0]
    pace = Pace(lambda: now[0], lambda: used[0])
    assert pace.slowness() == 1.0
    now[0], used[0] = 60.0, 80.0  # both cores are free
    assert pace.slowness() == 1.0
    now[0] = 240.0  # others use them
    assert pace.slowness() == 3.0
    now[0] = 24_000.0
    assert pace.slowness() == 20.0
    pace.hold()
    now[0] = 80.0
    assert pace.slowness() == 20.0
