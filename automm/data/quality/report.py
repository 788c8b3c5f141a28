"""The quality of a data set, as values."""

from collections import Counter
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from automm.data.changes import Change, change_lines
from automm.data.quality.checked import Checked
from automm.data.quality.checks.labels import label_table
from automm.data.quality.checks.numbers import number_table
from automm.data.quality.finding import Finding
from automm.data.quality.messages import SEVERITIES
from automm.data.splitting.text_forms import picture_name


@dataclass(frozen=True)
class Report:
    """The quality of a data set.

    Attributes:
        reviews, pictures: how many; pictures counted as often as reviews name them.
        distinct_pictures: by content.
        labels: reviews per split and label; empty where no split could be made, or a number is predicted.
        numbers: per split, how many reviews, and quantiles of the number that is to be predicted; else empty.
        pictures_per_review: reviews by their number of pictures.
        words: quantiles of the text length.
        languages: texts by their language, of those that were looked at.
        encoding: in which texts were decoded; "" where a reader of somebody's own decides.
        changes: what the manifest's rules left out.
        findings: the errors first.
    """

    name: str
    reviews: int
    pictures: int
    distinct_pictures: int
    labels: dict[str, dict[str, int]]
    numbers: dict[str, dict[str, float]]
    pictures_per_review: dict[int, int]
    words: dict[str, float]
    languages: dict[str, int]
    encoding: str
    changes: dict[Change, int]
    findings: tuple[Finding, ...]

    @property
    def ok(self) -> bool:
        """Whether a search would start."""
        return all(finding.severity != "error" for finding in self.findings)

    @property
    def of_reading(self) -> list[str]:
        """How the records were read, a line each: their encoding where it is not UTF-8, and what was left out."""
        named = self.encoding.lower().replace("_", "-")
        decoded = [] if named in ("", "utf-8", "utf8") else [f"texts decoded as {self.encoding}"]
        return [*decoded, *change_lines(self.changes)]

    @property
    def clean(self) -> bool:
        """Whether there is nothing but notes."""
        return all(finding.severity == "note" for finding in self.findings)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, as JSON has them."""
        plain = asdict(self)
        plain["pictures_per_review"] = {str(k): v for k, v in self.pictures_per_review.items()}
        plain["findings"] = [finding.to_dict() for finding in self.findings]
        return plain | {"ok": self.ok, "clean": self.clean}


def describe(checked: Checked, findings: list[Finding]) -> Report:
    """Count, and put the findings in order."""
    lengths = [len(review.text.split()) for review in checked.reviews]
    guesses = Counter(checked.languages.values())
    digests = checked.inspections.digests
    quantiles = np.quantile(lengths, [0, 0.25, 0.5, 0.75, 0.95, 1])
    return Report(
        name=checked.dataset.manifest.name,
        reviews=len(checked.reviews),
        pictures=sum(len(review.images) for review in checked.reviews),
        distinct_pictures=len({picture_name(path, digests) for review in checked.reviews for path in review.images}),
        labels=label_table(checked),
        numbers=number_table(checked),
        pictures_per_review=dict(sorted(Counter(len(review.images) for review in checked.reviews).items())),
        words=dict(zip(["min", "25%", "50%", "75%", "95%", "max"], map(float, quantiles), strict=True)),
        languages=dict(guesses.most_common()),
        encoding=checked.dataset.encoding,
        changes=checked.dataset.changes,
        findings=tuple(sorted(findings, key=lambda finding: SEVERITIES.index(finding.severity))),
    )
