"""What a check has found: values, which the terminal, JSON and the page show alike."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from automm.data.quality.messages import KINDS
from automm.data.records.reviews import Review
from automm.errors import one_line

SHOWN = 5  # examples of a finding
SHOWN_REVIEWS, SHOWN_PICTURES = 3, 3  # of an example
SHOWN_TEXT = 120


@dataclass(frozen=True)
class Example:
    """One case of a finding.

    Attributes:
        reviews: the place and the id of each review concerned, the first three.
        detail: what is to be seen there.
        pictures: to show.
    """

    reviews: tuple[tuple[str, str], ...]
    detail: str
    pictures: tuple[Path, ...] = ()

    @property
    def line(self) -> str:
        """In one line: "reviews.jsonl:3 (id 17) = reviews.jsonl:9 (id 23): what is to be seen"."""
        places = " = ".join(f"{where} (id {identity})" for where, identity in self.reviews)
        return one_line(": ".join(filter(None, [places, self.detail])))


@dataclass(frozen=True)
class Finding:
    """Something to know before training.

    Attributes:
        key: of its kind, one of `KINDS`.
        severity: 'error' (a search refuses to start), 'warning' (its result will mislead), 'note'.
        what: the finding in words.
        count: how many reviews, pictures, texts or values.
        examples: up to five.
        effect: what it does to the result.
        fix: what to write in the manifest, or to do.
    """

    key: str
    severity: str
    what: str
    count: int
    examples: tuple[Example, ...]
    effect: str
    fix: str

    def to_dict(self) -> dict[str, Any]:
        """Plain values, as JSON has them."""
        examples = [
            {
                "reviews": [{"where": where, "id": identity} for where, identity in one.reviews],
                "detail": one.detail,
                "pictures": [str(path) for path in one.pictures],
            }
            for one in self.examples
        ]
        return asdict(self) | {"examples": examples}


def finding(key: str, count: int, examples: Sequence[Example], **details: object) -> Finding:
    """A finding of a known kind; `details` fill its texts."""
    kind = KINDS[key]
    texts = {name: getattr(kind, name).format(**details) for name in ("what", "effect", "fix")}
    return Finding(key=key, severity=kind.severity, count=count, examples=tuple(examples[:SHOWN]), **texts)


def example(reviews: Sequence[Review], detail: str = "", pictures: Sequence[Path] = ()) -> Example:
    """Some reviews that show something together."""
    places = tuple((review.where, review.id) for review in reviews[:SHOWN_REVIEWS])
    return Example(places, detail, tuple(pictures[:SHOWN_PICTURES]))


def excerpt(text: str) -> str:
    """The beginning of a text, in one line and quotes."""
    line = " ".join(text.split())
    return repr(line if len(line) <= SHOWN_TEXT else line[: SHOWN_TEXT - 3] + "...")
