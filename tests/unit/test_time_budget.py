"""A time limit is compared with the encoding before it begins."""

from pathlib import Path

import pytest

from automm.config.experiment import Experiment
from automm.errors import ConfigError
from automm.search.cost.time_budget import check_encoding
from automm.search.features.encoding_time import EncodingTime

EXPECTED = EncodingTime(120.0, (("texts", 2000),)) + EncodingTime(480.0, (("pictures", 9000),))


def experiment(**settings):
    return Experiment(manifest=Path("m.yaml"), name="test", **settings)


def test_an_encoding_that_fits_is_named_with_its_time():
    words = check_encoding(experiment(budget={"time": "20m"}), EXPECTED, 30.0)
    assert words == "2,000 texts and 9,000 pictures, about 10 min of 20 min"
    assert check_encoding(experiment(budget={"time": None}), EXPECTED, 30.0).endswith("about 10 min")


def test_nothing_to_encode_says_nothing_even_without_time():
    assert check_encoding(experiment(budget={"time": "1m"}), EncodingTime(), 3000.0) == ""


def test_a_limit_that_is_too_small_says_at_once_what_fits():
    with pytest.raises(ConfigError) as raised:
        check_encoding(experiment(budget={"time": "5m"}), EXPECTED, 30.0)
    message = str(raised.value)
    assert "budget.time is 5 min, 30 s of it are used" in message
    assert "encoding 2,000 texts and 9,000 pictures takes about 10 min" in message
    assert "--subsample 0.4, or --time-budget 22m" in message
    assert check_encoding(experiment(budget={"time": "22m"}), EXPECTED, 30.0)
    less = EncodingTime(0.4 * EXPECTED.seconds, EXPECTED.items)
    assert check_encoding(experiment(budget={"time": "5m"}, subsample=0.4), less, 30.0)


def test_a_share_of_a_share():
    with pytest.raises(ConfigError, match=r"--subsample 0\.2,"):
        check_encoding(experiment(budget={"time": "5m"}, subsample=0.5), EXPECTED, 30.0)


def test_without_any_share_that_fits_only_a_longer_limit_is_named():
    with pytest.raises(ConfigError, match="Set --time-budget 22m"):
        check_encoding(experiment(budget={"time": "40s"}), EXPECTED, 30.0)
