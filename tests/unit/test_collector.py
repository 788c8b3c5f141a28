import gc

import pytest

from automm.data.collector import no_cycles


def test_the_collector_is_off_within_and_as_before_afterwards():
    with no_cycles(), no_cycles():
        assert not gc.isenabled()
    assert gc.isenabled()
    with pytest.raises(ValueError, match="x"), no_cycles():
        raise ValueError("x")
    assert gc.isenabled()
    gc.disable()
    try:
        with no_cycles():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()
