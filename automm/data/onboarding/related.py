"""Other tables near a records file: what a test table lacks, and what a sample submission predicts."""

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from automm.data.layouts.files import split_named
from automm.data.onboarding.columns.column import Column
from automm.data.onboarding.columns.labels import lacked_labels
from automm.data.onboarding.columns.names import is_nameless
from automm.data.onboarding.columns.nearby import TABLES
from automm.data.onboarding.reading import sample_of
from automm.data.records.forms import FORMS, likely_delimiter, parse_json
from automm.data.records.tables.excel import excel_rows
from automm.data.records.tables.parquet import parquet_schema
from automm.errors import DataError

HEAD = 2**18  # bytes of a table that are read for its header
MOST_TABLES = 2_000
HEADER_LINES = 200  # of a JSON Lines file, whose keys are its columns
LARGEST_JSON = 20 * 2**20  # bytes
MOST_TARGETS = 3  # columns that a test table may lack

_WORDS = re.compile(r"[a-z]+")
_UNLABELLED = {"test", "testing", "unlabelled", "unlabeled", "predict", "submission", "holdout", "private", "public"}


@dataclass(frozen=True)
class Other:
    """A table near the records, and the names of its columns."""

    file: Path
    columns: tuple[str, ...]

    @property
    def is_submission(self) -> bool:
        """Whether it is a sample of what a competition wants to have predicted."""
        return "submission" in self.file.stem.lower()

    @property
    def is_part(self) -> bool:
        """Whether its name suggests that it is a split, or has no labels."""
        words = _WORDS.findall(self.file.stem.lower())
        return not _UNLABELLED.isdisjoint(words) or any(map(split_named, words))


@dataclass(frozen=True)
class Related:
    """What other tables say about a records file.

    Attributes:
        hints: why a column is the target, by its name.
        unlabelled: tables with the same columns, but without the target.
        labelled: the table that has the target, if the records lack it, and the target; None otherwise.
        by_index: whether `labelled` has only the target, for the same index.
        submission: the sample submission; None without one.
        same: tables with the same columns.
    """

    hints: dict[str, str] = field(default_factory=dict)
    unlabelled: tuple[Path, ...] = ()
    labelled: tuple[Path, str] | None = None
    by_index: bool = False
    submission: Path | None = None
    same: tuple[Path, ...] = ()


def tables_in(folder: Path) -> list[Path]:
    """Return the files of a folder that may be tables, without hidden ones and those that automm writes."""
    try:
        files = sorted(folder.iterdir())
    except OSError:
        return []
    named = [one for one in files if one.suffix.lower() in TABLES and not one.name.startswith((".", "~$"))]
    return [one for one in named if one.is_file()][:MOST_TABLES]


def header_of(file: Path) -> tuple[str, ...]:
    """Return the columns of a table, from its beginning; () if it cannot be read."""
    suffix = file.suffix.lower()
    try:
        if suffix == ".parquet":
            return tuple(parquet_schema(file).names)
        if suffix == ".xlsx":
            return tuple(next(((*values,) for _, values in excel_rows(file, "", [])), ()))
        if suffix == ".json" and file.stat().st_size > LARGEST_JSON:
            return ()
        if suffix in (".json", ".jsonl"):
            if suffix == ".jsonl":
                return _keys_of_lines(file)
            return tuple(next((values for _, values in FORMS[suffix](file, "utf-8", [])), ()))
        with file.open("rb") as raw:
            head = raw.read(HEAD)
    except (OSError, DataError, ValueError, UnicodeError):
        return ()
    return _first_row(head)


def _keys_of_lines(file: Path) -> tuple[str, ...]:
    """Return the keys that most of the first objects of a JSON Lines file have; others are optional."""
    counts: Counter[str] = Counter()
    objects = 0
    with file.open("rb") as lines:
        for line in islice(iter(lambda: lines.readline(HEAD * 64), b""), HEADER_LINES):
            record = parse_json(line.decode("utf-8-sig", "replace"), "", [])
            if not isinstance(record, dict):
                break
            objects += 1
            counts.update(record.keys())
    return tuple(key for key, count in counts.items() if 2 * count >= objects)


