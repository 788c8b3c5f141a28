"""What the checks look at: reviews with their pictures and splits."""

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
    """A data set, read and split.

    Attributes:
        dataset: without what the manifest leaves out.
        inspections: of all its pictures.
        links: of its reviews.
        near_pictures: sets of its pictures that are nearly the same, by their digests.
        near_texts: sets of its reviews, by their rows, whose texts are nearly the same; empty where nobody asked.
        split_of: by the id of a review; empty where no split could be made.
        unused: whom the records are of, by columns that the manifest does not name.
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
        """In which splits these stand."""
        return {self.split_of[review.id] for review in reviews if review.id in self.split_of}

    def digests(self, review: Review) -> list[str]:
        """Of its pictures, each once."""
        digests = self.inspections.digests
        return list(dict.fromkeys(digests[path] for path in review.images if path in digests))

    def inspected(self) -> Iterable[tuple[Review, Path, Inspection]]:
        """Each readable picture once, with the first review that names it."""
        done: set[str] = set()
        for review in self.reviews:
            for path in review.images:
                digest = self.inspections.digests.get(path, "")
                if digest in self.inspections.seen and digest not in done:
                    done.add(digest)
                    yield review, path, self.inspections.seen[digest]

    @cached_property
    def languages(self) -> dict[int, str]:
        """A guess for the texts of a sample of the reviews, by place."""
        return languages([review.text for review in self.reviews])

    @cached_property
    def misread(self) -> Misread:
        """Texts that are words in another encoding than the manifest's."""
        return misread_texts([review.text for review in self.reviews], self.dataset.manifest.encoding)

    def at(self, rows: Iterable[int]) -> list[Review]:
        """The reviews in these rows."""
        return [self.reviews[row] for row in rows]

    @cached_property
    def shared(self) -> Mapping[str, list[list[Review]]]:
        """By the kind of a link, the sets of reviews that share a text, a picture (the same file) or a group."""
        shared = self.links.shared
        return {
            "texts": [self.at(rows) for rows in shared["texts"]],
            "pictures": self.sharing(self.digests),
            "groups": [self.at(rows) for rows in shared["groups"]],
        }

    def sharing(self, keys: Callable[[Review], Iterable[str]]) -> list[list[Review]]:
        """Reviews that share a key, two or more."""
        found: dict[str, dict[str, Review]] = defaultdict(dict)
        for review in self.reviews:
            for key in keys(review):
                found[key][review.id] = review
        return [list(same.values()) for same in found.values() if len(same) > 1]
