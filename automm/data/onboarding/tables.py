"""Choose the records in a folder of tables: one table, its splits, or two tables that share a key."""

from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from automm.data.layouts.files import split_named
from automm.data.onboarding.columns.names import IDS, is_nameless, snake_case
from automm.data.onboarding.reading import sample_of
from automm.data.onboarding.related import Other, header_of, label_codes, related_to, tables_in
from automm.errors import ConfigError, NotFoundError, Problem

MOST_FOLDERS = 2_000
SHOWN = 3  # tables without a header that are named
_CARDS = ("manifest", "dataset_info", "dataset_infos", "package", "state", "config", "license")


@dataclass(frozen=True)
class Chosen:
    """The records of a folder.

    Attributes:
        files: records files with the same columns.
        pattern: the content of `records` for several files; "" for one.
        notes: what is not read, and why, by key.
    """

    files: list[Path]
    pattern: str = ""
    notes: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Plan:
    """How the tables of a folder belong together.

    Attributes:
        parts: the tables with the records, and the split that each is named after.
        joins: tables with more columns for the records, and the column that both have.
        notes: what is not read, and why, by key.
        unlabelled: tables that lack the label, which are not read.
    """

    parts: dict[Path, str | None]
    joins: dict[Path, str] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)
    unlabelled: list[Path] = field(default_factory=list)


def choose_tables(folder: Path) -> Chosen:
    """Return the records of a folder for `automm init`.

    Raises:
        NotFoundError: there is no table.
        ConfigError: several tables belong together, or none can be preferred.
    """
    partitions = _partitions(folder)
    if partitions:
        reason = f"{len(partitions)} Parquet files in folders that are named column=value"
        return Chosen(partitions, "**/*.parquet", {"records": reason})
    plan = plan_tables(folder)
    if len(plan.parts) > 1 or plan.joins:
        names = ", ".join(file.name for file in (*plan.parts, *plan.joins))
        text = f"the records are in several tables that belong together: {names}"
        fix = f"Write one records file: automm import {folder} --to DIR"
        raise ConfigError([Problem("several_tables", str(folder), text, fix)])
    return Chosen(list(plan.parts), notes=plan.notes)


def plan_tables(folder: Path) -> Plan:
    """Return how the tables of a folder belong together.

    Raises:
        NotFoundError: there is no table.
        ConfigError: several tables have nothing in common, so that a person must choose one.
    """
    tables, notes = _candidates(folder)
    if not tables:
        unread = [f"{key}: {why}" for key, why in notes.items() if key.startswith("not read: ")]
        listed = "".join(f". {note}" for note in unread[:SHOWN])
        raise NotFoundError(f"{folder}: no table of records found (.csv, .tsv, .jsonl, .json, .parquet, .xlsx){listed}")
    for table in [one for one in tables if one.is_submission]:
        notes[f"not read: {table.file.name}"] = "a sample of what is to be predicted"
    submissions = [one for one in tables if one.is_submission]
    tables = [one for one in tables if not one.is_submission]
    main = _main(tables)
    parts, rest, unlabelled = [main], [], list[Path]()
    own = _named(main)
    others = [one for one in (*tables, *submissions) if one != main]
    related = related_to(main.columns, others, cache(lambda: sample_of(main.file)))
    for other in [one for one in tables if one != main]:
        if (
            _same_columns(_named(other), own)
            and split_of(other.file) is not None
            and other.file not in related.unlabelled
        ):
            parts.append(other)
        elif other.file in related.unlabelled:
            unlabelled.append(other.file)
        else:
            rest.append(other)
    joins: dict[Path, str] = {}
    for other in [one for one in rest if not _named(one) >= own]:
        key = _key(main, other)
        if key is not None and (len(other.columns) > 2 or is_nameless(key)):
            joins[other.file] = key
        elif key is not None:
            notes[f"not read: {other.file.name}"] = f"names of the values of {key!r}"
        else:
            notes[f"not read: {other.file.name}"] = f"its columns are others: {', '.join(other.columns[:6])}"
    equals = [one for one in rest if _named(one) >= own]
    if equals:
        named = [main, *equals]
        text = f"several tables have the same columns: {', '.join(one.file.name for one in named)}"
        widest = max(named, key=lambda one: len(one.columns))
        raise ConfigError([Problem("several_tables", str(folder), text, f"Name one: automm init {widest.file}")])
    splits = {one.file: split_of(one.file) for one in parts}
    if {"validation", "test"} & set(splits.values()):  # the table beside a test table is the training split
        splits = {file: split or "train" for file, split in splits.items()}
    return Plan(splits, joins, notes, unlabelled)


def split_of(file: Path) -> str | None:
    """Return the split that a table is named after: train.csv, reviews_test.csv, test/data.csv."""
    words = [word for word in snake_case(file.stem).split("_") if not word.isdigit()]
    named = [split_named(word) for word in (*words[::-1], file.parent.name)]
    return next((split for split in named if split is not None), None)


def _partitions(folder: Path) -> list[Path]:
    """Return the Parquet files of hive partitions below a folder: year=2024/part-0.parquet."""
    try:
        named = [one for one in folder.iterdir() if "=" in one.name and one.is_dir()]
    except OSError:
        return []
    return sorted(file for one in named for file in one.rglob("*.parquet") if file.is_file())


def _candidates(folder: Path) -> tuple[list[Other], dict[str, str]]:
    """Return the tables of a folder and of the folders in it, and what is not read."""
    notes: dict[str, str] = {}
    files = tables_in(folder)
    try:
        inner = sorted(one for one in folder.iterdir() if one.is_dir() and not one.name.startswith((".", "__")))
    except OSError:
        inner = []
    for one in inner[:MOST_FOLDERS]:
        files += tables_in(one)
    if len(inner) > MOST_FOLDERS:
        notes["not searched for tables"] = f"{len(inner) - MOST_FOLDERS:,} of {len(inner):,} folders"
    tables = []
    for file in files:
        if file.stem.lower() in _CARDS:
            continue
        if file.suffix.lower() == ".json" and label_codes(file):
            notes[f"not read: {file.name}"] = "names of values, and no records"
            continue
        columns = header_of(file)
        if columns:
            tables.append(Other(file, columns))
        else:
            notes[f"not read: {file.name}"] = f"no header could be read. To see why: automm init {file}"
    return tables, notes


def _main(tables: list[Other]) -> Other:
    """Return the table of the records: the training split, else the one that names another's key, else the largest."""

    def rank(table: Other) -> tuple[bool, bool, bool, int]:
        is_train = split_of(table.file) == "train"
        reviews = any(word in table.file.stem.lower() for word in ("review", "comment", "rating", "post"))
        return is_train, len(table.columns) > 2, reviews, table.file.stat().st_size

    return max(tables, key=rank)


def _named(table: Other) -> set[str]:
    return {name for name in table.columns if not is_nameless(name)}


def _same_columns(other: set[str], own: set[str]) -> bool:
    """Whether two tables have the same columns; optional ones may be absent in either."""
    return other <= own or own <= other


def _key(main: Other, other: Other) -> str | None:
    """Return the column that two tables have in common and that identifies the rows of the other one."""
    if main.columns[:1] == other.columns[:1] and is_nameless(main.columns[0]) and not _named(main) & _named(other):
        return main.columns[0]
    shared = [name for name in other.columns if name in _named(main)]
    ids = [name for name in shared if IDS.search(snake_case(name))]
    if ids:
        return ids[0]
    if len(shared) == 1 and len(other.columns) > 1 and other.columns[0] == shared[0]:
        return shared[0]
    return None
