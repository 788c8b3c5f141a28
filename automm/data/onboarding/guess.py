"""Guess the content of a manifest from the columns of a records file: the role of every column, with the reason."""

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from automm.data.onboarding.columns import Column
from automm.data.onboarding.labels import Candidate, find_label_names, is_undecided, rank_labels
from automm.data.onboarding.names import OWN_IDS, is_nameless, names_portrait, snake_case
from automm.data.onboarding.nearby import Nearby
from automm.data.onboarding.picture_columns import Pictures, guess_pictures, why_unused
from automm.data.onboarding.reading import Table
from automm.data.onboarding.related import Related
from automm.data.onboarding.roles import guess_group, guess_id, guess_texts, repeats, why_left_out
from automm.data.onboarding.splits import guess_split
from automm.data.sections import Labels
from automm.errors import ConfigError, Problem, yaml_word

NO_LABEL = "none"  # the value of --label for a manifest without a label
RARE = 5  # labels with fewer examples are merged
LEFT_OUT = "left out"
ORDER = ("id", "text", "images", "image_kind", "separator", "none_values", "label", "group")


class ChoiceError(ConfigError):
    """A person must choose a column; the message names the choices and the option.

    Attributes:
        option: the option of `automm init`, such as "--label".
        choices: the columns to choose from, with the reason of each.
    """

    def __init__(self, problems: Sequence[Problem], option: str, choices: Mapping[str, str]):
        super().__init__(problems)
        self.option, self.choices = option, dict(choices)


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
        fetches: whether the pictures are URLs to download.
    """

    content: dict[str, Any]
    reasons: dict[str, str]
    roles: list[Role] = field(default_factory=list)
    labels: list[Candidate] = field(default_factory=list)
    related: Related = field(default_factory=Related)
    fetches: bool = False


@dataclass
class Draft:
    """A manifest that is being guessed.

    Attributes:
        table: the columns of the records.
        given: keys of `fields` that are known and not guessed.
        content, reasons: as in `Guess`, without `fields`.
        fields: the keys of `fields` that were guessed so far.
        role_of: the role and the reason of each column that has one.
    """

    table: Table
    given: Mapping[str, Any]
    content: dict[str, Any]
    reasons: dict[str, str]
    fields: dict[str, Any] = field(default_factory=dict)
    role_of: dict[str, tuple[str, str]] = field(default_factory=dict)

    def settle(self, key: str, value: Any, names: Sequence[str], reason: str) -> None:
        """Set a key of `fields` unless it is given, and give its columns their role."""
        if key in self.given:
            return
        self.fields[key] = value
        self.reasons[f"fields.{key}"] = f"{', '.join(map(repr, names))}: {reason}"
        self.role_of |= {name: (key, reason) for name in names if name not in self.role_of}

    def leave_out(self, name: str, why: str) -> None:
        """Name a column that is not used, unless it has a role."""
        self.role_of.setdefault(name, (LEFT_OUT, why))

    def free(self, also: Iterable[str] = ()) -> list[Column]:
        """Return the columns that are not empty and have no role; those named in `also` even if they have one."""
        taken = self.role_of.keys() - set(also)
        return [column for name, column in self.table.columns.items() if name not in taken and column.cells]


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
    for name, column in table.columns.items():
        if is_nameless(name):
            draft.leave_out(name, "no name, such as the index that pandas writes")
        elif not column.cells:
            draft.leave_out(name, "empty in every record")
    pictures = _settle_pictures(draft, nearby, folder)
    has_choice = "label" in (given or {})
    labels = rank_labels(draft.free(), related.hints) if not has_choice else []
    split = guess_split(draft.free())
    if must_have_label and not has_choice:
        _demand_label(draft, labels, related, str(content["records"]))
    label = _settle_label(draft, labels, nearby.folder)
    if split is not None and split[0] not in draft.role_of:
        draft.content["splits"] = split[1]
        draft.reasons["splits.column"] = split[2]
        draft.role_of[split[0]] = ("split", split[2])
    _settle_id(draft, pictures)
    _leave_out_copies(draft, label)
    texts, reason = guess_texts(draft.free())
    if texts:
        draft.settle("text", texts[0] if len(texts) == 1 else texts, texts, reason)
    group = guess_group(draft.free())
    if group is not None:
        draft.settle("group", group[0].name, [group[0].name], group[1])
    for column in draft.free():
        draft.leave_out(column.name, why_left_out(column))
    if not {"text", "images"} & (draft.fields.keys() | draft.given.keys()):
        raise ConfigError(_no_content(str(content["records"]), draft))
    _note_unused(draft, nearby, pictures)
    all_fields = draft.fields | dict(draft.given)
    draft.content["fields"] = {key: all_fields[key] for key in ORDER if key in all_fields}
    draft.content["fields"] |= {key: value for key, value in all_fields.items() if key not in ORDER}
    return Guess(draft.content, draft.reasons, _roles(draft), labels, related, fetches=pictures.urls)


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
        return [] if key in ("separator", "image_kind") or "{" in value else [value]
    if isinstance(value, Mapping):
        return [
            name
            for inner, part in value.items()
            if inner not in ("separator", "pick", "decimal")
            for name in _named(part)
        ]
    return [name for part in value for name in _named(part)] if isinstance(value, list | tuple) else []


def _settle_pictures(draft: Draft, nearby: Nearby, folder: Path) -> Pictures:
    """Guess the columns of pictures, and leave out the other columns that seem to hold pictures."""
    free = {column.name: column for column in draft.free()}
    pictures = guess_pictures(free, nearby) if "images" not in draft.given else Pictures()
    if pictures.images is not None:
        if pictures.root is not None and not pictures.urls:
            draft.content["image_root"] = relative_path(pictures.root, folder)
        draft.settle("images", pictures.images, pictures.used, pictures.reason)
        draft.fields |= pictures.more
        if pictures.some_missing:
            draft.content["images"] = {"on_bad": "drop-image"}
            what = "URLs that are not downloaded" if pictures.urls else "pictures that do not exist"
            draft.reasons["images.on_bad"] = f"{what} are dropped and counted. To refuse them, set on_bad: error"
    for name, column in free.items():
        if name in pictures.candidates or names_portrait(name):
            why = why_unused(column, pictures)
            if name not in draft.role_of and why:
                draft.reasons[f"column {name!r}"] = f"not used: {why}"
                draft.leave_out(name, why)
            elif name not in draft.role_of:
                draft.leave_out(name, "pictures inside cells, which are not used")
    if pictures.template:
        draft.role_of = {name: pair for name, pair in draft.role_of.items() if name not in pictures.used}
    return pictures


def _demand_label(draft: Draft, labels: Sequence[Candidate], related: Related, records: str) -> None:
    """Raise `ChoiceError` if no column looks like a label, or several do equally well."""
    choices = {candidate.column.name: candidate.reason for candidate in labels}
    if labels and not is_undecided(labels):
        return
    if related.labelled is not None and not labels:
        file, target = related.labelled
        text = f"no label: {file.name} has the same columns and also {target!r}, so this is the table to predict"
        fix = f"Learn from the other table: automm init {file}. For predictions only, add --label {NO_LABEL}"
        raise ChoiceError([Problem("no_label", records, text, fix)], "--label", {})
    if not labels:
        named = [column.name for column in draft.free()]
        text = f"no column looks like a label. Columns: {', '.join(named[:30])}"
        fix = f"Name it: --label COLUMN. For a manifest to predict with, add --label {NO_LABEL}"
        raise ChoiceError([Problem("no_label", records, text, fix)], "--label", dict.fromkeys(named, ""))
    alike = [candidate for candidate in labels if candidate.looks_like_label]
    text = f"{len(alike)} columns look like labels: {'; '.join(f'{c.column.name} ({c.reason})' for c in alike)}"
    fix = f"Name the one to predict: --label {alike[0].column.name}"
    raise ChoiceError([Problem("several_labels", records, text, fix)], "--label", choices)


def _settle_label(draft: Draft, labels: Sequence[Candidate], folder: Path) -> Column | None:
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
        others = ", ".join(repr(candidate.column.name) for candidate in labels[1:4])
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
            draft.reasons["labels"] = f"{len(rare):,} labels have one example, such as {rare[0]!r}"
            if "min_count" in Labels.model_fields:
                rules |= {"min_count": RARE, "rare": "other"}
                draft.reasons["labels"] += f": labels with fewer than {RARE} examples become 'other'"
    if rules:
        draft.content["labels"] = rules


def _counts(candidate: Candidate) -> dict[str, int]:
    """Return the number of records of each label, of which a review has the first."""
    if candidate.listed:
        return {}
    counts: dict[str, int] = {}
    for value, count in candidate.column.values.items():
        label = value.split(candidate.separator)[0].strip() if candidate.separator else value
        counts[label] = counts.get(label, 0) + count
    return counts


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


def _note_unused(draft: Draft, nearby: Nearby, pictures: Pictures) -> None:
    """Name the pictures near the records that no record names."""
    if "images" in draft.given or pictures.more.get("image_kind"):
        return
    if pictures.lost_zeros is not None:
        found = pictures.lost_zeros
        example = min(found.files, default="").rpartition("/")[2]
        draft.reasons["unused pictures"] = (
            f"{len(found.files):,} or more, named like {example!r}: the numbers in column {found.column!r} have lost "
            f"their leading zeros. Write them as text with {found.padding} digits, then "
            f"images: {yaml_word('{' + found.column + '}' + Path(example).suffix)}"
        )
        return
    if len(draft.table.rows) < draft.table.records:
        return  # only the pictures of the sample are known
    counts = nearby.unused(pictures.files)
    if counts:
        listed = ", ".join(f"{count:,} under {folder}/" for folder, count in list(counts.items())[:3])
        draft.reasons["unused pictures"] = f"{listed} that no record names"


def _roles(draft: Draft) -> list[Role]:
    roles = []
    for name, column in draft.table.columns.items():
        role, why = draft.role_of.get(name, (LEFT_OUT, "empty in every record"))
        roles.append(Role(name, role, why, column.examples))
    return roles


def relative_path(path: Path, folder: Path) -> str:
    """Return a path relative to a folder, as a manifest has it."""
    return os.path.relpath(os.path.realpath(path), os.path.realpath(folder))
