"""Find near duplicates (the same picture in another size, quality or format) without comparing every pair."""

from collections.abc import Callable, Mapping, Sequence
from itertools import combinations
from pathlib import Path

import numpy as np

from automm.data.images.inspect import THUMBNAIL, Inspection, inspect_all
from automm.data.records.reviews import Dataset

DISTANCE = 6  # of 64 bits
# Largest root mean square difference of thumbnails, of 255. Two small things on a white ground differ little, so the
# limit is a share of the contrast. It is never below the noise of JPEG and scaling, which low contrast does not reduce.
LARGEST, SHARE_OF_CONTRAST, NOISE = 8.0, 1 / 6, 1.0
VALUES = 3 * THUMBNAIL**2  # numbers in a thumbnail
CONTRAST = 24  # below it a picture is nearly flat, and its hash is noise

BLOCKS, BLOCK = DISTANCE + 2, 8  # blocks of a hash, and their bits: close hashes agree in at least two blocks
LONG = 64  # so many hashes that agree in two blocks are not compared with each other
FEW = 256  # up to so many pictures, comparing every pair is faster than a tree
DIRECTIONS, SAMPLE = 16, 10_000  # dimensions of the tree; thumbnails from which they are computed


def near_duplicates(inspections: Mapping[str, Inspection]) -> list[list[str]]:
    """Find sets of nearly identical pictures.

    A picture belongs to a set if both hold:
    - Its thumbnail differs from the first picture's by at most 8 of 255, and by at most a sixth of the larger contrast
      of the two (root mean squares).
    - At most 6 bits of its hash differ from the first picture's, or from another member's: copies of copies drift.
    Nearly flat pictures are ignored, because neither measure can distinguish them.

    Args:
        inspections: by digest.

    Returns:
        The digests of each set, two or more, sorted.
    """
    digests = sorted(digest for digest, picture in inspections.items() if picture.contrast >= CONTRAST)
    hashes = np.array([inspections[digest].hash for digest in digests], np.uint64)
    candidates = np.flatnonzero(may_be_close(hashes))
    if not len(candidates):
        return []
    digests, hashes = [digests[place] for place in candidates], hashes[candidates]
    thumbnails = np.stack([inspections[digest].thumbnail.reshape(-1) for digest in digests])
    limits = _limits(thumbnails)
    neighbours = _neighbourhoods(thumbnails, limits)
    free = np.ones(len(digests), bool)  # in no set yet
    sets = []
    for first in range(len(digests)):
        if not free[first]:
            continue
        places = neighbours(first)
        places = places[free[places]]
        alike = _differences(thumbnails[places], thumbnails[first]) <= np.maximum(limits[places], limits[first])
        places = places[alike]
        members = places[_reached(hashes[places], hashes[first])]
        free[members] = False
        if len(members) > 1:
            sets.append([digests[place] for place in members])
    return sets


def may_be_close(hashes: np.ndarray) -> np.ndarray:
    """Mark the hashes that may differ from another one in at most 6 bits: all that do, and a few that do not.

    Only hashes with two equal blocks of bits are compared (the tables of G. Manku, A. Jain, A. Das Sarma, Detecting
    Near-Duplicates for Web Crawling, WWW 2007). If many hashes agree in two blocks, such as hashes of one drawn shape,
    all of them are marked without comparison.

    Args:
        hashes: (n,) uint64.

    Returns:
        (n,) bool.
    """
    marked = np.zeros(len(hashes), bool)
    blocks = hashes[:, None].astype(">u8").view(np.uint8).astype(np.uint16)  # (n, 8)
    for one, other in combinations(range(BLOCKS), 2):
        keys = blocks[:, one] << BLOCK | blocks[:, other]
        order = np.argsort(keys, kind="stable")  # a radix sort, because keys have 16 bits
        keys, ordered = keys[order], hashes[order]
        begins = np.flatnonzero(np.diff(keys, prepend=keys[:1] ^ 1))
        lengths = np.diff(begins, append=len(keys))
        of_long = np.repeat(lengths >= LONG, lengths)
        marked[order[of_long]] = True
        places = np.flatnonzero(~of_long)
        for step in range(1, LONG):
            places = places[places < len(keys) - step]
            places = places[keys[places] == keys[places + step]]  # keys that differed one step before differ now
            if not len(places):
                break
            close = places[np.bitwise_count(ordered[places] ^ ordered[places + step]) <= DISTANCE]
            marked[order[close]] = True
            marked[order[close + step]] = True
    return marked


