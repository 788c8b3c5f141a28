"""The result of a check as plain values, which the terminal, JSON and the page show alike."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from automm.data.quality.finding_kinds import KINDS
from automm.data.records.reviews import Review
from automm.errors import one_line

SHOWN = 5  # examples per finding
SHOWN_REVIEWS, SHOWN_PICTURES = 3, 3  # per example
SHOWN_TEXT = 120  # characters


@dataclass(frozen=True)
class Example:
    """One case of a finding.

    Attributes:
        reviews: the place and the id of the first three reviews of the case.
        detail: the evidence, such as the text that they share.
        pictures: picture files to show.
    """

    reviews: tuple[tuple[str, str], ...]
    detail: str
    pictures: tuple[Path, ...] = ()

    @property
    def line(self) -> str:
        """The case in one line: "reviews.jsonl:3 (id 17), reviews.jsonl:9 (id 23): the evidence"."""
        places = ", ".join(f"{where} (id {identity})" for where, identity in self.reviews)
        return one_line(": ".join(filter(None, [places, self.detail])))


@dataclass(frozen=True)
class Finding:
    """One problem or property of the data.

    Attributes:
        key: its kind, a key of `KINDS`.
        severity: 'error' (a search refuses to start), 'warning' (its result may mislead) or 'note'.
        what: the finding in words.
        count: the number of reviews, pictures, texts or values.
        examples: at most five.
        effect: what it does to the result.
        fix: what to do, or to write in the manifest.
    """

    key: str
    severity: str
    what: str
    count: int
    examples: tuple[Example, ...]
    effect: str
    fix: str

    def to_dict(self) -> dict[str, Any]:
        """Return plain values that JSON can hold."""
        examples = [
            {
                "reviews": [{"where": where, "id": identity} for where, identity in example.reviews],
                "detail": example.detail,
                "pictures": [str(path) for path in example.pictures],
            }
            for example in self.examples
        ]
        return asdict(self) | {"examples": examples}


def finding(key: str, count: int, examples: Sequence[Example], **details: object) -> Finding:
    """Return a finding of a known kind; `details` fill the placeholders of its texts."""
    kind = KINDS[key]
    texts = {name: getattr(kind, name).format(**details) for name in ("what", "effect", "fix")}
    return Finding(key=key, severity=kind.severity, count=count, examples=tuple(examples[:SHOWN]), **texts)


def example(reviews: Sequence[Review], detail: str = "", pictures: Sequence[Path] = ()) -> Example:
    """Return an example of some reviews that show a finding together."""
    places = tuple((review.where, review.id) for review in reviews[:SHOWN_REVIEWS])
    return Example(places, detail, tuple(pictures[:SHOWN_PICTURES]))


def excerpt(text: str) -> str:
    """Return the beginning of a text, in one line and in quotes."""
    line = " ".join(text.split())
    return repr(line if len(line) <= SHOWN_TEXT else line[: SHOWN_TEXT - 3] + "...")
