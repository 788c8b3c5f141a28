"""A quality report for people, at a terminal."""

from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from automm.data.sections import SPLITS

if TYPE_CHECKING:
    from rich.console import Console

    from automm.data.quality import Report


def render(report: "Report", console: "Console") -> None:
    """Print a report: the numbers first, then what to know, then the verdict."""
    console.print(
        Text(
            f"{report.name}: {report.reviews:,} reviews, {report.pictures:,} pictures "
            f"({report.distinct_pictures:,} distinct)"
        )
    )
    if report.labels:
        console.print(_labels(report))
    per_review = ", ".join(f"{count} in {reviews:,}" for count, reviews in report.pictures_per_review.items())
    console.print(Text(f"pictures per review: {per_review} reviews"))
    words = ", ".join(f"{name} {value:g}" for name, value in report.words.items())
    console.print(Text(f"words per text: {words}"))
    for what, count in sorted(report.treated.items()):
        console.print(Text(f"{what}: {count:,}"))
    for finding in report.findings:
        style = "bold red" if finding.severity == "error" else "yellow"
        console.print(Text(f"{finding.severity}: {finding.count:,} x {finding.what}", style=style))
        for example in finding.examples:
            console.print(Text(f"    {example}"))
        console.print(Text(f"  {finding.effect} {finding.mend}"))
    console.print(Text("ready to search" if report.ok else "not ready: mend the errors above"))


def _labels(report: "Report") -> Table:
    """Labels down, splits across: counts and the share of the split."""
    splits = [split for split in SPLITS if split in report.labels]
    table = Table("label", *splits)
    totals = {split: max(1, sum(report.labels[split].values())) for split in splits}
    for label in report.labels[splits[0]]:
        counts = [report.labels[split][label] for split in splits]
        table.add_row(
            Text(label),
            *(f"{count:,} ({count / totals[split]:.0%})" for split, count in zip(splits, counts, strict=True)),
        )
    return table
