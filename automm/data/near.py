"""Near duplicates: the same picture in another size, quality or format, found without comparing each with each."""

from collections.abc import Iterator, Mapping
from itertools import pairwise
from pathlib import Path

import numpy as np

from automm.data.looks import Look, Looks, look_at_all
from automm.data.reviews import Dataset
from automm.data.unions import Unions

DISTANCE = 6  # of 64 bits
DIFFERENCE = 5.0  # of 255, on average over the thumbnails
CONTRAST = 24  # below it a picture is nearly flat, and its hash is noise


def near_duplicates(seen: Mapping[str, Look]) -> list[list[str]]:
    """Pictures that are nearly the same, directly or through others: their digests, two or more each, sorted.

    Two pictures are when at most 6 bits of their hashes and, on average, 5 of 255 of their thumbnails differ. Nearly
    flat pictures are left out, because nothing tells them apart.
    """
    digests = sorted(digest for digest, look in seen.items() if look.contrast >= CONTRAST)
    if not digests:
        return []
    hashes = np.array([seen[digest].hash for digest in digests], np.uint64)
    thumbnails = np.stack([seen[digest].thumbnail.ravel() for digest in digests]).astype(np.int16)
    distinct, group = np.unique(hashes, return_inverse=True)
    order = np.argsort(group, kind="stable")
    members = np.split(order, np.cumsum(np.bincount(group))[:-1])  # places of each distinct hash
    sizes = np.array([len(places) for places in members])
    unions = Unions(len(digests))
    alike = np.arange(len(digests))  # of equal hashes: the first of those that hang together
    for number in np.flatnonzero(sizes > 1):
        _join_equal(members[number], thumbnails, unions, alike)
    for ones, others in close_pairs(distinct, DISTANCE):
        single = (sizes[ones] == 1) & (sizes[others] == 1)
        firsts = [np.array([members[one][0] for one in some[single]], np.int64) for some in (ones, others)]
        for place in np.flatnonzero(_differences(thumbnails[firsts[0]], thumbnails[firsts[1]]) <= DIFFERENCE):
            unions.join(int(firsts[0][place]), int(firsts[1][place]))
        for one, other in zip(ones[~single], others[~single], strict=True):
            _join_close(members[one], members[other], thumbnails, unions, alike)
    return [[digests[place] for place in places] for places in unions.sets() if len(places) > 1]


def _differences(ones: np.ndarray, others: np.ndarray) -> np.ndarray:
    """On average over a thumbnail, (n,)."""
    return np.asarray(np.abs(ones - others).mean(axis=-1))


def _join_equal(places: np.ndarray, thumbnails: np.ndarray, unions: Unions, alike: np.ndarray) -> None:
    """Join pictures of one hash that are alike, directly or through others, each met once and not in pairs."""
    left = places
    while len(left):
        first, left, met = int(left[0]), left[1:], [int(left[0])]
        while met and len(left):
            close = _differences(thumbnails[left], thumbnails[met.pop()]) <= DIFFERENCE
            for place in left[close]:
                unions.join(first, int(place))
            alike[left[close]] = first
            met += left[close].tolist()
            left = left[~close]


def _join_close(
    ones: np.ndarray, others: np.ndarray, thumbnails: np.ndarray, unions: Unions, alike: np.ndarray
) -> None:
    """Join what is alike among the pictures of two hashes; what has been joined is not compared again."""
    fewer, more = sorted((ones, others), key=len)
    firsts, of_more = np.unique(alike[more], return_inverse=True)
    roots = np.array([unions.root(first) for first in firsts.tolist()])
    for place in fewer.tolist():
        left = more[roots[of_more] != unions.root(place)]
        close = _differences(thumbnails[left], thumbnails[place]) <= DIFFERENCE
        if close.any():
            for first in np.unique(alike[left[close]]).tolist():
                unions.join(place, first)
            roots = np.array([unions.root(first) for first in firsts.tolist()])


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


def picture_names(dataset: Dataset, digests: Mapping[Path, str], looks: Looks | None = None) -> Mapping[Path, str]:
    """What each picture is called where splits keep the same one on one side.

    Its digest; with splits.near_duplicates: together, the smallest digest of its near duplicates.

    Args:
        looks: at the pictures of the data set, where they are there already.
    """
    if dataset.manifest.splits.near_duplicates == "ignore":
        return digests
    looks = looks or look_at_all([path for review in dataset.reviews for path in review.images])
    name = {digest: near[0] for near in near_duplicates(looks.seen) for digest in near}
    return {path: name.get(digest, digest) for path, digest in digests.items()}
