"""A quality report for people at a terminal."""

from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from automm.data.quality.report import Report
from automm.errors import one_line

if TYPE_CHECKING:
    from rich.console import Console

SHOWN_LABELS = 30
LONGEST_LABEL, LABEL_END = 60, 12  # characters of a label in the table, the last of them from its end
STYLES = {"error": "bold red", "warning": "yellow", "note": "cyan"}


def render(report: Report, console: "Console") -> None:
    """Print a report: counts, then findings, then the verdict."""
    console.print(
        Text(
            f"{report.name}: {report.reviews:,} reviews, {report.pictures:,} pictures "
            f"({report.distinct_pictures:,} distinct)"
        )
    )
    if report.labels:
        console.print(_labels(report.labels))
        if (more := len(report.labels["train"]) - SHOWN_LABELS) > 0:
            console.print(Text(f"only the {SHOWN_LABELS} most frequent training labels are shown, {more:,} are not"))
    if report.numbers:
        console.print(_numbers(report.numbers))
    per_review = ", ".join(f"{count} in {reviews:,}" for count, reviews in report.pictures_per_review.items())
    console.print(Text(f"pictures per review: {per_review} reviews"))
    words = ", ".join(f"{name} {value:g}" for name, value in report.words.items())
    console.print(Text(f"words per text: {words}"))
    languages = ", ".join(f"{name} {count:,}" for name, count in report.languages.items())
    console.print(Text(f"languages of {sum(report.languages.values()):,} texts: {languages or 'none'}"))
    for line in report.reading_notes:
        console.print(Text(line))
    for finding in report.findings:
        style = STYLES[finding.severity]
        console.print(Text(f"{finding.severity}: {finding.what}: {finding.count:,} [{finding.key}]", style=style))
        for example in finding.examples:
            console.print(Text(f"    {example.line}"))
        console.print(Text(f"  effect: {finding.effect}"))
        console.print(Text(f"  to do: {finding.fix}"))
    console.print(Text(verdict(report)))


def verdict(report: Report) -> str:
    """Return the report in one line, for the terminal and the page."""
    counts = Counter(finding.severity for finding in report.findings)
    if not report.ok:
        return "not ready: fix the errors"
    if not report.clean:
        kinds = "1 kind" if counts["warning"] == 1 else f"{counts['warning']} kinds"
        return f"no errors, {kinds} of warnings: read them before a search"
    return "ready to search"


def _numbers(numbers: Mapping[str, Mapping[str, float]]) -> Table:
    """Return a table with a row per split and a column per quantile of the value to predict."""
    first = next(iter(numbers.values()))
    table = Table("to predict", *first)
    for split, row in numbers.items():
        table.add_row(split, *(f"{value:,}" if name == "reviews" else f"{value:g}" for name, value in row.items()))
    return table


def _labels(labels: Mapping[str, Mapping[str, int]]) -> Table:
    """Return a table with a row per label and a column per split: counts and shares of the split."""
    table = Table("label", *labels)
    totals = {split: max(1, sum(counts.values())) for split, counts in labels.items()}
    train = labels["train"]
    commonest = sorted(train, key=lambda label: -train[label])[:SHOWN_LABELS]
    for label in train if len(train) <= SHOWN_LABELS else commonest:
        cells = [f"{counts[label]:,} ({counts[label] / totals[split]:.0%})" for split, counts in labels.items()]
        table.add_row(Text(_short(one_line(label))), *cells)
    return table


def _short(label: str) -> str:
    """Return a label of at most LONGEST_LABEL characters; a longer one loses its middle, because its end may differ."""
    if len(label) <= LONGEST_LABEL:
        return label
    return f"{label[: LONGEST_LABEL - LABEL_END - 3]}...{label[-LABEL_END:]}"
