"""One review, as all that comes after reading knows it."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Review:
    """One review.

    Attributes:
        id: unique in its data set.
        text: "" where there is none.
        images: absolute paths, each inside the image root.
        label: None where labels are not read; where there are several, the first.
        labels: all of them where the column holds several; () where it holds one.
        group: reviews of one group stay in one split.
        split: train, validation or test, where a column says so.
        where: "reviews.jsonl:17", for messages.
        time: seconds since 1970, where splits are by time.
        value: what a regression predicts; `label` is the same as a text.
        numbers: of the numeric columns of metadata, None where there is none.
        categories: of the categorical columns, "" where there is none.
        history: the steps of the series, the latest last, None for one that is missing.
        absent: names or URLs of pictures that are not there.
        names: what the record calls its pictures (names or URLs), in order: one for each of `images`, and `absent`; ()
            of a review that was made without a record.
    """

    id: str
    text: str
    images: tuple[Path, ...]
    label: str | None
    group: str | None
    split: str | None
    where: str
    labels: tuple[str, ...] = ()
    time: float | None = None
    value: float | None = None
    numbers: tuple[float | None, ...] = ()
    categories: tuple[str, ...] = ()
    history: tuple[float | None, ...] = ()
    absent: tuple[str, ...] = ()
    names: tuple[str, ...] = ()

    def name_of(self, image: Path) -> str:
        """The name or URL by which the record has one of `images`, the first where it has several."""
        return self._names_there[self.images.index(image)]

    def without(self, images: Collection[Path]) -> "Review":
        """The same review without these pictures."""
        gone = [image in images for image in self.images]
        dropped = {name for name, is_gone in zip(self._names_there, gone, strict=False) if is_gone}
        return replace(
            self,
            images=tuple(image for image, is_gone in zip(self.images, gone, strict=True) if not is_gone),
            names=tuple(name for name in self.names if name not in dropped),
        )

    @property
    def _names_there(self) -> list[str]:
        """One for each of `images`."""
        absent = set(self.absent)
        return [name for name in self.names if name not in absent]

    @property
    def all_labels(self) -> tuple[str, ...]:
        """One label, several, or none."""
        return self.labels or (() if self.label is None else (self.label,))
