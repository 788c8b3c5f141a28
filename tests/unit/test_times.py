import datetime

import pytest

from automm.data.manifest import parse_manifest
from automm.data.records.reviews import load_dataset
from automm.data.records.times import cell_time
from automm.errors import DataError

NOON = 1_715_000_889.0  # 2024-05-06 13:08:09 UTC


@pytest.mark.parametrize(
    ("cell", "seconds"),
    [
        ("2024-05-06 13:08:09", NOON),
        ("2024-05-06T13:08:09Z", NOON),
        (" 2024-05-06T15:08:09+02:00 ", NOON),
        (1715000889, NOON),
        ("1715000889", NOON),
        (1715000889000, NOON),
        ("1715000889000.0", NOON),
        ("2024-05-06", 1_714_953_600.0),
        ("20240506", 1_714_953_600.0),
        (datetime.date(2024, 5, 6), 1_714_953_600.0),
        (datetime.datetime(2024, 5, 6, 13, 8, 9), NOON),
        ("1970-01-01", 0.0),
        (-5, -5.0),
    ],
    ids=str,
)
def test_the_forms_of_a_time(cell, seconds):
    assert cell_time(cell, "when") == seconds


@pytest.mark.parametrize(
    "cell", ["yesterday", "06/05/2024", "nan", "inf", True, [1], {}, 10**400, "", None, float("nan")]
)
def test_invalid_times_are_reported(cell):
    with pytest.raises(ValueError, match=r"time .*in column 'when'"):
        cell_time(cell, "when")


def test_every_record_without_a_time_is_reported_with_its_line(tmp_path):
    (tmp_path / "r.csv").write_text("text,label,when\na,x,2024-05-06\nb,y,May 6th\nc,x,\nd,y,2024-05-07\n")
    content = {"name": "x", "records": "r.csv", "fields": {"text": "text", "label": "label"}}
    with pytest.raises(DataError) as caught:
        load_dataset(parse_manifest({**content, "splits": {"time": "when"}}, tmp_path / "manifest.yaml"))
    assert caught.value.lines[0].startswith("r.csv:3: time 'May 6th' in column 'when' is not an ISO date")
    assert caught.value.lines[1].startswith("r.csv:4: no time in column 'when'")
    with pytest.raises(DataError, match=r"no column 'wen' \(named in splits.time\). Did you mean 'when'"):
        load_dataset(parse_manifest({**content, "splits": {"time": "wen"}}, tmp_path / "manifest.yaml"))
