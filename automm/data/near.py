"""Near duplicates: the same picture in another size, quality or format, found without comparing each with each."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np

from automm.data.looks import THUMBNAIL, Look, look_at_all
from automm.data.reviews import Dataset

DISTANCE = 6  # of 64 bits
# Root mean square differences of thumbnails, of 255. What separates two small things on a white ground is small, too,
# and so is asked in proportion to the contrast; what JPEG and scaling change is not, where there is hardly any.
LARGEST, SHARE_OF_CONTRAST, NOISE = 8.0, 1 / 6, 1.0
VALUES = 3 * THUMBNAIL**2  # of a thumbnail
CONTRAST = 24  # below it a picture is nearly flat, and its hash is noise


def near_duplicates(seen: Mapping[str, Look]) -> list[list[str]]:
    """Sets of pictures that are nearly the same: their digests, two or more each, sorted.

    Each picture of a set looks like its first: their thumbnails differ by at most 8 of 255 and a sixth of the contrast
    of the one that has more (root mean squares). And at most 6 bits of its hash differ from the first's, or from those
    of another of the set, because copies of copies go further. Nearly flat pictures are left out, because nothing tells
    them apart.
    """
    digests = sorted(digest for digest, look in seen.items() if look.contrast >= CONTRAST)
    if not digests:
        return []
    hashes = np.array([seen[digest].hash for digest in digests], np.uint64)
    thumbnails = np.stack([seen[digest].thumbnail.reshape(-1, 3) for digest in digests])
    limits = _limits(thumbnails)
    distinct, hash_of = np.unique(hashes, return_inverse=True)
    order = np.argsort(hash_of, kind="stable")
    members = np.split(order, np.cumsum(np.bincount(hash_of))[:-1])  # places of each distinct hash
    close = _close_hashes(distinct, members, thumbnails)
    free = np.ones(len(digests), bool)  # in no set, and not looked around yet
    found = []
    for first in range(len(digests)):
        own = int(hash_of[first])
        if not free[first] or (len(members[own]) == 1 and own not in close):
            continue
        same: list[int] = []
        met, reached = {own}, [own]
        while reached:
            places = np.concatenate([members[one] for one in reached])
            places = places[free[places]]
            alike = _differences(thumbnails[places], thumbnails[first]) <= np.maximum(limits[places], limits[first])
            places = places[alike]
            free[places] = False
            same += places.tolist()
            around = {other for one in {*hash_of[places].tolist()} for other in close.get(one, ())} - met
            met |= around
            reached = sorted(around)
        if len(same) > 1:
            found.append([digests[place] for place in sorted(same)])
    return found


def _limits(thumbnails: np.ndarray) -> np.ndarray:
    """How much a copy may differ from each, (n,) float64, of thumbnails (n, 64, 3)."""
    squares = np.einsum("ncd,ncd->n", thumbnails, thumbnails, dtype=np.int64, casting="unsafe")
    variances = squares / VALUES - (thumbnails.mean(axis=1) ** 2).mean(axis=1)
    return np.asarray(np.clip(SHARE_OF_CONTRAST * np.sqrt(np.maximum(variances, 0)), NOISE, LARGEST))


def _differences(ones: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Root mean squares over thumbnails, (n,) float32."""
    differences = ones.astype(np.float32) - others
    return np.asarray(np.sqrt(np.einsum("ncd,ncd->n", differences, differences) / VALUES))


def _close_hashes(distinct: np.ndarray, members: list[np.ndarray], thumbnails: np.ndarray) -> dict[int, list[int]]:
    """Of each hash the others that are close; without those of one picture each that cannot both look like a third."""
    single = np.array([len(places) == 1 for places in members])
    firsts = np.array([places[0] for places in members])
    close: dict[int, list[int]] = defaultdict(list)
    for ones, others in close_pairs(distinct, DISTANCE):
        kept = ~(single[ones] & single[others])
        pairs = firsts[ones[~kept]], firsts[others[~kept]]
        kept[~kept] = _differences(thumbnails[pairs[0]], thumbnails[pairs[1]]) <= 2 * LARGEST
        for one, other in zip(ones[kept].tolist(), others[kept].tolist(), strict=True):
            close[one].append(other)
            close[other].append(one)
    return close


def close_pairs(hashes: np.ndarray, distance: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """All pairs of hashes that differ in at most `distance` bits, each once.

    Cut into distance + 1 bands of bits, two such hashes agree in one band at least, so that only hashes of equal bands
    are compared (the tables of G. Manku, A. Jain, A. Das Sarma, Detecting Near-Duplicates for Web Crawling, WWW 2007).

    Args:
        hashes: (n,) uint64.
        distance: 0 to 63.

    Yields:
        Places of the one and of the other, int64, as many each.
    """
    edges = np.linspace(0, 64, distance + 2).astype(int)
    bands = [np.uint64((1 << int(end)) - (1 << int(start))) for start, end in pairwise(edges)]
    for number, band in enumerate(bands):
        keys = hashes & band
        order = np.argsort(keys, kind="stable")
        keys, sorted_hashes = keys[order], hashes[order]
        places = np.arange(len(hashes))
        for step in range(1, len(hashes)):
            places = places[places < len(hashes) - step]
            places = places[keys[places] == keys[places + step]]  # who was not equal a step before is not now
            if not len(places):
                break
            differing = sorted_hashes[places] ^ sorted_hashes[places + step]
            new = np.bitwise_count(differing) <= distance
            for earlier in bands[:number]:
                new &= (differing & earlier) != 0  # or it has come already
            close = places[new]
            if len(close):
                yield order[close], order[close + step]


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
        near = near_duplicates(look_at_all([path for review in dataset.reviews for path in review.images]).seen)
    name = {digest: same[0] for same in near for digest in same}
    return {path: name.get(digest, digest) for path, digest in digests.items()}
