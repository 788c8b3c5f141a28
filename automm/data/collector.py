"""Pause Python's garbage collector while data without reference cycles are built."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def paused_collector() -> Iterator[None]:
    """Disable the cyclic garbage collector: it would scan millions of small new objects again and again.

    Reference counting still frees objects.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
