"""The memory of this process: how much it has taken at most, and giving back what it does not use."""

import ctypes
import gc
import resource
import sys
from functools import cache

import psutil


def peak_memory() -> int:
    """The largest resident memory of this process so far, in bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def available_memory() -> int:
    """Bytes that this machine could give this process without swapping."""
    return int(psutil.virtual_memory().available)


@cache
def settle() -> None:
    """Spare later collections what is there now, once a process: the modules, half a million objects.

    A collection then takes hundredths of a second and not half of one.
    """
    gc.collect()
    gc.freeze()


def give_back() -> None:
    """Collect garbage, and where the C library is glibc, return the freed memory to the system.

    glibc keeps what was freed for the next request of that size, and candidates differ in size: of three trainings on
    the demo 200 MB stayed with the process.
    """
    gc.collect()
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:
            trim(0)
