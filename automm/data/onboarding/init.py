"""Write a first manifest for a records file, or for a folder that holds one.

The reason of each guess is written beside it, for the user to correct.
"""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from automm.config.strict_yaml import write_yaml
from automm.data.images.patterns import PLACEHOLDER
from automm.data.layouts import recognise
from automm.data.layouts.imagefolder import labels_are_folders
from automm.data.manifest import parse_manifest
from automm.data.onboarding.columns.nearby import Nearby
from automm.data.onboarding.columns.settled import relative_path
from automm.data.onboarding.draft import LEFT_OUT
from automm.data.onboarding.guess import Guess, guess_from
from automm.data.onboarding.reading import read_table_of
from automm.data.onboarding.related import Related, others_near, related_to, tables_in, unlabelled_note
from automm.data.onboarding.tables import Chosen, choose_tables, split_of
from automm.data.onboarding.unpack import holds_pictures
from automm.data.sections import SPLITS
from automm.errors import ConfigError, DataError, NotFoundError, Problem, nearest, one_line

MANIFEST = "manifest.yaml"


def write_first_manifest(
    path: Path,
    to: Path | None = None,
    *,
    encoding: str | None = None,
    quotes: bool | None = None,
    given: Mapping[str, Any] | None = None,
    task: str | None = None,
    must_have_label: bool = False,
) -> tuple[Path, Guess]:
    """Read a records file and write a manifest for it.

    Args:
        path: .jsonl, .json, .csv, .tsv, .parquet or .xlsx; or a folder that holds such a file.
        to: the manifest to write; by default manifest.yaml beside the file, or in the folder.
        encoding: the encoding of the file; by default it is detected.
        quotes: whether cells may be quoted; by default it is detected.
        given: keys of `fields` that are known and not guessed; a label of None means none.
        task: the task; by default it is guessed.
        must_have_label: whether to raise `ChoiceError` where the label is not clear.

    Returns:
        The path of the manifest, and the guess.

    Raises:
        NotFoundError: there is no such file.
        ChoiceError: a person must choose the label.
        ConfigError: the manifest exists, no column can be text or pictures, or the encoding is unknown.
        DataError: the file cannot be read.
    """
    folder = path if path.is_dir() else path.parent
    to = (to or folder / MANIFEST).absolute()
    if to.exists():
        raise ConfigError(f"{to} exists and is not overwritten. Name another file: --to FILE.yaml")
    chosen = _records_of(path)
    file = chosen.files[0]
    known = [] if path.is_dir() else [_of_format(name, file) for name in recognise(file)]
    records = chosen.pattern or relative_path(file, to.parent)
    try:
        guess = guess_manifest(
            chosen.files,
            to.parent,
            encoding,
            quotes=quotes,
            given=given,
            records=records,
            must_have_label=must_have_label,
        )
    except (ConfigError, DataError) as error:
        if known:
            raise type(error)([*error.problems, *known]) from error
        raise
    guess.reasons.update({**chosen.notes, **({"format": str(known[0])} if known else {})})
    if task is not None:
        guess.content["task"] = task
    text = manifest_text(guess, file)
    parse_manifest(guess.content, to)
    _write_new(to, text)
    return to, guess


def _records_of(path: Path) -> Chosen:
    """Return the records files that a path names."""
    if not path.is_dir() and not path.is_file():
        raise NotFoundError(f"{path}: no such file of records")
    if path.is_dir():
        formats = recognise(path)
        if formats and not (formats == ["imagefolder"] and labels_are_folders(path) and tables_in(path)):
            text = f"the folder is in format {formats[0]}"
            raise ConfigError(
                [Problem("known_format", str(path), text, f"To import it: automm import {path} --to DIR")]
            )
    chosen = choose_tables(path) if path.is_dir() else Chosen([path])
    if holds_pictures(chosen.files[0]):
        raise ConfigError(
            f"{chosen.files[0]} holds the pictures themselves. To write them to files, with a manifest, run: "
            f"automm import {path} --to DIR"
        )
    return chosen


