"""Guess the content of a manifest from the columns of a records file: the role of every column, with the reason."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from automm.data.layouts.files import SPLIT_NAMES
from automm.data.onboarding.columns.column import Column
from automm.data.onboarding.columns.folders import class_folders
from automm.data.onboarding.columns.labels import Candidate, rank_labels
from automm.data.onboarding.columns.names import OWN_IDS, is_nameless, snake_case
from automm.data.onboarding.columns.nearby import Nearby
from automm.data.onboarding.columns.pictures import Pictures
from automm.data.onboarding.columns.roles import (
    guess_group,
    guess_id,
    guess_texts,
    repeats,
    why_left_out,
)
from automm.data.onboarding.columns.settled import note_unused, settle_pictures
from automm.data.onboarding.columns.splits import guess_split
from automm.data.onboarding.draft import LEFT_OUT, Draft
from automm.data.onboarding.label import demand_label, drop_rarer, settle_label
from automm.data.onboarding.reading import Table
from automm.data.onboarding.related import Related
from automm.data.records.field_values import cell_labels, columns_of, is_empty
from automm.data.sections import Fields, LabelColumn
from automm.errors import ConfigError, Problem

MOST_LABELS = 20  # with more, a training split may lack one
ORDER = ("id", "text", "images", "image_kind", "separator", "none_values", "label", "group")


@dataclass(frozen=True)
class Role:
    """The role of a column: one line of the table that `automm init` prints."""

    column: str
    role: str
    why: str
    examples: list[str]


@dataclass(frozen=True)
class Guess:
    """The content of a manifest, and why.

    Attributes:
        content: the manifest.
        reasons: the reason of each guess by its key, such as "fields.text".
        roles: the role of every column.
        labels: the columns that may be the label, the likeliest first.
        related: what other tables say.
        fetches: whether pictures are URLs to download.
    """

    content: dict[str, Any]
    reasons: dict[str, str]
    roles: list[Role] = field(default_factory=list)
    labels: list[Candidate] = field(default_factory=list)
    related: Related = field(default_factory=Related)
    fetches: bool = False

    @property
    def inputs(self) -> list[str]:
        """The columns that a prediction needs."""
        fields = Fields.model_validate(self.content["fields"])
        return list(dict.fromkeys(name for names in columns_of(fields, labelled=False).values() for name in names))


def guess_from(
    table: Table,
    content: Mapping[str, Any],
    nearby: Nearby,
    folder: Path,
    *,
    given: Mapping[str, Any] | None = None,
    related: Related | None = None,
    must_have_label: bool = False,
) -> Guess:
    """Guess the content of a manifest for a table.

    Args:
        table: the columns of the records.
        content: name and records of the manifest.
        nearby: the picture files near the records.
        folder: the folder of the manifest; its paths are relative to it.
        given: keys of `fields` that are known and not guessed. A label of None means none.
        related: what other tables say.
        must_have_label: whether to raise `ChoiceError` where no column, or no single one, looks like a label.

    Raises:
        ChoiceError: the label must be chosen.
        ConfigError: no column can be text or pictures, or a given column does not exist.
    """
    related = related or Related()
    known = {key: value for key, value in (given or {}).items() if value is not None}
    draft = Draft(table, known, {**content, **table.written}, dict(table.reasons))
    _settle_given(draft, given or {})
    _leave_out_empty(draft)
    pictures = settle_pictures(draft, nearby, folder, guessed="images" not in (given or {}))
    has_choice = "label" in (given or {})
    labels = rank_labels(draft.free(), related.hints) if not has_choice else []
    split = guess_split(draft.free())
    if must_have_label and not has_choice:
        named = None if labels or pictures.template else table.columns.get(str(pictures.images))
        classes = class_folders(named, nearby) if named is not None else []
        demand_label(draft, labels, related, str(content["records"]), nearby.folder, classes)
    label = settle_label(draft, labels, nearby.folder)
    if split is not None and label is not None and (lacking := _lacking(draft, split[0], label)):
        draft.leave_out(split[0], f"names splits, but label {lacking!r} is not in train")
        draft.reasons["splits.column"] = f"{split[0]!r} is not used: label {lacking!r} is not in train"
    elif split is not None and split[0] not in draft.role_of:
        draft.content["splits"] = split[1]
        draft.reasons["splits.column"] = split[2]
        draft.role_of[split[0]] = ("split", split[2])
    if label is not None and pictures.template and label.name in pictures.used:
        pictures = _note_label_in_names(draft, label.name, pictures)
    _settle_others(draft, pictures, label)
    if not {"text", "images"} & (draft.fields.keys() | draft.given.keys()):
        raise ConfigError(_no_content(str(content["records"]), draft))
    _settle_bare(draft, pictures)
    if "images" not in (given or {}):
        note_unused(draft, nearby, pictures, must_have_label)
    all_fields = draft.fields | dict(draft.given)
    draft.content["fields"] = {key: all_fields[key] for key in ORDER if key in all_fields}
    draft.content["fields"] |= {key: value for key, value in all_fields.items() if key not in ORDER}
    return Guess(draft.content, draft.reasons, _roles(draft), labels, related, fetches=pictures.fetches)


def _lacking(draft: Draft, split: str, label: Column) -> str:
    """Return a label that the training split lacks in the sample; "" if there is none, or if labels are many."""
    field = draft.fields.get("label", draft.given.get("label"))
    if len(label.values) > MOST_LABELS or field is None:
        return ""
    rule = LabelColumn.model_validate({"column": field} if isinstance(field, str) else field)
    every, trained = set[str](), set[str]()
    for row in draft.table.rows:
        try:
            labels = cell_labels(row.get(rule.column), rule)
        except ValueError:  # check reports the cell
            return ""
        every.update(labels)
        if SPLIT_NAMES.get(str(row.get(split)).strip().lower()) == "train":
            trained.update(labels)
    return min(every - trained, default="")


def _note_label_in_names(draft: Draft, label: str, pictures: Pictures) -> Pictures:
    """Add what a prediction needs to the reason if the label is a part of the names, as in "{label}/{file}"."""
    needs = (
        f". A new review has no {label!r}, so its pictures are not found. To predict, write whole paths into one column"
    )
    needs += " of all records, and name it in images"
    draft.reasons["fields.images"] += needs
    return replace(pictures, reason=pictures.reason + needs)


def _settle_bare(draft: Draft, pictures: Pictures) -> None:
    """Drop records without text and picture, if records may lack every text, or have no text and may lack pictures."""
    fields = draft.fields | dict(draft.given)
    texts, names = (_named(fields[key], key) if key in fields else [] for key in ("text", "images"))
    columns = [draft.table.columns[name] for name in texts or names if name in draft.table.columns]
    uncertain = not texts and not pictures.urls and (pictures.template or pictures.some_missing)
    if not uncertain and (not columns or any(column.filled == column.all_records for column in columns)):
        return
    rows = draft.table.rows
    kept = [row for row in rows if not all(is_empty(row.get(column.name)) for column in columns)]
    if uncertain or len(kept) < len(rows) or len(rows) < draft.table.records:
        draft.content["text"] = {"on_empty": "drop-bare"}
        draft.reasons["text.on_empty"] = "records with neither text nor picture are dropped and counted"
        drop_rarer(draft, kept)


def _leave_out_empty(draft: Draft) -> None:
    """Leave out the columns without a name or a value, and objects whose parts are columns."""
    parents = {name[:place] for name in draft.table.columns for place, letter in enumerate(name) if letter == "."}
    for name, column in draft.table.columns.items():
        if is_nameless(name):
            draft.reasons["fields"] = "columns without a name are ignored, such as the index that pandas writes"
            draft.leave_out(name, "no name, such as the index that pandas writes")
        elif name in parents:
            draft.leave_out(name, f"objects; their parts are the columns whose names begin with {name!r}")
        elif not column.cells:
            draft.leave_out(name, "empty in every record")


def _settle_others(draft: Draft, pictures: Pictures, label: Column | None) -> None:
    """Guess id, texts and group, and leave out every column that is then still free."""
    _settle_id(draft, pictures)
    _leave_out_copies(draft, label)
    texts, reason = guess_texts(draft.free())
    if texts:
        draft.settle("text", texts[0] if len(texts) == 1 else texts, texts, reason)
    group = guess_group(draft.free())
    if group is not None:
        draft.settle("group", group[0].name, [group[0].name], group[1])
    for column in draft.free():
        if pictures.template and column.name in pictures.used:
            draft.role_of[column.name] = ("images", pictures.reason)
        else:
            draft.leave_out(column.name, why_left_out(column))


def _settle_given(draft: Draft, given: Mapping[str, Any]) -> None:
    """Give the columns of the given keys their roles.

    Raises:
        ConfigError: a column does not exist.
    """
    for key, value in given.items():
        for name in _named(value, key):
            if name in draft.table.columns:
                draft.role_of.setdefault(name, (key, "given"))
            elif draft.table.columns:
                draft.reasons.setdefault(f"fields.{key}", f"{name!r}: given; no record has this column")
    draft.reasons |= {
        f"fields.{key}": f"{', '.join(map(repr, _named(value, key)))}: given"
        for key, value in given.items()
        if value is not None and f"fields.{key}" not in draft.reasons
    }


def _named(value: Any, key: str = "") -> list[str]:
    """Return the columns that a key of `fields` names, in any of its forms."""
    if isinstance(value, str):
        return [] if key in ("separator", "image_kind") or (key == "images" and "{" in value) else [value]
    if isinstance(value, Mapping):
        return [
            name
            for inner, part in value.items()
            if inner not in ("separator", "pick", "decimal")
            for name in _named(part)
        ]
    return [name for part in value for name in _named(part, key)] if isinstance(value, list | tuple) else []


def _settle_id(draft: Draft, pictures: Pictures) -> None:
    """Guess the column of ids, which may also be the column of a template for the names of pictures."""
    identity = guess_id(draft.free(pictures.used if pictures.template else ()))
    if identity is None and "id" not in draft.given:  # names of pictures stay the same when records change their order
        named = guess_id([column for column in draft.free(pictures.used) if column.name in pictures.used])
        if named is not None:
            draft.fields["id"] = named[0].name
            draft.reasons["fields.id"] = f"{named[0].name!r}: {named[1]}"
            return
    if identity is not None:
        draft.settle("id", identity[0].name, [identity[0].name], identity[1])
    elif "id" not in draft.given:
        reason = "no column has a different value in each record, so ids are made from line numbers"
        draft.reasons["fields.id"] = reason + _repeated(draft.free())
    if pictures.template and pictures.used[0] not in draft.role_of:
        draft.role_of[pictures.used[0]] = ("images", pictures.reason)


def _repeated(columns: list[Column]) -> str:
    """Return a remark about a column that is named like an id of the records but repeats; "" if there is none."""
    ids = [column for column in columns if OWN_IDS.fullmatch(snake_case(column.name))]
    return f" ({ids[0].name!r} has {ids[0].distinct:,} values in {ids[0].all_records:,} records)" if ids else ""


def _leave_out_copies(draft: Draft, label: Column | None) -> None:
    """Leave out the columns that say the label again in other words: a model would read the answer."""
    if label is None:
        return
    for column in draft.free():
        if repeats(draft.table.rows, label, column):
            draft.leave_out(column.name, f"says the same as the label {label.name!r}")


def _no_content(file: str, draft: Draft) -> list[Problem]:
    """Return the problem that no column is text or pictures, and why columns that seem to hold pictures are unused."""
    text, names = "no column looks like text or pictures", f"Columns: {', '.join(draft.table.columns)}"
    fix = f"{names}. Name one: --text COLUMN or --images COLUMN"
    unused = {key: reason for key, reason in draft.reasons.items() if key.startswith("column ")}
    reasons = [Problem("unused_column", f"{file}: {name}", reason) for name, reason in unused.items()]
    return [Problem("no_columns", file, text, fix), *reasons]


def _roles(draft: Draft) -> list[Role]:
    roles = []
    for name, column in draft.table.columns.items():
        role, why = draft.role_of.get(name, (LEFT_OUT, "empty in every record"))
        roles.append(Role(name, role, why, column.examples))
    return roles
