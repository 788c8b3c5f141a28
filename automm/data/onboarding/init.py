"""A first manifest for a records file: which column is what, guessed from names and contents, with the reason.

A guess is a beginning: it is written with its reason beside it, for somebody who knows the data to correct.
"""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from automm.config.strict_yaml import write_yaml
from automm.data.layouts import recognise
from automm.data.manifest import parse_manifest
from automm.data.onboarding.column_roles import (
    MANY,
    OWN_IDS,
    Column,
    group_of,
    identity_of,
    label_of,
    names_no_column,
    names_portrait,
    numbers_of,
    spelt,
    split_of,
    texts_of,
)
from automm.data.onboarding.picture_columns import Pictures, pictures_of, unused_pictures
from automm.data.onboarding.thinning import Thinned
from automm.data.onboarding.unpack import holds_pictures
from automm.data.records.encoding import delimiter_of, encoding_of
from automm.data.records.field_values import is_empty
from automm.data.records.forms import DEFAULT_DIALECT, DELIMITERS, ENCODING, Dialect
from automm.data.records.opening import read_files
from automm.data.sections import known_encoding
from automm.errors import ConfigError, DataError, NotFoundError, Problem, one_line

FIRST = 10_000  # records; neighbours tell an id from a group
LOOKED_AT = 2 * FIRST  # records, the others from the rest of the file


@dataclass(frozen=True)
class Guess:
    """What the manifest says, and why."""

    content: dict[str, Any]
    reasons: dict[str, str]


def write_first_manifest(
    file: Path, to: Path | None = None, *, encoding: str | None = None
) -> tuple[Path, dict[str, str]]:
    """Look at a records file and write a manifest for it.

    Args:
        file: .jsonl, .json, .csv, .tsv or .parquet.
        to: the manifest; manifest.yaml beside the file if none.
        encoding: of the file; the one that it looks like if none.

    Returns:
        Where it was written, and the reason of each guess by its key, such as "fields.text".

    Raises:
        NotFoundError: there is no such file.
        ConfigError: the manifest is there already, no column can be text or pictures, or no such encoding is known.
        DataError: the file cannot be read.
    """
    if not file.is_file():
        raise NotFoundError(f"{file}: no such file of records")
    if holds_pictures(file):
        raise ConfigError(
            f"{file}: pictures lie inside. To write them to files, with a manifest: automm import {file} --to DIR"
        )
    to = (to or file.parent / "manifest.yaml").absolute()
    known = [
        Problem("known_format", "", f"It looks like format {name}: automm import {name} {file} --to DIR")
        for name in recognise(file)
    ]
    try:
        guess = guess_manifest(file, to.parent, encoding)
    except (ConfigError, DataError) as error:
        raise type(error)([*error.problems, *known]) from error
    if known:
        guess.reasons["format"] = str(known[0])
    text = manifest_text(guess, file)
    parse_manifest(guess.content, to)
    try:
        with to.open("x", encoding="utf-8") as out:
            out.write(text)
    except FileExistsError as error:
        raise ConfigError(f"{to} is there already and stays as it is. Name another: --to FILE.yaml") from error
    except OSError as error:
        raise ConfigError(f"{to} cannot be written: {error.strerror}. Name another: --to FILE.yaml") from error
    return to, guess.reasons


def guess_manifest(
    file: Path, folder: Path, encoding: str | None = None, *, given: Mapping[str, Any] | None = None
) -> Guess:
    """The content of a manifest for `file` that would stand in `folder`, and the reasons.

    Args:
        given: what is known already of `fields`, by key; it is not guessed.
    """
    columns, written, reasons = _read(file, encoding)
    content = {"name": file.stem, "records": _relative(file, folder), **written}
    draft = _Draft(columns, given or {}, content, reasons)
    _leave_out_nameless(draft)
    pictures, set_aside = _settle_pictures(draft, file.parent, folder)
    label = _settle_label(draft)
    _settle_identity(draft, pictures)
    split = split_of(draft.free())
    if split is not None:
        content["splits"] = split[1]
        reasons["splits.column"] = split[2]
        draft.taken.add(split[0])
    texts, reason = texts_of(draft.free())
    if texts:
        draft.settle("text", texts[0] if len(texts) == 1 else texts, texts, reason)
    group = group_of(draft.free())
    if group is not None:
        draft.settle("group", group[0].name, [group[0].name], group[1])
    unused = unused_pictures(draft.free(set_aside), pictures)
    reasons |= unused
    if not texts and pictures.images is None and not draft.given.keys() & {"text", "images"}:
        raise ConfigError(_no_content(file.name, columns, unused))
    if label is None and "label" not in draft.given:
        reasons["fields.label"] = "no column looks like a label: name it, or use the manifest for predictions only"
        hint = numbers_of(draft.free())
        reasons["fields.label"] += f". Or: {hint}" if hint else ""
    order = ("id", "text", "images", "separator", "none_values", "label", "group")
    content["fields"] = {key: draft.fields[key] for key in order if key in draft.fields} | dict(draft.given)
    return Guess(content, reasons)


