"""Write a first manifest for a records file: guess the meaning of its columns from names and contents.

The reason of each guess is written beside it, for the user to correct.
"""

import os
from collections.abc import Iterable, Mapping, Sequence
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
    guess_group,
    guess_id,
    guess_label,
    guess_split,
    guess_texts,
    hint_at_numbers,
    is_nameless,
    names_portrait,
    snake_case,
)
from automm.data.onboarding.picture_columns import Pictures, guess_pictures, unused_pictures
from automm.data.onboarding.thinning import Thinned
from automm.data.onboarding.unpack import holds_pictures
from automm.data.records.encoding import delimiter_of, encoding_of
from automm.data.records.field_values import is_empty
from automm.data.records.forms import DEFAULT_DIALECT, DELIMITERS, ENCODING, Dialect
from automm.data.records.opening import read_files
from automm.data.sections import known_encoding
from automm.errors import ConfigError, DataError, NotFoundError, Problem, one_line

FIRST = 10_000  # records from the start of a file; neighbouring records distinguish an id from a group
SAMPLE = 2 * FIRST  # records; the others are from the rest of the file


@dataclass(frozen=True)
class Guess:
    """The content of a manifest, and the reason of each guess by its key, such as "fields.text"."""

    content: dict[str, Any]
    reasons: dict[str, str]