def _first_row(head: bytes) -> tuple[str, ...]:
    import csv

    encoding = "utf-16" if head[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        text = head.decode(encoding, "strict" if encoding == "utf-8-sig" else "ignore")
    except UnicodeDecodeError:
        text = head.decode("cp1252", "replace")
    line = next((one for one in text.splitlines() if one.strip()), "")
    try:
        cells = next(csv.reader([line], delimiter=likely_delimiter(line) or ","), [])
    except csv.Error:
        return ()
    return tuple(cells)


def others_near(file: Path) -> list[Other]:
    """Return the tables beside a records file, and in folders beside its own that are named after splits."""
    folders = [file.parent]
    if split_named(file.parent.name) is not None:
        try:
            beside = sorted(file.absolute().parent.parent.iterdir())
        except OSError:
            beside = []
        folders += [one for one in beside if one != file.absolute().parent and split_named(one.name) and one.is_dir()]
    files = [one for folder in folders for one in tables_in(folder) if one.name != file.name or folder != file.parent]
    return [Other(one, header_of(one)) for one in files]


def related_to(columns: Sequence[str], others: Iterable[Other], sample: Callable[[], Sequence[Column]]) -> Related:
    """Return what other tables say about a records file.

    Args:
        columns: the names of its columns.
        others: the other tables.
        sample: returns its columns with their values; called if a table lacks some of them.
    """
    own = {name for name in columns if not is_nameless(name)}
    hints: dict[str, str] = {}
    unlabelled: list[Path] = []
    same: list[Path] = []
    labelled: tuple[Path, str] | None = None
    by_index = False
    submission = next((other for other in others if other.is_submission and len(other.columns) > 1), None)
    wanted = submission.columns[1:] if submission is not None and submission.columns[0] in own else ()
    for other in sorted(others, key=lambda other: "train" not in other.file.stem.lower()):
        theirs = {name for name in other.columns if not is_nameless(name)}
        if other.is_submission or not theirs:
            continue
        lacks, more = own - theirs, theirs - own
        if theirs == own:
            same.append(other.file)
        elif not more and len(theirs) > 1 and other.is_part:
            if targets := _lacked(sample(), lacks):
                unlabelled.append(other.file)
                hints |= dict.fromkeys(targets, f"{other.file.name} lacks it")
            else:
                same.append(other.file)
        elif lacks == own and _same_index(columns, other.columns) and len(theirs) <= MOST_TARGETS and labelled is None:
            labelled, by_index = (other.file, min(theirs)), True
        elif not lacks and 0 < len(more) <= MOST_TARGETS and (labelled is None or by_index) and len(own) > 1:
            lacked = set(_lacked(sample_of(other.file), more))
            targets = [name for name in other.columns if name in lacked and (not wanted or name in wanted)]
            labelled, by_index = ((other.file, targets[0]), False) if targets else (labelled, by_index)
    for name in wanted:
        if name in own and submission is not None:
            hints = {name: f"{submission.file.name} predicts it"}
    path = submission.file if submission is not None else None
    return Related(hints, tuple(unlabelled), labelled, by_index, path, tuple(same))


def _lacked(columns: Sequence[Column], lacks: set[str]) -> list[str]:
    """Return the labels among the columns that a table lacks; a few if their values are not known."""
    if not columns:
        return sorted(lacks) if len(lacks) <= MOST_TARGETS else []
    return lacked_labels(columns, lacks)


def unlabelled_note(file: Path, needed: Iterable[str]) -> str:
    """Return how to predict a table without labels.

    Args:
        file: the table.
        needed: the columns that a prediction needs.
    """
    header = header_of(file)
    absent = [repr(name) for name in needed if name not in header and name.partition(".")[0] not in header]
    command = f"after a search: automm predict BUNDLE {file}"
    if absent:
        return f"it lacks the label and {', '.join(absent)}. Add a column {' and '.join(absent)}, and {command}"
    return f"it lacks the label. To predict it {command}"


def _same_index(columns: Sequence[str], others: Sequence[str]) -> bool:
    """Return whether two tables begin with an index without a name, such as X_train.csv and Y_train.csv."""
    return bool(columns) and bool(others) and is_nameless(columns[0]) and is_nameless(others[0])


def label_codes(file: Path) -> bool:
    """Return whether a file is a map of label names in JSON, and no table."""
    try:
        content = json.loads(file.read_text(encoding="utf-8-sig")) if file.stat().st_size < 10**6 else None
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(content, dict) and all(isinstance(value, str | int) for value in content.values())
