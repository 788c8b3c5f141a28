"""Digests of the items that encoders read (a text or a picture each); features are cached by digest."""

import hashlib
from collections.abc import Iterable

import numpy as np

DIGEST = 16  # bytes


def item_digests(contents: Iterable[bytes | memoryview]) -> np.ndarray:
    """Return BLAKE2b digests of the contents of items, (n,) S16.

    Arrays of S16 compare, sort and search byte by byte.
    """
    digests = b"".join(hashlib.blake2b(content, digest_size=DIGEST).digest() for content in contents)
    return np.frombuffer(digests, f"S{DIGEST}")