@dataclass
class _Draft:
    """A manifest in the making.

    Attributes:
        columns: of the records, by name.
        given: keys of `fields` that are known already and not guessed.
        content, reasons: as in `Guess`, without `fields`.
        fields: what was guessed of them so far.
        taken: columns that no further key may use.
    """

    columns: dict[str, Column]
    given: Mapping[str, Any]
    content: dict[str, Any]
    reasons: dict[str, str]
    fields: dict[str, Any] = field(default_factory=dict)
    taken: set[str] = field(default_factory=set)

    def settle(self, key: str, value: Any, names: Iterable[str], reason: str) -> None:
        """Guess a key, which takes the columns of these names."""
        if key in self.given:
            return
        self.fields[key] = value
        self.reasons[f"fields.{key}"] = reason
        self.taken.update(names)

    def free(self, also: Iterable[str] = ()) -> list[Column]:
        """Columns that are not taken, and these even if they are; none that is empty."""
        taken = self.taken.difference(also)
        return [column for name, column in self.columns.items() if name not in taken and column.cells]


def _leave_out_nameless(draft: _Draft) -> None:
    draft.taken |= {name for name in draft.columns if names_no_column(name)}
    if draft.taken:
        draft.reasons["fields"] = "a column without a name, such as the index that pandas writes, is left out"
    draft.taken |= {name for value in draft.given.values() for name in _named(value)}


def _settle_pictures(draft: _Draft, data: Path, folder: Path) -> tuple[Pictures, frozenset[str]]:
    """What was found of pictures, and the columns that look like them or like portraits and are set aside.

    Args:
        data: the folder of the records.
        folder: that of the manifest.
    """
    pictures = pictures_of(draft.columns, data) if "images" not in draft.given else Pictures()
    portraits = {name for name in draft.columns if names_portrait(name)} - draft.taken
    set_aside = pictures.looked_like | portraits
    draft.taken |= set_aside
    if pictures.images is not None:
        draft.content["image_root"] = _relative(pictures.root, folder)
        draft.settle("images", pictures.images, pictures.used, pictures.reason)
        draft.fields |= pictures.more
    return pictures, set_aside


def _settle_label(draft: _Draft) -> Column | None:
    """The column of labels, if one looks like it."""
    found = label_of(draft.free())
    if found is None:
        return None
    label, reason = found
    draft.settle("label", label.name, [label.name], reason)
    if label.distinct > MANY and label.numeric and "label" not in draft.given:
        draft.reasons["fields.label"] += ". To predict the number itself: task: regression"
    return label


def _settle_identity(draft: _Draft, pictures: Pictures) -> None:
    """Ids may also be what the names of pictures are made of."""
    identity = identity_of(draft.free(pictures.used if pictures.template else ()))
    if identity is not None:
        draft.settle("id", identity[0].name, [identity[0].name], identity[1])
    elif "id" not in draft.given:
        reason = "no column holds a different value in each record: ids are made from line numbers"
        draft.reasons["fields.id"] = reason + _repeated(draft.free())


def _no_content(file: str, columns: Iterable[str], unused: Mapping[str, str]) -> list[Problem]:
    """Neither text nor pictures: every column, and why those that seemed to hold pictures are of no use."""
    text, named = "no column looks like text or pictures", f"Columns: {', '.join(columns)}"
    why = [Problem("unused_column", f"{file}: {name}", reason) for name, reason in unused.items()]
    return [Problem("no_columns", file, text, named), *why]


