"""Detect damage in a stored file by a crc32 of each portion."""

import os
import random
import zlib
from collections.abc import Sequence

# Comparing 1 GB takes less than half a second (benchmarks/encode_rate), and the values are read afterwards anyway.
CHECKED_WHOLE = 2**30
SAMPLED = 2**27  # bytes compared of a longer file; another random sample at each opening


def sums_of(descriptor: int, portion: int) -> tuple[int, ...]:
    """Return the crc32 of each portion of an open file."""
    size = os.fstat(descriptor).st_size
    return tuple(portion_sum(descriptor, number, portion) for number in range(-(-size // portion)))


def is_checked_whole(size: int) -> bool:
    """Return whether every byte of a file of this size is compared at each opening."""
    return size <= CHECKED_WHOLE


def damaged_at(descriptor: int, sums: Sequence[int], portion: int, *, written: int, rng: random.Random) -> int | None:
    """Return the offset of the first portion found whose checksum differs; None if no difference is found.

    All portions are compared in a file of up to CHECKED_WHOLE bytes, and in a longer file that was modified since the
    checksums were computed. Otherwise SAMPLED bytes are compared: a start should not read gigabytes.

    Args:
        descriptor: of the open file.
        sums: the expected crc32 of each portion.
        portion: its size in bytes.
        written: the file's modification time (ns) when the checksums were computed.
        rng: chooses the sample.
    """
    state, numbers = os.fstat(descriptor), range(len(sums))
    trusted = not is_checked_whole(state.st_size) and state.st_mtime_ns == written
    sample = min(len(numbers), max(1, SAMPLED // portion))
    for number in rng.sample(numbers, sample) if trusted else numbers:
        if portion_sum(descriptor, number, portion) != sums[number]:
            return number * portion
    return None


def portion_sum(descriptor: int, number: int, portion: int) -> int:
    """Return the crc32 of one portion."""
    return zlib.crc32(os.pread(descriptor, portion, number * portion))
