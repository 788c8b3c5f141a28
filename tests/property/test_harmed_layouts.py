import harmed_layouts
from hypothesis import HealthCheck, given, settings
from layouts import WRITERS


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(harmed_layouts.cases)
def test_harmed_layouts_end_in_splits_or_in_a_named_error(case):
    harmed_layouts.run(case)


def test_unharmed_ones_go_most_of_the_way():
    """Were every case an error, little of the way would have been gone."""
    ends = [harmed_layouts.run(harmed_layouts.Case(name, [], "drop-image", None)) for name in WRITERS]
    assert ends.count("split") >= 3
    assert set(ends) <= {"split", "DataError"}


def test_metadata_in_a_folder_that_a_link_leads_to_is_not_opened():
    for share in range(33):
        case = harmed_layouts.Case("imagefolder", [("link folder", share / 33, 0.0, b"\0")], "drop-image", None)
        harmed_layouts.run(case)
