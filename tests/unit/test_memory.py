"""Memory that is returned to the system."""

import gc
import sys

import pytest

from automm.search.memory import freeze_loaded_objects, peak_memory, release_memory


def test_the_peak_is_in_bytes():
    assert 2**20 < peak_memory() < 2**40


@pytest.mark.skipif(sys.platform != "linux", reason="only glibc keeps what was freed")
def test_freed_memory_between_kept_blocks_is_released():
    def anonymous() -> int:
        with open("/proc/self/statm") as file:  # noqa: PTH123
            _, resident, shared, *_ = map(int, file.read().split())
        return (resident - shared) * 4096

    blocks = [bytes(100_000) for _ in range(2000)]  # below the size from which glibc maps and unmaps each by itself
    kept = blocks[::100]
    full = anonymous()
    del blocks
    release_memory()
    assert full - anonymous() > 100e6
    assert len(kept) == 20


def test_existing_objects_are_frozen_once():
    freeze_loaded_objects()
    spared = gc.get_freeze_count()
    assert spared > 10_000
    later = [[] for _ in range(1000)]
    freeze_loaded_objects()
    assert gc.get_freeze_count() < spared + len(later)
