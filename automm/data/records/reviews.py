"""Read the data set of a manifest: turn all records into reviews, and report all problems at once."""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from automm.data.changes import Change, change_lines
from automm.data.collector import paused_collector
from automm.data.images.missing_hints import shown
from automm.data.images.root import ImageRoot
from automm.data.manifest import Manifest
from automm.data.records.field_values import columns_of, is_number
from automm.data.records.opening import Record, Source, open_source
from automm.data.records.reading import MissingContent, ReviewReader
from automm.data.records.review import Review
from automm.errors import SHOWN_PROBLEMS, ConfigError, DataError, Problem, nearest, yaml_word

MANY = 20  # labels with one review each; with more, fields.label most likely names the wrong column
LABEL_SEPARATORS = (",", ";", "|", "/")

Watch = Callable[[Record, Review], None]

__all__ = ["Dataset", "MissingContent", "Review", "Watch", "has_no_content", "load_dataset", "read_dataset"]


@dataclass(frozen=True)
class Dataset:
    """Reviews with their label set.

    Attributes:
        manifest: the source of the reviews.
        reviews: n reviews, in the order of the records.
        labels: a label's index is its position here; empty where a number is predicted.
        changes: how often content was dropped or altered, by kind.
        columns: all columns of the records, also those that the manifest does not name.
        encoding: as in `Source`.
    """

    manifest: Manifest
    reviews: list[Review]
    labels: tuple[str, ...]
    changes: dict[Change, int] = field(default_factory=dict)
    columns: tuple[str, ...] = ()
    encoding: str = ""

    @property
    def several_labels(self) -> bool:
        """Whether a review may have several labels."""
        return any(review.labels for review in self.reviews)

    def keep(self, reviews: list[Review], changes: Iterable[Change]) -> "Dataset":
        """Return the data set with these reviews; `changes` repeats each kind of change as often as it happened."""
        return replace(self, reviews=reviews, changes=dict(Counter(self.changes) + Counter(changes)))


def load_dataset(
    manifest: Manifest, *, labelled: bool = True, image_root: Path | None = None, records: Path | None = None
) -> Dataset:
    """Read and check all reviews of a manifest.

    Args:
        manifest: what to read.
        labelled: False for prediction: label, group, split and time are not read.
        image_root: replaces the manifest's.
        records: a file that replaces the manifest's records.

    Raises:
        NotFoundError: a file of records is missing.
        ConfigError: `labelled` is set and the manifest names no label.
        DataError: every problem of the records, one line each.
    """
    dataset, missing = read_dataset(manifest, labelled=labelled, image_root=image_root, records=records)
    if missing.problems:
        raise DataError(missing.problems)
    return dataset


def read_dataset(
    manifest: Manifest,
    *,
    labelled: bool = True,
    image_root: Path | None = None,
    records: Path | None = None,
    watch: Watch | None = None,
) -> tuple[Dataset, MissingContent]:
    """Read all reviews like `load_dataset`, but return missing numbers and pictures instead of raising them.

    Args:
        manifest, labelled, image_root, records: as in `load_dataset`.
        watch: called with each record and its review, in order.

    Raises:
        NotFoundError, ConfigError, DataError: as `load_dataset`; the problems of a DataError include missing values.
    """
    source = open_source(manifest, records)
    if labelled and source.fields.label is None:
        raise ConfigError(f"{manifest.file.name}:1: fields.label is missing. Name the column that holds the label")
    root = ImageRoot(image_root if image_root is not None else source.image_root)
    reader = ReviewReader(manifest, source, root, labelled)
    reviews, columns, problems = _read(reader, watch)
    absent = missing_columns(source, columns, manifest, labelled) if columns is not None else []
    if absent or columns is None:  # with a missing column every record is wrong, so their problems add nothing
        nothing = Problem("no_reviews", source.name, "contains no reviews", "Check records or path in the manifest")
        raise DataError([*absent, *problems] or [nothing])
    problems, none_found = [*problems, *reader.problems], reader.none_found()
    if none_found is not None and not reader.only_urls_missing:
        raise DataError([*problems, none_found])
    missing = replace(reader.missing, none_fetched=none_found)
    if len(problems) > len(missing.numbers):
        raise DataError([*problems, *missing.of_pictures])
    labels, of_labels = _label_set(manifest, reviews) if labelled else ((), [])
    if of_labels:
        raise DataError(missing.problems or of_labels)  # label counts mislead while values are missing
    if not reviews:
        text = f"{source.name}: no reviews left ({_counts(reader.changes)})"
        raise DataError(missing.problems or f"{text}. Correct the records, or the manifest keys that drop them")
    changes = dict(Counter(source.changes) + reader.changes)
    return Dataset(manifest, reviews, labels, changes, tuple(columns), source.encoding), missing


