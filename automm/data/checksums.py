"""Whether a stored file is what was written: a crc32 of each portion of it."""

import os
import random
import zlib
from collections.abc import Sequence

# All of 1 GB is compared in less than half a second (benchmarks/encode_rate), and somebody reads the values anyway.
CHECKED_WHOLE = 2**30
SAMPLED = 2**27  # bytes of a longer file, others at each opening


def sums_of(descriptor: int, portion: int) -> tuple[int, ...]:
    """crc32 of each portion of an open file."""
    size = os.fstat(descriptor).st_size
    return tuple(portion_sum(descriptor, number, portion) for number in range(-(-size // portion)))


def is_checked_whole(size: int) -> bool:
    """Whether every byte of a file of this size is compared at each opening."""
    return size <= CHECKED_WHOLE


def damaged_at(descriptor: int, sums: Sequence[int], portion: int, *, written: int, rng: random.Random) -> int | None:
    """The byte where a portion begins that is not what was written; None if none is seen.

    Every portion counts in a file of up to CHECKED_WHOLE bytes, and in a longer one that was written to since; else
    SAMPLED bytes of it, so that a start does not read gigabytes.

    Args:
        sums: of each portion.
        portion: its bytes.
        written: the modification time (ns) that the file had when they were taken.
    """
    state, numbers = os.fstat(descriptor), range(len(sums))
    trusted = not is_checked_whole(state.st_size) and state.st_mtime_ns == written
    sample = min(len(numbers), max(1, SAMPLED // portion))
    for number in rng.sample(numbers, sample) if trusted else numbers:
        if portion_sum(descriptor, number, portion) != sums[number]:
            return number * portion
    return None


def portion_sum(descriptor: int, number: int, portion: int) -> int:
    """crc32 of one portion."""
    return zlib.crc32(os.pread(descriptor, portion, number * portion))