def write_first_manifest(
    file: Path, to: Path | None = None, *, encoding: str | None = None
) -> tuple[Path, dict[str, str]]:
    """Read a records file and write a manifest for it.

    Args:
        file: .jsonl, .json, .csv, .tsv or .parquet.
        to: the manifest to write; by default manifest.yaml beside the file.
        encoding: the encoding of the file; by default it is guessed.

    Returns:
        The path of the manifest, and the reason of each guess by its key, such as "fields.text".

    Raises:
        NotFoundError: there is no such file.
        ConfigError: the manifest exists, no column can be text or pictures, or the encoding is unknown.
        DataError: the file cannot be read.
    """
    if not file.is_file():
        raise NotFoundError(f"{file}: no such file of records")
    if holds_pictures(file):
        raise ConfigError(
            f"{file} holds the pictures themselves. To write them to files, with a manifest, run: "
            f"automm import {file} --to DIR"
        )
    to = (to or file.parent / "manifest.yaml").absolute()
    known = [
        Problem(
            "known_format", "", f"It looks like format {name}", f"To import it: automm import {name} {file} --to DIR"
        )
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
        raise ConfigError(f"{to} exists and is not overwritten. Name another file: --to FILE.yaml") from error
    except OSError as error:
        raise ConfigError(f"{to} cannot be written: {error.strerror}. Name another file: --to FILE.yaml") from error
    return to, guess.reasons


def guess_manifest(
    file: Path, folder: Path, encoding: str | None = None, *, given: Mapping[str, Any] | None = None
) -> Guess:
    """Guess the content of a manifest for a records file.

    Args:
        file: the records file.
        folder: the folder of the manifest; its paths are relative to it.
        encoding: the encoding of the file; guessed if None.
        given: keys of `fields` that are known and not guessed.

    Raises:
        ConfigError: no column can be text or pictures, or the encoding is unknown.
        DataError: the file cannot be read.
    """
    columns, written, reasons = _read(file, encoding)
    content = {"name": file.stem, "records": _relative(file, folder), **written}
    draft = _Draft(columns, given or {}, content, reasons)
    _leave_out_nameless(draft)
    pictures, set_aside = _settle_pictures(draft, file.parent, folder)
    label = _settle_label(draft)
    _settle_id(draft, pictures)
    split = guess_split(draft.free())
    if split is not None:
        content["splits"] = split[1]
        reasons["splits.column"] = split[2]
        draft.taken.add(split[0])
    texts, reason = guess_texts(draft.free())
    if texts:
        draft.settle("text", texts[0] if len(texts) == 1 else texts, texts, reason)
    group = guess_group(draft.free())
    if group is not None:
        draft.settle("group", group[0].name, [group[0].name], group[1])
    unused = unused_pictures(draft.free(set_aside), pictures)
    reasons |= unused
    if not texts and pictures.images is None and not draft.given.keys() & {"text", "images"}:
        raise ConfigError(_no_content(file.name, columns, unused))
    if label is None and "label" not in draft.given:
        reasons["fields.label"] = "no column looks like a label. Name one, or use the manifest for predictions only"
        hint = hint_at_numbers(draft.free())
        reasons["fields.label"] += f"; {hint}" if hint else ""
    order = ("id", "text", "images", "separator", "none_values", "label", "group")
    content["fields"] = {key: draft.fields[key] for key in order if key in draft.fields} | dict(draft.given)
    return Guess(content, reasons)


@dataclass
class _Draft:
    """A manifest that is being guessed.

    Attributes:
        columns: columns of the records, by name.
        given: keys of `fields` that are known and not guessed.
        content, reasons: as in `Guess`, without `fields`.
        fields: the keys of `fields` that were guessed so far.
        taken: columns that no further key may use.
    """

    columns: dict[str, Column]
    given: Mapping[str, Any]
    content: dict[str, Any]
    reasons: dict[str, str]
    fields: dict[str, Any] = field(default_factory=dict)
    taken: set[str] = field(default_factory=set)

    def settle(self, key: str, value: Any, names: Sequence[str], reason: str) -> None:
        """Set a key of `fields` unless it is given, and mark its columns as taken."""
        if key in self.given:
            return
        self.fields[key] = value
        self.reasons[f"fields.{key}"] = f"{', '.join(map(repr, names))}: {reason}"
        self.taken.update(names)

    def free(self, also: Iterable[str] = ()) -> list[Column]:
        """Return the columns that are not empty and not taken; those named in `also` even if they are taken."""
        taken = self.taken.difference(also)
        return [column for name, column in self.columns.items() if name not in taken and column.cells]


def _leave_out_nameless(draft: _Draft) -> None:
    """Mark the columns without a name, and those of `given`, as taken."""
    draft.taken |= {name for name in draft.columns if is_nameless(name)}
    if draft.taken:
        draft.reasons["fields"] = "columns without a name are ignored, such as the index that pandas writes"
    draft.taken |= {name for value in draft.given.values() for name in _named(value)}


def _settle_pictures(draft: _Draft, data: Path, folder: Path) -> tuple[Pictures, frozenset[str]]:
    """Guess the columns of pictures.

    Args:
        data: the folder of the records.
        folder: the folder of the manifest.

    Returns:
        The pictures, and all columns that hold pictures or portraits, which no other key may use.
    """
    pictures = guess_pictures(draft.columns, data) if "images" not in draft.given else Pictures()
    portraits = {name for name in draft.columns if names_portrait(name)} - draft.taken
    set_aside = pictures.candidates | portraits
    draft.taken |= set_aside
    if pictures.images is not None:
        draft.content["image_root"] = _relative(pictures.root, folder)
        draft.settle("images", pictures.images, pictures.used, pictures.reason)
        draft.fields |= pictures.more
    return pictures, set_aside


def _settle_label(draft: _Draft) -> Column | None:
    """Guess the column of labels."""
    found = guess_label(draft.free())
    if found is None:
        return None
    label, reason = found
    draft.settle("label", label.name, [label.name], reason)
    if label.distinct > MANY and label.numeric and "label" not in draft.given:
        draft.reasons["fields.label"] += ". To predict the number itself, set task: regression"
    return label


def _settle_id(draft: _Draft, pictures: Pictures) -> None:
    """Guess the column of ids, which may also be the column of a template for the names of pictures."""
    identity = guess_id(draft.free(pictures.used if pictures.template else ()))
    if identity is not None:
        draft.settle("id", identity[0].name, [identity[0].name], identity[1])
    elif "id" not in draft.given:
        reason = "no column has a different value in each record, so ids are made from line numbers"
        draft.reasons["fields.id"] = reason + _repeated(draft.free())


def _no_content(file: str, columns: Iterable[str], unused: Mapping[str, str]) -> list[Problem]:
    """Return the problem that no column is text or pictures, and why columns that seem to hold pictures are unused."""
    text, names = "no column looks like text or pictures", f"Columns: {', '.join(columns)}"
    reasons = [Problem("unused_column", f"{file}: {name}", reason) for name, reason in unused.items()]
    return [Problem("no_columns", file, text, names), *reasons]


def _read(file: Path, encoding: str | None) -> tuple[dict[str, Column], dict[str, Any], dict[str, str]]:
    """Read the columns of a file.

    Returns:
        The columns by name; encoding, delimiter and quotes as the manifest must name them; and the reasons.
    """
    content: dict[str, Any] = {}
    reasons: dict[str, str] = {}
    if file.suffix.lower() == ".parquet":
        columns, sampled = _columns(file, "utf-8", DEFAULT_DIALECT)
        return columns, content, sampled
    given = encoding
    encoding, reason = (_known(encoding), "given by --encoding") if encoding is not None else encoding_of(file)
    if given is not None or reason:
        content["encoding"], reasons["encoding"] = encoding, reason
    delimiter, reason = delimiter_of(file, encoding)
    if delimiter is not None:
        content["delimiter"], reasons["delimiter"] = delimiter, reason
    try:
        columns, sampled = _columns(file, encoding, Dialect(delimiter))
    except DataError as error:
        named = [
            replace(one, fix="Add --encoding NAME to automm init") if one.code == ENCODING else one
            for one in error.problems
        ]
        if file.suffix.lower() not in DELIMITERS:
            raise DataError(named) from error
        try:
            columns, sampled = _columns(file, encoding, Dialect(delimiter, quotes=False))
        except DataError:
            raise DataError(named) from error
        if any(name.startswith('"') for name in columns):  # the header is quoted, so the cells are quoted, too
            raise DataError(named) from error
        content["quotes"] = False
        reasons["quotes"] = f"quotation marks are read as part of the texts, because otherwise: {named[0]}"
    return columns, content, sampled | reasons


def _known(encoding: str) -> str:
    try:
        return known_encoding(encoding)
    except ValueError as error:
        raise ConfigError(f"--encoding: {error}") from error


def _columns(file: Path, encoding: str, dialect: Dialect) -> tuple[dict[str, Column], dict[str, str]]:
    """Return the columns of a file, from a sample if it is long, and a reason that describes the sample.

    All records are read. This finds errors far down (a quotation mark that is never closed) and columns that begin
    late.
    """
    first: list[Mapping[str, object]] = []
    rest = Thinned[Mapping[str, object]](SAMPLE - FIRST)
    names: dict[str, None] = {}
    count = 0
    for record in read_files([file.absolute()], encoding, dialect):
        count += 1
        is_new = not record.values.keys() <= names.keys()
        if is_new:
            names |= dict.fromkeys(record.values)
        if len(first) < (SAMPLE if is_new else FIRST):
            first.append(record.values)
        else:
            rest.add(record.values)
    rows = [*first, *rest.kept]
    columns = {name: Column(name, len(rows), cells) for name, cells in _cells(names, rows).items()}
    if count == len(rows):
        return columns, {}
    sample = f"guessed from {len(rows):,} of {count:,} records: the first {FIRST:,}, and others at equal distances"
    return columns, {"records": sample}


def _cells(names: Iterable[str], rows: Iterable[Mapping[str, object]]) -> dict[str, list[object]]:
    """Return the cells of each column that are not empty, in order, in time proportional to the cells."""
    cells: dict[str, list[object]] = {name: [] for name in names}
    for row in rows:
        for name, cell in row.items():
            if not is_empty(cell) and cell != []:
                cells[name].append(cell)
    return cells


def _named(value: Any) -> list[str]:
    """Return the columns that a key of `fields` names, in any of its forms."""
    if isinstance(value, str):
        return [value]
    parts = value.values() if isinstance(value, Mapping) else value if isinstance(value, list | tuple) else []
    return [name for part in parts for name in _named(part)]


def _repeated(columns: list[Column]) -> str:
    """Return a remark about a column that is named like an id of the records but repeats; "" if there is none."""
    ids = [column for column in columns if OWN_IDS.fullmatch(snake_case(column.name))]
    return f" ({ids[0].name!r} has {ids[0].distinct:,} values in {ids[0].records:,} records)" if ids else ""


def _relative(path: Path, folder: Path) -> str:
    return os.path.relpath(os.path.realpath(path), os.path.realpath(folder))


def manifest_text(guess: Guess, file: Path) -> str:
    """Return the manifest as YAML, with the reasons as comments."""
    lines = [f"# A first manifest for {file.name}, guessed by 'automm init'. Correct what is wrong, then: automm check"]
    lines += [f"# {key}: {reason}" for key, reason in guess.reasons.items()]
    return "".join(f"{one_line(line)}\n" for line in lines) + write_yaml(guess.content)
