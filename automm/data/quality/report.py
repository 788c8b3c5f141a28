"""The quality report of a data set, as plain values."""

from collections import Counter
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from automm.data.change_kinds import Change, change_lines
from automm.data.quality.checked import Checked
from automm.data.quality.checks.labels import label_table
from automm.data.quality.checks.numbers import number_table
from automm.data.quality.finding import Finding
from automm.data.quality.finding_kinds import SEVERITIES
from automm.data.splitting.text_forms import picture_name


@dataclass(frozen=True)
class Report:
    """The quality of a data set.

    Attributes:
        reviews, pictures: their numbers; a picture counts as often as reviews name it.
        distinct_pictures: pictures with different content.
        labels: reviews per split and label; empty in a regression, or if the reviews cannot be split.
        numbers: per split, the number of reviews and quantiles of the value to predict; empty in a classification.
        pictures_per_review: the number of reviews by their number of pictures.
        words: quantiles of the number of words per text.
        languages: the number of texts by language, in the sample that was examined.
        encoding: the encoding that texts were decoded in; "" if a custom reader decides.
        changes: what reading and the manifest's rules dropped or changed.
        findings: errors first.
        text_reading: lines about the text encoder that a search would choose.
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
    text_reading: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether a search would start."""
        return all(finding.severity != "error" for finding in self.findings)

    @property
    def reading_notes(self) -> list[str]:
        """Lines about reading: the text encoder, the encoding if it is not UTF-8, and what was dropped or changed."""
        named = self.encoding.lower().replace("_", "-")
        decoded = [] if named in ("", "utf-8", "utf8") else [f"texts decoded as {self.encoding}"]
        return [*self.text_reading, *decoded, *change_lines(self.changes)]

    @property
    def clean(self) -> bool:
        """Whether there are neither errors nor warnings."""
        return all(finding.severity == "note" for finding in self.findings)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values that JSON can hold."""
        plain = asdict(self)
        plain["pictures_per_review"] = {str(k): v for k, v in self.pictures_per_review.items()}
        plain["findings"] = [finding.to_dict() for finding in self.findings]
        return plain | {"ok": self.ok, "clean": self.clean}


def describe(checked: Checked, findings: list[Finding]) -> Report:
    """Return the report: counts of the data, and the findings in order of severity."""
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
