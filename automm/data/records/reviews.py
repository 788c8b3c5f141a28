"""Read the data set of a manifest: turn all records into reviews, and report all problems at once."""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

from automm.data.change_kinds import Change, change_lines
from automm.data.collector import paused_collector
from automm.data.images.root import ImageRoot
from automm.data.manifest import Manifest
from automm.data.rare_labels import other_label_problem, settle_rare_labels
from automm.data.records.field_values import columns_of
from automm.data.records.opening import Record, Source, open_source
from automm.data.records.reading import MissingContent, ReviewReader
from automm.data.records.review import Review
from automm.errors import SHOWN_PROBLEMS, ConfigError, DataError, Problem, nearest

Watch = Callable[[Record, Review], None]

__all__ = ["Dataset", "MissingContent", "Review", "Watch", "has_no_content", "load_dataset", "read_dataset"]


@dataclass(frozen=True)
class Dataset:
    """Reviews with their label set.

    Attributes:
        manifest: the source of the reviews.
        reviews: n reviews, in the order of the records.
        labels: a label's index is its position here; empty if the task has no label set.
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
    reader.pictures.learn(lambda: open_source(manifest, records).rows)
    reviews, columns, problems = _read(reader, watch)
    reader.pictures.finish()
    absent = missing_columns(source, columns, manifest, labelled) if columns is not None else []
    if absent or columns is None:  # with a missing column every record is wrong, so their problems add nothing
        nothing = Problem("no_reviews", source.name, "contains no reviews", "Check path in the manifest")
        raise DataError([*absent, *problems] or [nothing], examples=SHOWN_PROBLEMS if absent else None)
    problems, none_found = [*problems, *reader.problems], reader.pictures.none_found(labelled, len(reader.seen))
    if none_found is not None and not reader.pictures.only_urls_missing:
        raise DataError([*problems, none_found])
    missing = replace(reader.missing, none_fetched=none_found)
    if len(problems) > len(missing.targets):
        raise DataError([*problems, *missing.of_pictures])
    if labelled and (problem := other_label_problem(manifest, reviews)):
        raise DataError([*missing.problems, problem])
    reviews = settle_rare_labels(manifest, reviews, reader.changes) if labelled else reviews
    labels, of_labels = reader.target.label_set(manifest, reviews) if labelled else ((), [])
    if of_labels:
        # Label counts mislead while values are missing; missing pictures do not change them.
        raise DataError(missing.problems if missing.targets else [*missing.problems, *of_labels])
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


def _counts(changes: Counter[Change]) -> str:
    return ", ".join(change_lines(changes)) or "no records"
