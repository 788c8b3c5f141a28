"""Measure the memory of this process, and release what it does not use."""

import ctypes
import gc
import resource
import sys
from functools import cache

import psutil


def peak_memory() -> int:
    """Return the largest resident memory of this process so far, in bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def available_memory() -> int:
    """Return the bytes that this machine can give this process without swapping."""
    return int(psutil.virtual_memory().available)


@cache
def freeze_loaded_objects() -> None:
    """Exclude the objects that exist now from later garbage collections, once per process.

    These are mostly modules: half a million objects. A collection then takes hundredths of a second instead of half a
    second.
    """
    gc.collect()
    gc.freeze()


def release_memory() -> None:
    """Collect garbage, and return freed memory to the system if the C library is glibc.

    glibc keeps freed memory for the next request of the same size, and candidates differ in size: after three trainings
    on the demo data, the process still held 200 MB.
    """
    gc.collect()
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:
            trim(0)
