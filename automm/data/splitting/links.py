"""Find linked reviews: by a group, by copies of a text, by the same picture, or through other reviews."""

import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from automm.data.collector import paused_collector
from automm.data.images.near_duplicates import picture_names
from automm.data.records.reviews import Dataset, Review
from automm.data.sections import LINK_KINDS
from automm.data.splitting.disjoint_sets import DisjointSets
from automm.data.splitting.near_texts import near_texts
from automm.data.splitting.text_forms import distinctive_text, linking_text, picture_name

# A text with variants in more reviews than this, or than this percentage of all, is not a copied post but a phrase that
# people or forms repeat ("This item was as described!"). Links by it would join unrelated reviews, and everything they
# are linked to, into one component that fits into no split. Reviews with exactly the same text stay linked.
MOST_COPIES, MOST_PERCENT = 20, 1


@dataclass(frozen=True)
class Links:
    """The links between the reviews of a data set, computed once for splits and checks.

    A set is a sorted list of two or more rows.

    Attributes:
        count: number of reviews, n.
        kinds: of links that keep reviews in one split, some of `LINK_KINDS`.
        shared: for each kind of `LINK_KINDS`, the sets of reviews that share a group, a text or a picture.
        near_texts: sets of reviews with nearly the same text, if the manifest enables them.
        common_texts: sets of reviews with variants of one phrase, too many to be linked by it.
    """

    count: int
    kinds: tuple[str, ...]
    shared: Mapping[str, list[list[int]]]
    near_texts: list[list[int]]
    common_texts: list[list[int]]

    @cached_property
    def components(self) -> list[list[int]]:
        """The components of all n reviews: reviews that are linked, directly or through others."""
        return self.components_of(range(self.count))

    @cached_property
    def units(self) -> np.ndarray:
        """The component of each review, (n,) int64: reviews of one component are not independent of each other."""
        units = np.empty(self.count, np.int64)
        for unit, rows in enumerate(self.components):
            units[rows] = unit
        return units

    def components_of(self, rows: Sequence[int], kinds: Collection[str] | None = None) -> list[list[int]]:
        """Return the components of some reviews; links through other reviews do not count.

        Args:
            rows: k of the n rows, each once.
            kinds: of links, instead of the manifest's.

        Returns:
            Lists of positions in `rows`, 0 to k - 1, each in one list.
        """
        place_of = [-1] * self.count
        for place, row in enumerate(rows):
            place_of[row] = place
        unions = DisjointSets(len(rows))
        for same in self._linked(self.kinds if kinds is None else kinds):
            inside = [place for row in same if (place := place_of[row]) >= 0]
            for place in inside[1:]:
                unions.join(place, inside[0])
        return unions.sets()

    def _linked(self, kinds: Collection[str]) -> Iterable[list[int]]:
        for kind in kinds:
            yield from self.shared[kind]
        if "texts" in kinds:
            yield from self.near_texts


def links_of(
    dataset: Dataset,
    digests: Mapping[Path, str],
    near_pictures: Sequence[Sequence[str]] | None = None,
    near_copies: Sequence[list[int]] | None = None,
) -> Links:
    """Find the links between the reviews of a data set; near duplicates count if the manifest says so.

    Args:
        dataset: n reviews.
        digests: of the pictures' bytes; a picture without one is identified by its path.
        near_pictures: `near_duplicates` of its pictures, if already computed.
        near_copies: `near_texts` of its texts, if already computed.
    """
    rules = dataset.manifest.splits
    names = picture_names(dataset, digests, near_pictures)
    if rules.near_duplicates == "ignore" or "texts" not in rules.keep_together:
        near_copies = ()
    elif near_copies is None:
        near_copies = near_texts([review.text for review in dataset.reviews])
    return link_reviews(dataset.reviews, names, rules.keep_together, near_copies)


def link_reviews(
    reviews: Sequence[Review],
    names: Mapping[Path, str],
    kinds: Sequence[str] = LINK_KINDS,
    near: Sequence[list[int]] = (),
) -> Links:
    """Find the links between n reviews.

    Args:
        reviews: n reviews.
        names: of pictures, such as digests; a picture without one is identified by its path.
        kinds: of links that keep reviews in one split, some of `LINK_KINDS`.
        near: sets of reviews with nearly the same text; sets larger than `most_copies` are ignored.
    """
    with paused_collector():
        texts, common = _same_texts(reviews)
        shared = {
            "groups": _sharing((row, review.group) for row, review in enumerate(reviews) if review.group is not None),
            "texts": texts,
            "pictures": _sharing(
                (row, name)
                for row, review in enumerate(reviews)
                if review.images
                for name in dict.fromkeys(picture_name(path, names) for path in review.images)
            ),
        }
    limit = most_copies(len(reviews))
    return Links(len(reviews), tuple(kinds), shared, [same for same in near if len(same) <= limit], common)


def most_copies(count: int) -> int:
    """Return how many of `count` reviews may contain copies of one text; with more, the text is a common phrase."""
    return max(MOST_COPIES, count * MOST_PERCENT // 100)


def _same_texts(reviews: Sequence[Review]) -> tuple[list[list[int]], list[list[int]]]:
    """Return the sets of reviews that share a text, and the sets that are too large.

    In a set that is too large, only reviews with exactly the same text are linked.
    """
    limit = most_copies(len(reviews))
    linked: list[list[int]] = []
    common: list[list[int]] = []
    for same in _sharing((row, form) for row, review in enumerate(reviews) if (form := linking_text(review.text))):
        if len(same) <= limit:
            linked.append(same)
            continue
        equal = _sharing((row, text) for row in same if (text := distinctive_text(reviews[row].text)))
        linked += equal
        if equal != [same]:
            common.append(same)
    return linked, common


def _sharing(keys: Iterable[tuple[int, str]]) -> list[list[int]]:
    """Return the rows of each key that two or more rows have, sorted; from distinct pairs of row and key, in order."""
    first: dict[bytes, int] = {}
    several: dict[bytes, list[int]] = {}
    for row, key in keys:
        # A digest, because the texts themselves would fill the memory a second time.
        short = hashlib.blake2b(key.encode("utf-8", "surrogatepass"), digest_size=16).digest()
        before = first.setdefault(short, row)
        if before != row:
            several.setdefault(short, [before]).append(row)
    return sorted(several.values())