def _write_new(to: Path, text: str) -> None:
    """Write a file that does not exist yet."""
    try:
        with to.open("x", encoding="utf-8") as out:
            out.write(text)
    except FileExistsError as error:
        raise ConfigError(f"{to} exists and is not overwritten. Name another file: --to FILE.yaml") from error
    except OSError as error:
        raise ConfigError(f"{to} cannot be written: {error.strerror}. Name another file: --to FILE.yaml") from error


def _of_format(name: str, file: Path) -> Problem:
    fix = f"To import it: automm import {name} {file} --to DIR"
    return Problem("known_format", "", f"It looks like format {name}", fix)


def guess_manifest(
    files: Path | list[Path],
    folder: Path,
    encoding: str | None = None,
    *,
    quotes: bool | None = None,
    given: Mapping[str, Any] | None = None,
    records: str | None = None,
    near: Path | None = None,
    ignore: Collection[str] = (),
    must_have_label: bool = False,
) -> Guess:
    """Guess the content of a manifest for records files with the same columns.

    Args:
        files: the records files.
        folder: the folder of the manifest; its paths are relative to it.
        encoding: the encoding of the files; detected if None.
        quotes: whether cells may be quoted; detected if None.
        given: keys of `fields` that are known and not guessed.
        records: the content of `records`; by default the path of the first file.
        near: the folder where pictures and other tables are searched; by default that of the first file.
        must_have_label: whether to raise `ChoiceError` where the label is not clear.

    Raises:
        ChoiceError: a person must choose the label.
        ConfigError: no column can be text or pictures, or the encoding is unknown.
        DataError: the files cannot be read.
    """
    listed = [files] if isinstance(files, Path) else files
    file = listed[0]
    table = read_table_of(listed, encoding, quotes)
    if near is None:
        _check_given(given or {}, list(table.columns))
    for name in ignore:
        table.columns.pop(name, None)
    related = (
        related_to(list(table.columns), others_near(file), lambda: [*table.columns.values()])
        if near is None
        else Related()
    )
    content = {"name": file.stem, "records": records or relative_path(file, folder)}
    nearby = Nearby(near or file.parent, split_of(file) if len(listed) == 1 else None)
    guess = guess_from(table, content, nearby, folder, given=given, related=related, must_have_label=must_have_label)
    _note_related(guess, related, file)
    return guess


def _check_given(given: Mapping[str, Any], columns: list[str]) -> None:
    """Raise ConfigError if a given column does not exist."""
    for key, value in given.items():
        for name in [value] if isinstance(value, str) else value if isinstance(value, list) else []:
            inside = PLACEHOLDER.findall(name) if key == "images" else []
            missing = [one for one in inside or [name] if one not in columns]
            if missing:
                listed = f"Columns: {', '.join(columns[:30])}"
                text = f"no column {missing[0]!r}.{nearest(missing[0], columns)} {listed}"
                raise ConfigError([Problem("missing_column", f"--{key}", text)])


def _note_related(guess: Guess, related: Related, file: Path) -> None:
    """Name the tables beside the records that are not read."""
    for other in related.unlabelled:
        guess.reasons[f"not read: {other.name}"] = unlabelled_note(other, guess.inputs)
    for other in related.same:
        text = "it has the same columns"
        if {split_of(file), split_of(other)} <= set(SPLITS) and split_of(file) != split_of(other):
            text += f". To read both: automm import {file.parent} --to DIR"
        guess.reasons[f"not read: {other.name}"] = text


def manifest_text(guess: Guess, file: Path) -> str:
    """Return the manifest as YAML, with the reasons as comments."""
    lines = [f"# A first manifest for {file.name}, guessed by 'automm init'. Correct what is wrong, then: automm check"]
    lines += [f"# {key}: {reason}" for key, reason in guess.reasons.items()]
    told = {key.removeprefix("column ") for key in guess.reasons}
    left_out = [role for role in guess.roles if role.role == LEFT_OUT and repr(role.column) not in told]
    lines += [f"# not used: {role.column!r}: {role.why}" for role in left_out]
    return "".join(f"{one_line(line)}\n" for line in lines) + write_yaml(guess.content)
