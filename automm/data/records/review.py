"""One review: what reading hands to every later step."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Review:
    """One review.

    Attributes:
        id: unique in its data set.
        text: "" if the review has none.
        images: absolute paths, each inside the image root.
        label: the only or first label; None if labels are not read.
        labels: all labels if the column may hold several; () if it holds one.
        group: reviews of one group stay in one split.
        split: train, validation or test; None if no column decides.
        where: "reviews.jsonl:17", for messages.
        time: seconds since 1970; None unless splits are by time.
        value: the number that a regression predicts; `label` is the same number as text.
        numbers: values of the numeric columns of metadata, None for a missing one.
        categories: values of the categorical columns, "" for a missing one.
        history: the steps of the series, the latest last, None for a missing one.
        absent: names or URLs of missing pictures.
        names: names or URLs of all pictures in the record, in order: those of `images` and `absent`; () for a review
            that was made without a record.
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
        """Return the record's name or URL for one of `images`; the first if it has several."""
        return self._names_there[self.images.index(image)]

    def without(self, images: Collection[Path]) -> "Review":
        """Return the review without these pictures."""
        gone = [image in images for image in self.images]
        dropped = {name for name, is_gone in zip(self._names_there, gone, strict=False) if is_gone}
        return replace(
            self,
            images=tuple(image for image, is_gone in zip(self.images, gone, strict=True) if not is_gone),
            names=tuple(name for name in self.names if name not in dropped),
        )

    @property
    def _names_there(self) -> list[str]:
        """The names of `images`, in order."""
        absent = set(self.absent)
        return [name for name in self.names if name not in absent]

    @property
    def all_labels(self) -> tuple[str, ...]:
        """All labels of the review: one, several or none."""
        return self.labels or (() if self.label is None else (self.label,))
