"""A first manifest for a records file: which column is what, guessed from names and contents, with the reason.

A guess is a beginning: it is written with its reason beside it, for somebody who knows the data to correct.
"""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import yaml

from automm.data.cells import is_empty
from automm.data.formats import recognise
from automm.data.guess_columns import Column, group_of, identity_of, label_of, split_of, texts_of
from automm.data.guess_pictures import pictures_of
from automm.data.manifest import parse_manifest
from automm.data.records import read_files
from automm.errors import ConfigError, DataError, NotFoundError

LOOKED_AT = 20_000  # records; enough to tell an id from a group


@dataclass(frozen=True)
class Guess:
    """What the manifest says, and why."""

    content: dict[str, Any]
    reasons: dict[str, str]


def write_first_manifest(file: Path, to: Path | None = None) -> tuple[Path, dict[str, str]]:
    """Look at a records file and write a manifest for it.

    Args:
        file: .jsonl, .json, .csv, .tsv or .parquet.
        to: the manifest; manifest.yaml beside the file if none.

    Returns:
        Where it was written, and the reason of each guess by its key, such as "fields.text".

    Raises:
        NotFoundError: there is no such file.
        ConfigError: the manifest is there already, or no column can be text or pictures.
        DataError: the file cannot be read.
    """
    if not file.is_file():
        raise NotFoundError(f"{file}: no such file of records")
    to = (to or file.parent / "manifest.yaml").absolute()
    known = [f"It looks like format {name}: automm import {name} {file} --to DIR" for name in recognise(file)]
    try:
        guess = guess_manifest(file, to.parent)
    except (ConfigError, DataError) as error:
        raise type(error)([*error.problems, *known]) from error
    if known:
        guess.reasons["format"] = known[0]
    manifest_text = _text(guess, file)
    parse_manifest(guess.content, to)
    try:
        with to.open("x", encoding="utf-8") as out:
            out.write(manifest_text)
    except FileExistsError as error:
        raise ConfigError(f"{to} is there already and stays as it is. Name another: --to FILE.yaml") from error
    except OSError as error:
        raise ConfigError(f"{to} cannot be written: {error.strerror}. Name another: --to FILE.yaml") from error
    return to, guess.reasons


def guess_manifest(file: Path, folder: Path) -> Guess:
    """The content of a manifest for `file` that would stand in `folder`, and the reasons."""
    columns = _columns(file)
    content: dict[str, Any] = {"name": file.stem, "records": _relative(file, folder)}
    fields: dict[str, Any] = {}
    reasons: dict[str, str] = {}
    taken: set[str] = set()

    def settle(key: str, value: Any, names: Iterable[str], reason: str) -> None:
        fields[key] = value
        reasons[f"fields.{key}"] = reason
        taken.update(names)

    pictures = pictures_of(columns, file.parent)
    taken |= pictures.looked_like
    if pictures.name is not None:
        content["image_root"] = _relative(pictures.root, folder)
        settle("images", pictures.name, [pictures.name], pictures.reason)
        fields |= pictures.more
    label = label_of(_rest(columns, taken))
    if label is not None:
        settle("label", label[0].name, [label[0].name], label[1])
    identity = identity_of(_rest(columns, taken))
    if identity is not None:
        settle("id", identity[0].name, [identity[0].name], identity[1])
    else:
        reasons["fields.id"] = "no column holds a different value in each record: ids are made from line numbers"
    split = split_of(_rest(columns, taken))
    if split is not None:
        content["splits"] = split[1]
        reasons["splits.column"] = split[2]
        taken.add(split[0])
    texts, reason = texts_of(_rest(columns, taken))
    if texts:
        settle("text", texts[0] if len(texts) == 1 else texts, texts, reason)
    group = group_of(_rest(columns, taken))
    if group is not None:
        settle("group", group[0].name, [group[0].name], group[1])
    if not texts and pictures.name is None:
        raise ConfigError(f"{file.name}: no column looks like text or pictures. Columns: {', '.join(columns)}")
    if label is None:
        reasons["fields.label"] = "no column looks like a label: name it, or use the manifest for predictions only"
    order = ("id", "text", "images", "separator", "none_values", "label", "group")
    content["fields"] = {key: fields[key] for key in order if key in fields}
    return Guess(content, reasons)


def _columns(file: Path) -> dict[str, Column]:
    columns: dict[str, Column] = {}
    count = 0
    for record in islice(read_files([file.absolute()], "utf-8"), LOOKED_AT):
        count += 1
        for name, cell in record.values.items():
            column = columns.setdefault(str(name), Column(str(name)))
            if not is_empty(cell) and cell != []:
                column.cells.append(cell)
    for column in columns.values():
        column.records = count
    return columns


def _rest(columns: dict[str, Column], taken: set[str]) -> list[Column]:
    return [column for name, column in columns.items() if name not in taken and column.cells]


def _relative(path: Path, folder: Path) -> str:
    return os.path.relpath(os.path.realpath(path), os.path.realpath(folder))


def _text(guess: Guess, file: Path) -> str:
    lines = [f"# A first manifest for {file.name}, guessed by 'automm init'. Correct what is wrong, then: automm check"]
    lines += [f"# {key}: {reason}" for key, reason in guess.reasons.items()]
    return (
        "\n".join(line.replace("\r", " ") for line in lines)
        + "\n"
        + yaml.safe_dump(guess.content, sort_keys=False, allow_unicode=True, width=110)
    )
