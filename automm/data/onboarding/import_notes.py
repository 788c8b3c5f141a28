"""What an import must say: the role of every column, how to use the records' splits, and which files are ignored."""

import json
from collections import Counter
from collections.abc import Collection, Mapping
from itertools import islice
from pathlib import Path

from automm.data.download.urls import FOLDER as FETCHED
from automm.data.images.tree import ImageTree, fold
from automm.data.onboarding.columns.column import Column, cells_of
from automm.data.onboarding.columns.names import names_thumbnail
from automm.data.onboarding.columns.splits import VALIDATION
from automm.data.onboarding.draft import LEFT_OUT
from automm.data.onboarding.guess import Role
from automm.data.onboarding.related import tables_in
from automm.data.onboarding.tables import split_of
from automm.data.records.field_values import columns_of, is_empty
from automm.data.sections import SPLITS, Fields

SHOWN = 3  # folders that are named
HEAD = 200  # records whose values are examples
UNLABELLED = "unlabelled.jsonl"  # the records of a test split without labels, for predictions


def layout_roles(
    records: Path, columns: Collection[str], fields: Fields, reasons: Mapping[str, str], given: Collection[str]
) -> list[Role]:
    """Return the role of every column of a native layout.

    Args:
        records: the records file that was written.
        columns: all its columns.
        fields: the meaning of the columns.
        reasons: why some keys of `fields` were guessed, by key.
        given: the keys of `fields` that the user has set.
    """
    role_of: dict[str, tuple[str, str]] = {}
    for key, names in columns_of(fields, labelled=True).items():
        role = key.removeprefix("fields.")
        why = "given" if role in given else reasons.get(key, "by the layout")
        for name in names:
            role_of.setdefault(name, (role, why))
    with records.open(encoding="utf-8") as lines:
        rows = [json.loads(line) for line in islice(lines, HEAD)]
    every = dict.fromkeys([*(name for row in rows for name in row), *sorted(columns)])
    cells = cells_of(every, rows)
    unused = (LEFT_OUT, "the layout gives it no role. To use it, name it in fields")
    return [Role(name, *role_of.get(name, unused), Column(name, len(rows), cells[name]).examples) for name in every]


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


def ignored_files(source: Path, form: str, opened: Collection[Path], named: Collection[str]) -> dict[str, str]:
    """Return the tables and pictures of a folder that were not imported, by key.

    Args:
        source: the imported folder, or a file, beside which nothing is searched.
        form: its format.
        opened: the files that were read, without symbolic links.
        named: the names of the records' pictures, folded; relative to the folder, or without folders.
    """
    if not source.is_dir():
        return {}
    reasons: dict[str, str] = {}
    for folder in (source, *sorted(one for one in source.iterdir() if one.is_dir())):
        files = [file for file in _lists_in(folder) if file.resolve() not in opened]
        if len(files) > SHOWN:
            reason = f"format {form} does not read {files[0].name} and others"
            reasons[f"not read: {len(files):,} files in {folder.name}/"] = reason
        else:
            names = [file.relative_to(source).as_posix() for file in files]
            reasons |= {f"not read: {name}": f"format {form} does not read it" for name in names}
    unused = [path for path in ImageTree(source.resolve()).unused(()) if not _is_named(fold(path), named)]
    folders = Counter(path.rpartition("/")[0] or "." for path in unused if not names_thumbnail(path))
    if folders:
        listed = ", ".join(f"{count:,} under {folder}/" for folder, count in folders.most_common(SHOWN))
        reasons["unused pictures"] = f"{listed} that no record names"
    return reasons


def _lists_in(folder: Path) -> list[Path]:
    """Return the tables of a folder, also texts and packed tables that are named after a split."""
    try:
        files = sorted(file for file in folder.iterdir() if file.is_file())
    except OSError:
        return []
    tables = set(tables_in(folder))
    return [file for file in files if file in tables or (file.suffix in (".txt", ".gz") and split_of(file) is not None)]


def _is_named(path: str, named: Collection[str]) -> bool:
    return path in named or path.rpartition("/")[2] in named or path.startswith(f"{FETCHED}/")