def _read(reader: ReviewReader, watch: Watch | None) -> tuple[list[Review], dict[str, None] | None, list[Problem]]:
    """Return the reviews, the columns of all records (None without a record), and the problems of reading."""
    reviews: list[Review] = []
    columns: dict[str, None] | None = None
    try:
        with paused_collector():
            for record in reader.source.rows:  # one at a time: reviews before an error are kept
                columns = {} if columns is None else columns
                if not columns.keys() >= record.values.keys():  # `-` would iterate over all columns
                    columns |= dict.fromkeys(record.values)
                if review := reader.review(record):
                    reviews.append(review)
                    if watch is not None:
                        watch(record, review)
    except DataError as error:
        return reviews, columns, error.problems
    return reviews, columns, []


def has_no_content(text: str, images: Iterable[Path]) -> bool:
    """Return whether a review has neither text nor picture."""
    return not text.strip() and not any(True for _ in images)


def missing_columns(source: Source, columns: Iterable[str], manifest: Manifest, labelled: bool) -> list[Problem]:
    """Return a problem for each column that the manifest names and no record has."""
    present = list(columns)
    needed = columns_of(source.fields, labelled)
    if labelled:
        rules = {"splits.column": manifest.splits.column, "splits.time": manifest.splits.time}
        needed |= {key: [column] for key, column in rules.items() if column is not None}
    known = set(present)
    absent = [(key, name) for key, names in needed.items() for name in names if name not in known]
    listed = f"Columns: {', '.join(present[:30])}"
    problems: list[Problem] = []
    for key, name in absent:
        hint = nearest(name, present) if len(problems) < SHOWN_PROBLEMS else ""  # slow, and no more are shown
        text = f"no column {name!r} (named in {key}).{hint} {listed}"
        problems.append(Problem("missing_column", source.name, text))
    return problems


def _label_set(manifest: Manifest, reviews: list[Review]) -> tuple[tuple[str, ...], list[Problem]]:
    """Return the labels in order, and the problems of a label set that cannot be learned."""
    counts = Counter(label for review in reviews for label in review.all_labels)
    if manifest.predicts_number:
        text = f"every review has the value {next(iter(counts), '')}, so there is nothing to learn"
        return (), [Problem("one_value", manifest.file.name, text, "Check fields.label")] if len(counts) == 1 else []
    if manifest.labels.map is not None:
        labels = tuple(manifest.labels.map)
    else:
        labels = tuple(sorted(counts, key=_place))
    several = any(review.labels for review in reviews)  # among genres and tags, rare labels are no mistake
    rare = [label for label in labels if counts[label] < 2]
    if not several and (other := _other_meaning(labels, rare, manifest)):
        return labels, [other]
    problems: list[Problem] = []
    first = {review.label: review.where for review in reversed(reviews)}
    for label in rare:
        if not several:
            example = first.get(label, manifest.file.name)
            text = f"label {shown(label)} has {'one example' if counts[label] else 'no example'}, expected two or more"
            fix = "Add examples, or merge it with another label in labels.map"
            problems.append(Problem("rare_label", example, text, fix))
    if len(labels) < 2:
        text = f"{'one distinct label' if labels else 'no label'} in the data, expected two or more"
        problems.append(Problem("one_label", manifest.file.name, text, "Check fields.label"))
    return labels, problems


def _other_meaning(labels: Sequence[str], rare: Sequence[str], manifest: Manifest) -> Problem | None:
    """Return the likely reason why most labels occur once; None if most do not, or the manifest maps labels.

    The values may be numbers to predict, several labels in one cell, or not labels at all.
    """
    if manifest.labels.map is not None or len(rare) <= max(2, len(labels) / 2):
        return None
    rule = manifest.fields.label if manifest.fields is not None else None
    column, file = (rule.column if rule is not None else "..."), manifest.file.name
    if sum(is_number(label) for label in labels) > 0.9 * len(labels):
        fix = "To predict a number, set task: regression. To predict classes, merge the numbers in labels.map"
        text = f"column {column!r} holds {len(labels)} different numbers, most of which occur once"
        return Problem("numbers_as_labels", file, text, fix)
    for mark in LABEL_SEPARATORS:
        parts = Counter(part.strip() for label in labels for part in label.split(mark))
        if sum(mark in label for label in rare) > len(rare) / 2 and len(parts) < len(labels):
            rule_of_several = f"column: {yaml_word(column)}, separator: {json.dumps(mark)}, pick: first"
            text = f"column {column!r} holds {len(labels)} different labels, most of which occur once"
            text += f", such as {shown(rare[0])}"
            fix = f"If a cell holds several labels, set fields: {{label: {{{rule_of_several}}}}}"
            return Problem("several_in_one", file, text, fix)
    if len(rare) > MANY:
        text = f"column {column!r} holds {len(labels):,} different labels, {len(rare):,} of which occur once"
        fix = "Check that fields.label names the right column. If it does, merge labels in labels.map"
        return Problem("labels_of_one", file, f"{text}, such as {shown(rare[0])}", fix)
    return None


def _place(label: str) -> tuple[int, float, str]:
    """Return the sort key of a label: numbers by value, then words."""
    return (0, float(label), label) if is_number(label) else (1, 0.0, label)


def _counts(changes: Counter[Change]) -> str:
    return ", ".join(change_lines(changes)) or "no records"
