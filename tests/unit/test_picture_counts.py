"""What prediction says of pictures that were given and not read."""

import pytest

from automm.cli.runs import _share_or_count
from automm.data.change_kinds import Change
from automm.deliver.picture_counts import PictureCounts
from automm.errors import ConfigError

MISSING = {"percent": [0, 25, 50, 75, 100], "scores": {"image": {"macro_f1": [0.9, 0.8, 0.7, 0.6, 0.5]}}}
ABOUT = {"reading": {"task": "classification"}, "missing": MISSING, "pictured": 1.0}


def counts(*reviews):
    """Counts of reviews, each (given, read)."""
    found = PictureCounts()
    for given, read in reviews:
        lost = [(Change.MISSING_PICTURE, "a.png")] * (given - read)
        found.add("r.csv:2", given, read, lost, answered=True)
    return found


def test_lost_pictures_have_the_measured_price():
    warning = counts((1, 0), (2, 0), (1, 1), (1, 1)).warning(ABOUT)
    assert warning == (
        "50% of the predicted reviews have a picture that was read; in training 100%. Measured on the test split: when "
        "50% of the reviews lost their pictures, macro-F1 went from 0.900 to 0.700"
    )


def test_records_that_name_no_pictures_are_noticed_if_training_had_some():
    assert "to 0.500" in counts((0, 0), (0, 0)).warning(ABOUT)
    assert counts((0, 0), (0, 0)).warning({**ABOUT, "pictured": 0.0}) == ""
    assert counts((0, 0), (1, 1)).warning({**ABOUT, "pictured": 0.5}) == ""


def test_nothing_is_said_if_every_picture_was_read():
    assert counts((1, 1), (2, 2)).warning(ABOUT) == ""
    assert PictureCounts().warning(ABOUT) == ""


def test_an_older_bundle_has_no_price():
    warning = counts((1, 0), (1, 1)).warning({"reading": {"task": "classification"}})
    assert warning == (
        "50% of the predicted reviews have a picture that was read; the records name pictures for 100%. The run did "
        "not measure what lost pictures cost"
    )


@pytest.mark.parametrize(("text", "allowed"), [("0", 0), ("7", 7), ("5%", 10), ("2.5 %", 5), ("100%", 200)])
def test_how_many_reviews_may_fail(text, allowed):
    assert _share_or_count(text)(200) == allowed


@pytest.mark.parametrize("text", ["", "-1", "a", "5%%", "1.5"])
def test_another_limit_is_refused(text):
    with pytest.raises(ConfigError, match=r"--max-failed .*: expected a number of reviews or a percentage"):
        _share_or_count(text)
