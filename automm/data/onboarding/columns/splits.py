"""Guess the column that names the split of each record."""

from typing import Any

from automm.data.layouts.files import SPLIT_NAMES
from automm.data.onboarding.columns.column import Column

VALIDATION = 0.15  # share of the training reviews, if a column names no validation split
SPLIT_VALUES = frozenset(SPLIT_NAMES)


def guess_split(columns: list[Column]) -> tuple[str, dict[str, Any], str] | None:
    """Guess the column that names the split of each record; it must name at least train and test.

    Returns:
        Its name, the content of `splits`, and the reason.
    """
    for column in columns:
        values = {text.strip().lower() for text in column.values}
        if not column.full or not values <= SPLIT_VALUES:
            continue
        splits = {SPLIT_NAMES[value] for value in values}
        if not {"train", "test"} <= splits:
            continue
        names = {text for text in column.values if SPLIT_NAMES[text.strip().lower()] != text}
        rule: dict[str, Any] = {"column": column.name}
        rule |= {"values": {name: SPLIT_NAMES[name.strip().lower()] for name in sorted(names)}} if names else {}
        reason = f"its values are {', '.join(sorted(values))}"
        if "validation" not in splits:
            rule["validation"] = VALIDATION
            reason += f". There is no validation split, so {VALIDATION:.0%} of the training reviews are drawn for it"
        return column.name, rule, reason
    return None
