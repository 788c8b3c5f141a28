"""Near duplicates: the same picture in another size, quality or format, found without comparing each with each."""

from collections.abc import Callable, Mapping, Sequence
from itertools import combinations
from pathlib import Path

import numpy as np

from automm.data.images.inspect import THUMBNAIL, Inspection, inspect_all
from automm.data.records.reviews import Dataset

DISTANCE = 6  # of 64 bits
# Root mean square differences of thumbnails, of 255. What separates two small things on a white ground is small, too,
# and so is asked in proportion to the contrast; what JPEG and scaling change is not, where there is hardly any.
LARGEST, SHARE_OF_CONTRAST, NOISE = 8.0, 1 / 6, 1.0
VALUES = 3 * THUMBNAIL**2  # of a thumbnail
CONTRAST = 24  # below it a picture is nearly flat, and its hash is noise

BLOCKS, BLOCK = DISTANCE + 2, 8  # of a hash, and their bits: two hashes that are close agree in two blocks at least
LONG = 64  # hashes that agree in two blocks, from which they are not compared with each other
FEW = 256  # pictures up to which each is compared with each, which is faster than a tree
DIRECTIONS, SAMPLE = 16, 10_000  # of the tree, and thumbnails that tell them


def near_duplicates(seen: Mapping[str, Inspection]) -> list[list[str]]:
    """Sets of pictures that are nearly the same: their digests, two or more each, sorted.

    Each picture of a set looks like its first: their thumbnails differ by at most 8 of 255 and a sixth of the contrast
    of the one that has more (root mean squares). And at most 6 bits of its hash differ from the first's, or from those
    of another of the set, because copies of copies go further. Nearly flat pictures are left out, because nothing tells
    them apart.
    """
    digests = sorted(digest for digest, look in seen.items() if look.contrast >= CONTRAST)
    hashes = np.array([seen[digest].hash for digest in digests], np.uint64)
    candidates = np.flatnonzero(may_be_close(hashes))
    if not len(candidates):
        return []
    digests, hashes = [digests[place] for place in candidates], hashes[candidates]
    thumbnails = np.stack([seen[digest].thumbnail.reshape(-1) for digest in digests])
    limits = _limits(thumbnails)
    around = _neighbourhoods(thumbnails, limits)
    free = np.ones(len(digests), bool)  # in no set yet
    found = []
    for first in range(len(digests)):
        if not free[first]:
            continue
        places = around(first)
        places = places[free[places]]
        alike = _differences(thumbnails[places], thumbnails[first]) <= np.maximum(limits[places], limits[first])
        places = places[alike]
        same = places[_reached(hashes[places], hashes[first])]
        free[same] = False
        if len(same) > 1:
            found.append([digests[place] for place in same])
    return found


def may_be_close(hashes: np.ndarray) -> np.ndarray:
    """Which hashes may differ from another one in at most 6 bits: all that do, and a few that do not.

    Hashes are compared with those of two equal blocks of bits (the tables of G. Manku, A. Jain, A. Das Sarma, Detecting
    Near-Duplicates for Web Crawling, WWW 2007). Where many agree, such as those of one drawn shape, none is compared:
    all of them may be close.

    Args:
        hashes: (n,) uint64.

    Returns:
        (n,) bool.
    """
    marked = np.zeros(len(hashes), bool)
    blocks = hashes[:, None].astype(">u8").view(np.uint8).astype(np.uint16)  # (n, 8)
    for one, other in combinations(range(BLOCKS), 2):
        keys = blocks[:, one] << BLOCK | blocks[:, other]
        order = np.argsort(keys, kind="stable")  # by radix: of 16 bits
        keys, ordered = keys[order], hashes[order]
        begins = np.flatnonzero(np.diff(keys, prepend=keys[:1] ^ 1))
        lengths = np.diff(begins, append=len(keys))
        of_long = np.repeat(lengths >= LONG, lengths)
        marked[order[of_long]] = True
        places = np.flatnonzero(~of_long)
        for step in range(1, LONG):
            places = places[places < len(keys) - step]
            places = places[keys[places] == keys[places + step]]  # who was not equal a step before is not now
            if not len(places):
                break
            close = places[np.bitwise_count(ordered[places] ^ ordered[places + step]) <= DISTANCE]
            marked[order[close]] = True
            marked[order[close + step]] = True
    return marked


def _limits(thumbnails: np.ndarray) -> np.ndarray:
    """How much a copy may differ from each, (n,) float64, of thumbnails (n, 192)."""
    colours = thumbnails.reshape(len(thumbnails), -1, 3)
    squares = np.einsum("ncd,ncd->n", colours, colours, dtype=np.int64, casting="unsafe")
    variances = squares / VALUES - (colours.mean(axis=1) ** 2).mean(axis=1)
    return np.asarray(np.clip(SHARE_OF_CONTRAST * np.sqrt(np.maximum(variances, 0)), NOISE, LARGEST))


def _differences(ones: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Root mean squares over thumbnails, (n,) float32."""
    differences = ones.astype(np.float32) - others
    return np.asarray(np.sqrt(np.einsum("nv,nv->n", differences, differences) / VALUES))


def _neighbourhoods(thumbnails: np.ndarray, limits: np.ndarray) -> Callable[[int], np.ndarray]:
    """A function from a place to the sorted places, int64, of all pictures that look like it, and of some others.

    A tree holds where the thumbnails, (n, 192) uint8, lie along the directions in which they vary most. There no two
    are further apart than they are. Two that look alike differ by at most a sixth of the larger contrast, which is at
    most a fifth of the smaller one, because their contrasts do not differ by more than they do.
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
    radii = np.sqrt(VALUES) * np.minimum(limits * 6 / 5, LARGEST) + 0.1  # more than what floats round
    return lambda place: np.array(tree.query_ball_point(coordinates[place], radii[place], return_sorted=True))


def _reached(hashes: np.ndarray, first: np.uint64) -> np.ndarray:
    """Which of the hashes, (n,) uint64, are close to the first, to those that are close to it, and so on; (n,) bool."""
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
    """What each picture is called where splits keep the same one on one side.

    Its digest; with splits.near_duplicates: together, the smallest digest of its near duplicates.

    Args:
        near: `near_duplicates` of the data set's pictures; without it they are inspected here.
    """
    rules = dataset.manifest.splits
    if rules.near_duplicates == "ignore" or "pictures" not in rules.keep_together:
        return digests
    if near is None:
        near = near_duplicates(inspect_all([path for review in dataset.reviews for path in review.images]).seen)
    name = {digest: same[0] for same in near for digest in same}
    return {path: name.get(digest, digest) for path, digest in digests.items()}
