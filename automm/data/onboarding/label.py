"""Set the label of a manifest that is being guessed, with what its values need: a task, a separator, rules."""

from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from automm.data.onboarding.columns.column import Column
from automm.data.onboarding.columns.labels import Candidate, find_label_names, is_undecided, rank_labels
from automm.data.onboarding.draft import NONE, ChoiceError, Draft
from automm.data.onboarding.related import Related
from automm.data.records.field_values import cell_labels, listed_names
from automm.data.sections import LabelColumn
from automm.errors import Problem

OTHER = "other"  # what rare labels become
RARE = 5  # labels with fewer examples are merged


def demand_label(
    draft: Draft, labels: Sequence[Candidate], related: Related, records: str, folder: Path, classes: Sequence[str]
) -> None:
    """Raise `ChoiceError` if no column looks like a label, or several do equally well.

    Args:
        draft: the manifest so far.
        labels: the columns that may be the label, the likeliest first.
        related: what other tables say.
        records: the records file, as the manifest has it.
        folder: its folder.
        classes: the folders of the pictures, if they may be classes.
    """
    choices = {candidate.column.name: candidate.reason for candidate in labels}
    is_labelled = related.labelled is None or any(candidate.looks_like_label for candidate in labels)
    if labels and is_labelled and not is_undecided(labels):
        return
    if related.labelled is not None and not is_labelled:
        file, target = related.labelled
        if related.by_index:
            text = f"no label: {file.name} has it, in column {target!r}, for rows with the same index"
            fix = f"Join the tables: automm import {file.parent} --to DIR"
        else:
            text = f"no label: {file.name} has the same columns and also {target!r}, so this is the table to predict"
            fix = f"Learn from the other table: automm init {file}. For predictions only, add --label {NONE}"
        raise ChoiceError([Problem("no_label", records, text, fix)], "--label", {})
    if not labels:
        named = [column.name for column in draft.free()]
        text = f"no column looks like a label. Columns: {', '.join(named[:30])}"
        fix = f"Name it: --label COLUMN. For a manifest to predict with, add --label {NONE}"
        if classes:
            text += f". The pictures are in {len(classes)} folders, such as {classes[0]!r}"
            fix = f"If these are the labels, run: automm import {folder} --to DIR. Else name a column: "
            fix += f"--label COLUMN, or --label {NONE} for a manifest to predict with"
        raise ChoiceError([Problem("no_label", records, text, fix)], "--label", dict.fromkeys(named, ""))
    alike = [candidate for candidate in labels if candidate.looks_like_label]
    text = f"{len(alike)} columns look like labels: {'; '.join(f'{c.column.name} ({c.reason})' for c in alike)}"
    fix = f"Name the one to predict: --label {alike[0].column.name}"
    raise ChoiceError([Problem("several_labels", records, text, fix)], "--label", choices)


def settle_label(draft: Draft, labels: Sequence[Candidate], folder: Path) -> Column | None:
    """Set the label to the likeliest column, with what its values need: a task, a separator, rules for rare labels."""
    given = draft.given.get("label")
    name = given if isinstance(given, str) else given.get("column") if isinstance(given, Mapping) else None
    if name is not None:
        column = draft.table.columns.get(name)
        if column is not None and isinstance(given, str):
            for candidate in rank_labels([column], {name: "given"}):
                draft.given = {**draft.given, "label": _label_field(candidate)}
                _write_rules(draft, candidate, folder)
        return column
    if not labels or "label" in draft.given:
        if "label" not in draft.given:
            why = "no column looks like a label. Name one, or use the manifest for predictions only"
            draft.reasons["fields.label"] = why
        return None
    best = labels[0]
    if len(labels) > 1:
        others = ", ".join(f"{candidate.column.name!r} ({candidate.reason})" for candidate in labels[1:4])
        draft.reasons["label candidates"] = f"{best.column.name!r} before {others}. To take another, add --label COLUMN"
    reason = best.reason
    if best.separator or best.listed:
        reason += ". One label per review is predicted so far: the first one"
    draft.settle("label", _label_field(best), [best.column.name], reason)
    _write_rules(draft, best, folder)
    return best.column


