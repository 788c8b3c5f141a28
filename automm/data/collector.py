"""Python's collector of cycles, kept away from data that have none."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def no_cycles() -> Iterator[None]:
    """For the making of millions of small objects without a cycle, which it would look at again and again.

    What is counted by references is freed as ever.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