def _read(file: Path, encoding: str | None) -> tuple[dict[str, Column], dict[str, Any], dict[str, str]]:
    """The columns of a file, what a manifest must say of how it is written, and why."""
    content: dict[str, Any] = {}
    reasons: dict[str, str] = {}
    if file.suffix.lower() == ".parquet":
        columns, seen = _columns(file, "utf-8", DEFAULT_DIALECT)
        return columns, content, seen
    given = encoding
    encoding, reason = (_known(encoding), "as it was named") if encoding is not None else encoding_of(file)
    if given is not None or reason:
        content["encoding"], reasons["encoding"] = encoding, reason
    delimiter, reason = delimiter_of(file, encoding)
    if delimiter is not None:
        content["delimiter"], reasons["delimiter"] = delimiter, reason
    try:
        columns, seen = _columns(file, encoding, Dialect(delimiter))
    except DataError as error:
        named = [
            replace(one, fix="Add --encoding NAME to automm init") if one.code == ENCODING else one
            for one in error.problems
        ]
        if file.suffix.lower() not in DELIMITERS:
            raise DataError(named) from error
        try:
            columns, seen = _columns(file, encoding, Dialect(delimiter, quotes=False))
        except DataError:
            raise DataError(named) from error
        if any(name.startswith('"') for name in columns):  # the header is in quotes, and so are the cells
            raise DataError(named) from error
        content["quotes"] = False
        reasons["quotes"] = f"quotation marks belong to the texts, or else: {named[0]}"
    return columns, content, seen | reasons


def _known(encoding: str) -> str:
    try:
        return known_encoding(encoding)
    except ValueError as error:
        raise ConfigError(f"--encoding: {error}") from error


def _columns(file: Path, encoding: str, dialect: Dialect) -> tuple[dict[str, Column], dict[str, str]]:
    """The columns of a file, from a sample where it is long, and what was looked at.

    All records are read, so that what is wrong far down is found here: a quotation mark that is never closed, a column
    that begins late.
    """
    first: list[Mapping[str, object]] = []
    rest = Thinned[Mapping[str, object]](LOOKED_AT - FIRST)
    names: dict[str, None] = {}
    count = 0
    for record in read_files([file.absolute()], encoding, dialect):
        count += 1
        is_new = not record.values.keys() <= names.keys()
        if is_new:
            names |= dict.fromkeys(record.values)
        if len(first) < (LOOKED_AT if is_new else FIRST):
            first.append(record.values)
        else:
            rest.add(record.values)
    rows = [*first, *rest.kept]
    columns = {name: Column(name, len(rows), cells) for name, cells in _cells(names, rows).items()}
    if count == len(rows):
        return columns, {}
    looked_at = f"looked at {len(rows):,} of {count:,}: the first {FIRST:,}, and others at equal distances"
    return columns, {"records": looked_at}


def _cells(names: Iterable[str], rows: Iterable[Mapping[str, object]]) -> dict[str, list[object]]:
    """The cells of each column that are not empty, in the order of the rows; a row costs no more than it holds."""
    cells: dict[str, list[object]] = {name: [] for name in names}
    for row in rows:
        for name, cell in row.items():
            if not is_empty(cell) and cell != []:
                cells[name].append(cell)
    return cells


def _named(value: Any) -> list[str]:
    """The columns that a key of `fields` names, in whichever of its forms."""
    if isinstance(value, str):
        return [value]
    parts = value.values() if isinstance(value, Mapping) else value if isinstance(value, list | tuple) else []
    return [name for part in parts for name in _named(part)]


def _repeated(columns: list[Column]) -> str:
    """What is to be said of a column that names the records themselves and repeats."""
    found = [column for column in columns if OWN_IDS.fullmatch(spelt(column.name))]
    return f" ({found[0].name!r} has {found[0].distinct:,} in {found[0].records:,} records)" if found else ""


def _relative(path: Path, folder: Path) -> str:
    return os.path.relpath(os.path.realpath(path), os.path.realpath(folder))


def manifest_text(guess: Guess, file: Path) -> str:
    """The manifest, with the reasons as comments."""
    lines = [f"# A first manifest for {file.name}, guessed by 'automm init'. Correct what is wrong, then: automm check"]
    lines += [f"# {key}: {reason}" for key, reason in guess.reasons.items()]
    return "".join(f"{one_line(line)}\n" for line in lines) + write_yaml(guess.content)
