"""Which reviews are linked: by a group, by copies of a text, by the same picture, and through one another."""

import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from automm.data.collector import no_cycles
from automm.data.images.near_duplicates import picture_names
from automm.data.records.reviews import Dataset, Review
from automm.data.sections import LINK_KINDS
from automm.data.splitting.disjoint_sets import Unions
from automm.data.splitting.near_texts import near_texts
from automm.data.splitting.text_forms import linking_text, picture_name, telling_text

# A text of which more reviews than this, or than this percentage of all, have variants is no post that was copied but
# a phrase that people or forms repeat ("This item was as described!"). Linked, it would join unrelated reviews, and
# whatever each of them is linked to, into one component, which no split can hold. The very same text stays linked.
MOST_COPIES, MOST_PERCENT = 20, 1


@dataclass(frozen=True)
class Links:
    """What links the reviews of a data set, computed once and passed to whatever splits or checks them.

    A set is a list of two or more rows, sorted.

    Attributes:
        count: of reviews, n.
        kinds: of links that keep reviews on one side of a split, some of `LINK_KINDS`.
        shared: by each kind of `LINK_KINDS`, the sets of reviews that share a group, a text or a picture.
        near_texts: sets of reviews whose texts are nearly the same, where the manifest asks for them.
        common_texts: sets of reviews whose texts are variants of one phrase, too many to be linked by it.
    """

    count: int
    kinds: tuple[str, ...]
    shared: Mapping[str, list[list[int]]]
    near_texts: list[list[int]]
    common_texts: list[list[int]]

    @cached_property
    def together(self) -> list[list[int]]:
        """All n reviews in components: each with those that it is linked to, directly or through others."""
        return self.among(range(self.count))

    def among(self, rows: Sequence[int], kinds: Collection[str] | None = None) -> list[list[int]]:
        """Components of some reviews, linked by one another alone.

        Args:
            rows: k of the n, each once.
            kinds: of links, in place of those of the manifest.

        Returns:
            Lists of places in `rows`, 0 to k - 1, each in one list.
        """
        place_of = [-1] * self.count
        for place, row in enumerate(rows):
            place_of[row] = place
        unions = Unions(len(rows))
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
    """What links the reviews of a data set, near duplicates among it where the manifest says so.

    Args:
        digests: of the pictures' bytes; a picture without one is known by its path.
        near_pictures: `near.near_duplicates` of its pictures, where they have been found.
        near_copies: `near_texts` of its texts, where they have been found.
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
    """What links n reviews.

    Args:
        names: of pictures, such as their digests; one without is known by its path.
        kinds: of links that keep reviews on one side of a split, some of `LINK_KINDS`.
        near: sets of reviews whose texts are nearly the same; one that is too large links nobody.
    """
    with no_cycles():
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
    """How many of `count` reviews may hold copies of one text; more of them hold a common phrase."""
    return max(MOST_COPIES, count * MOST_PERCENT // 100)


def _same_texts(reviews: Sequence[Review]) -> tuple[list[list[int]], list[list[int]]]:
    """Sets of reviews that share a text, and the sets of variants that are too large, of which the equal are linked."""
    limit = most_copies(len(reviews))
    linked: list[list[int]] = []
    common: list[list[int]] = []
    for same in _sharing((row, form) for row, review in enumerate(reviews) if (form := linking_text(review.text))):
        if len(same) <= limit:
            linked.append(same)
            continue
        equal = _sharing((row, text) for row in same if (text := telling_text(reviews[row].text)))
        linked += equal
        if equal != [same]:
            common.append(same)
    return linked, common


def _sharing(keys: Iterable[tuple[int, str]]) -> list[list[int]]:
    """The rows of each key that two or more rows have, from pairs of a row and a key, each once, the rows in order."""
    first: dict[bytes, int] = {}
    several: dict[bytes, list[int]] = {}
    for row, key in keys:
        # In place of the texts themselves, which would fill memory a second time.
        short = hashlib.blake2b(key.encode("utf-8", "surrogatepass"), digest_size=16).digest()
        before = first.setdefault(short, row)
        if before != row:
            several.setdefault(short, [before]).append(row)
    return sorted(several.values())
