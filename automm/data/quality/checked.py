"""The input of every check: reviews with their image inspections, links and splits."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from automm.data.images.inspect import Inspection, Inspections
from automm.data.quality.checks.encodings import Misread, misread_texts
from automm.data.quality.checks.unused import UnusedIds
from automm.data.quality.language import languages
from automm.data.records.reviews import Dataset, Review
from automm.data.splitting.links import Links


@dataclass(frozen=True)
class Checked:
    """A data set that was read, inspected and split.

    Attributes:
        dataset: the reviews that the manifest's rules keep.
        inspections: one per readable picture.
        links: links between the reviews.
        near_pictures: sets of nearly identical pictures, as digests.
        near_texts: sets of rows of `reviews` with very similar texts; empty unless requested.
        split_of: the split of each review by its id; empty if the reviews cannot be split.
        unused: ids of users, products and the like in columns that the manifest does not name.
    """

    dataset: Dataset
    inspections: Inspections
    links: Links
    near_pictures: Sequence[Sequence[str]]
    near_texts: Sequence[list[int]]
    split_of: Mapping[str, str]
    unused: UnusedIds

    @property
    def reviews(self) -> list[Review]:
        return self.dataset.reviews

    @property
    def targets(self) -> str:
        """What reviews are predicted to have, in words."""
        return self.dataset.manifest.task_object.targets

    def splits(self, reviews: Iterable[Review]) -> set[str]:
        """Return the splits that these reviews are in."""
        return {self.split_of[review.id] for review in reviews if review.id in self.split_of}

    def digests(self, review: Review) -> list[str]:
        """Return the distinct digests of a review's pictures, in order."""
        digests = self.inspections.digests
        return list(dict.fromkeys(digests[path] for path in review.images if path in digests))

    def inspected(self) -> Iterable[tuple[Review, Path, Inspection]]:
        """Yield each distinct readable picture once, with the first review that names it."""
        done: set[str] = set()
        for review in self.reviews:
            for path in review.images:
                digest = self.inspections.digests.get(path, "")
                if digest in self.inspections.by_digest and digest not in done:
                    done.add(digest)
                    yield review, path, self.inspections.by_digest[digest]

    @cached_property
    def languages(self) -> dict[int, str]:
        """The guessed languages of a sample of the texts, by row."""
        return languages([review.text for review in self.reviews])

    @cached_property
    def misread(self) -> Misread:
        """Texts that the manifest's encoding decodes wrongly."""
        return misread_texts([review.text for review in self.reviews], self.dataset.manifest.encoding)

    def at(self, rows: Iterable[int]) -> list[Review]:
        """Return the reviews in these rows."""
        return [self.reviews[row] for row in rows]

    @cached_property
    def shared(self) -> Mapping[str, list[list[Review]]]:
        """Sets of reviews that share a text, a picture (the same file) or a group, by the kind of link."""
        shared = self.links.shared
        return {
            "texts": [self.at(rows) for rows in shared["texts"]],
            "pictures": self.sharing(self.digests),
            "groups": [self.at(rows) for rows in shared["groups"]],
        }

    def sharing(self, keys: Callable[[Review], Iterable[str]]) -> list[list[Review]]:
        """Return the sets of two or more reviews that share one of their keys."""
        by_key: dict[str, dict[str, Review]] = defaultdict(dict)
        for review in self.reviews:
            for key in keys(review):
                by_key[key][review.id] = review
        return [list(reviews.values()) for reviews in by_key.values() if len(reviews) > 1]