def _label_field(candidate: Candidate) -> Any:
    """Return the content of fields.label."""
    name = candidate.column.name
    if candidate.separator is not None:
        return {"column": name, "separator": candidate.separator, "pick": "first"}
    if candidate.listed:
        return {"column": name, "pick": "first"}
    if candidate.number and candidate.column.decimal is not None:
        return {"column": name, "decimal": candidate.column.decimal}
    return name


def _write_rules(draft: Draft, candidate: Candidate, folder: Path) -> None:
    """Set `task` and `labels` as the values of the label need them."""
    column = candidate.column
    rules: dict[str, Any] = {}
    if column.filled < column.all_records:
        rules["on_missing"] = "drop"
        missing = column.all_records - column.filled
        draft.reasons["labels.on_missing"] = f"{missing:,} records without a label are dropped"
    if candidate.number:
        draft.content["task"] = "regression"
        draft.reasons["task"] = f"{column.name!r} holds numbers, {column.distinct:,} different ones"
        if column.decimal is not None:
            example = column.examples[0]
            draft.reasons["fields.label"] += f". Numbers are written like {example!r}, so the decimal mark is named"
    else:
        names = find_label_names(column, folder)
        if names is not None:
            rules["map"] = names.map
            draft.reasons["labels.map"] = f"the names of the labels in {names.file.name}"
        elif rare := [value for value, count in _counts(candidate).items() if count < 2]:
            rules |= _rules_of_rare(draft, _counts(candidate), rare)
    if rules:
        draft.content["labels"] = rules


def _rules_of_rare(draft: Draft, counts: Mapping[str, int], rare: Sequence[str]) -> dict[str, Any]:
    """Return the rules for labels with one example: they become 'other' if these are enough, else they are dropped."""
    reason = f"labels with one example: {len(rare):,}, such as {rare[0]!r}"
    if OTHER not in counts and sum(count for count in counts.values() if count < RARE) >= RARE:
        draft.reasons["labels"] = f"{reason}. Labels with fewer than {RARE} examples become {OTHER!r}"
        return {"min_count": RARE, "rare": "other"}
    draft.reasons["labels"] = f"{reason}. Their records are dropped and counted"
    return {"min_count": 2, "rare": "drop"}


def drop_rarer(draft: Draft, kept: Sequence[Mapping[str, object]]) -> None:
    """Drop labels that have fewer than two examples in the records that are kept; nothing if no record is dropped."""
    field = draft.fields.get("label", draft.given.get("label"))
    rules = draft.content.get("labels", {})
    if not kept or field is None or "task" in draft.content or "min_count" in rules:
        return
    rule = LabelColumn.model_validate({"column": field} if isinstance(field, str) else field)
    counts: Counter[str] = Counter()
    for row in kept:
        with suppress(ValueError):  # check reports the cell
            counts.update(cell_labels(row.get(rule.column), rule))
    rare = [label for label, count in counts.items() if count < 2]
    if rare:
        draft.content["labels"] = {**rules, "min_count": 2, "rare": "drop"}
        text = f"labels that may be left with one example: {len(rare):,}, such as {rare[0]!r}"
        draft.reasons["labels"] = f"{text}. Their records are dropped and counted"


def _counts(candidate: Candidate) -> Mapping[str, int]:
    """Return the number of records of each label, of which a review has the first."""
    if candidate.listed:
        lists = [listed_names(cell) if isinstance(cell, str) else cell for cell in candidate.column.cells]
        named = [labels for labels in lists if labels and isinstance(labels, Sequence)]  # `check` reports other cells
        return Counter(str(labels[0]) for labels in named)
    counts: Counter[str] = Counter()
    for value, count in candidate.column.values.items():
        counts[value.split(candidate.separator)[0].strip() if candidate.separator else value] += count
    return counts
