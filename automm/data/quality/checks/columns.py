"""Findings about columns that the manifest does not name: users and products whose reviews are in several splits."""

from collections.abc import Iterator

from automm.data.quality.checked import Checked
from automm.data.quality.checks.duplicates import keep_together
from automm.data.quality.finding import Finding, example, finding
from automm.errors import yaml_word

FEWEST_VALUES = 10  # fewer values are too few groups to split


def ungrouped_columns(checked: Checked) -> Iterator[Finding]:
    """Report unused columns of ids whose reviews are in several splits, also if fields.group names another column."""
    fields = checked.dataset.manifest.fields
    group = None if fields is None else fields.group
    for column, spread in checked.unused.spreads(checked.split_of):
        if spread.values < FEWEST_VALUES or not spread.apart:
            continue
        examples = [example(reviews, f"{column} {value!r}" if value else column) for value, reviews in spread.examples]
        fix = f"Set fields: {{group: {yaml_word(column)}}}, unless the column means something else."
        if group is not None:
            fix = (
                f"fields.group can name one column and is {group!r}. Set it to {column!r} if you will predict for new "
                f"values of {column!r} rather than of {group!r}."
            )
        rules = checked.dataset.manifest.splits
        if rules.rule not in ("fractions", "folds", "by") or "groups" not in rules.keep_together:
            fix = f"{fix} {keep_together(rules, 'groups')}"
        yield finding("ungrouped_column", spread.apart, examples, column=column, fix=fix)