def _limits(thumbnails: np.ndarray) -> np.ndarray:
    """Return how much a copy may differ from each of the thumbnails, (n, 192): (n,) float64."""
    colours = thumbnails.reshape(len(thumbnails), -1, 3)
    squares = np.einsum("ncd,ncd->n", colours, colours, dtype=np.int64, casting="unsafe")
    variances = squares / VALUES - (colours.mean(axis=1) ** 2).mean(axis=1)
    return np.asarray(np.clip(SHARE_OF_CONTRAST * np.sqrt(np.maximum(variances, 0)), NOISE, LARGEST))


def _differences(ones: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Return the root mean square difference of each pair of thumbnails, (n,) float32."""
    differences = ones.astype(np.float32) - others
    return np.asarray(np.sqrt(np.einsum("nv,nv->n", differences, differences) / VALUES))


def _neighbourhoods(thumbnails: np.ndarray, limits: np.ndarray) -> Callable[[int], np.ndarray]:
    """Return a function from a place to the sorted places, int64, of all similar pictures, and of some others.

    A KD-tree holds the thumbnails, (n, 192) uint8, projected on the directions in which they vary most. A projection
    never increases a distance. Similar thumbnails differ by at most a sixth of the larger contrast, which is at most a
    fifth of the smaller one, because their contrasts differ no more than the thumbnails themselves.
    """
    if len(thumbnails) <= FEW:
        everywhere = np.arange(len(thumbnails))
        return lambda place: everywhere
    from scipy.spatial import KDTree  # a quarter of a second, and seldom needed

    sample = thumbnails[:: -(-len(thumbnails) // SAMPLE)]
    directions = np.linalg.eigh(np.cov(sample, rowvar=False))[1][:, -DIRECTIONS:].astype(np.float32)
    parts = np.array_split(thumbnails, -(-len(thumbnails) // SAMPLE))
    coordinates = np.concatenate([part.astype(np.float32) @ directions for part in parts])
    tree = KDTree(coordinates)
    radii = np.sqrt(VALUES) * np.minimum(limits * 6 / 5, LARGEST) + 0.1  # 0.1 is more than the rounding error
    return lambda place: np.array(tree.query_ball_point(coordinates[place], radii[place], return_sorted=True))


def _reached(hashes: np.ndarray, first: np.uint64) -> np.ndarray:
    """Mark the hashes, (n,) uint64, that are close to the first, or to a marked one; (n,) bool."""
    reached = np.zeros(len(hashes), bool)
    left = np.arange(len(hashes))
    waiting = [first]
    while waiting and len(left):
        close = np.bitwise_count(hashes[left] ^ waiting.pop()) <= DISTANCE
        reached[left[close]] = True
        waiting += [*np.unique(hashes[left[close]])]
        left = left[~close]
    return reached


def picture_names(
    dataset: Dataset, digests: Mapping[Path, str], near: Sequence[Sequence[str]] | None = None
) -> Mapping[Path, str]:
    """Return the name by which splits link each picture with its copies.

    It is the digest of the picture, or, with splits.near_duplicates: together, the smallest digest of its set of near
    duplicates.

    Args:
        near: `near_duplicates` of the data set's pictures; without it they are inspected here.
    """
    rules = dataset.manifest.splits
    if rules.near_duplicates == "ignore" or "pictures" not in rules.keep_together:
        return digests
    if near is None:
        near = near_duplicates(inspect_all([path for review in dataset.reviews for path in review.images]).by_digest)
    name = {digest: same[0] for same in near for digest in same}
    return {path: name.get(digest, digest) for path, digest in digests.items()}
