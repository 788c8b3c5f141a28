"""The splits that imported records name: how a manifest can use them, and what to do with one without labels."""

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from automm.data.onboarding.columns.splits import VALIDATION
from automm.data.records.field_values import is_empty
from automm.data.sections import SPLITS

UNLABELLED = "unlabelled.jsonl"  # the records of a test split without labels, for predictions


def use_splits(records: Path, to: Path, column: str, label: str | None) -> tuple[str, dict[str, str]]:
    """Return a comment for the manifest that shows how to use a column of splits, and what was set aside.

    The comment is "" if a search could not use the splits. The records of a test split without labels are written to
    unlabelled.jsonl beside the records.

    Args:
        records: the records file.
        to: the folder that it will be in.
        column: the column of the splits.
        label: the column of the label; None if there is none.
    """
    counts, labelled = Counter[str](), Counter[str]()
    with records.open(encoding="utf-8") as lines:
        for line in lines:
            values = json.loads(line)
            counts[str(values.get(column))] += 1
            labelled[str(values.get(column))] += label is None or _has_label(values, label)
    if not {"train", "test"} <= counts.keys() <= set(SPLITS) or not labelled["train"]:
        return "", {}
    more = "" if labelled["validation"] else f", validation: {VALIDATION}"
    if labelled["test"]:
        return f"# The records name their splits. To use them:\n# splits: {{column: {column}{more}}}\n", {}
    _set_aside(records, column)
    reason = f"the {counts['test']:,} records of the test split have no label and are in {UNLABELLED}"
    reasons = {"not learned": f"{reason}. To predict them after a search: automm predict BUNDLE {to / UNLABELLED}"}
    if not labelled["validation"]:
        return "", reasons
    rule = f"{{column: {column}, values: {{validation: test}}, validation: {VALIDATION}}}"
    return f"# The test split has no labels. To test on the validation split:\n# splits: {rule}\n", reasons


def _has_label(values: Mapping[str, object], label: str) -> bool:
    cell = values.get(label)
    return not is_empty(cell) and cell != []


def _set_aside(records: Path, column: str) -> None:
    """Write the records of the test split to a file of their own."""
    with (
        records.open(encoding="utf-8") as lines,
        (records.parent / UNLABELLED).open("w", encoding="utf-8", newline="\n") as out,
    ):
        out.writelines(line for line in lines if str(json.loads(line).get(column)) == "test")
