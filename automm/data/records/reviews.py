"""Records become reviews: texts joined, pictures found, labels in one form, all problems at once."""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

from automm.data.changes import Change, change_lines
from automm.data.collector import no_cycles
from automm.data.images.root import ImageRoot
from automm.data.manifest import Manifest
from automm.data.records.field_values import columns_of
from automm.data.records.opening import Record, Source, open_source
from automm.data.records.reading import Lacking, ReviewReader
from automm.data.records.review import Review
from automm.errors import SHOWN_PROBLEMS, ConfigError, DataError, Problem, nearest

Watch = Callable[[Record, Review], None]

__all__ = ["Dataset", "Lacking", "Review", "Watch", "load_dataset", "nothing_left", "read_dataset"]


@dataclass(frozen=True)
class Dataset:
    """Reviews with their label set.

    Attributes:
        manifest: where they come from.
        reviews: n reviews, in the order of the records.
        labels: a label's index is its place here; () where the task has no label set.
        changes: what was left out and how often, by name.
        columns: of the records, also those that nothing names.
        encoding: as of `Source`.
    """

    manifest: Manifest
    reviews: list[Review]
    labels: tuple[str, ...]
    changes: dict[Change, int] = field(default_factory=dict)
    columns: tuple[str, ...] = ()
    encoding: str = ""

    @property
    def several_labels(self) -> bool:
        """Whether a review may have any number of labels."""
        return any(review.labels for review in self.reviews)

    def keep(self, reviews: list[Review], changes: Iterable[Change]) -> "Dataset":
        """The same with other reviews; `changes` names each treatment as often as it happened."""
        return replace(self, reviews=reviews, changes=dict(Counter(self.changes) + Counter(changes)))


def load_dataset(
    manifest: Manifest, *, labelled: bool = True, image_root: Path | None = None, records: Path | None = None
) -> Dataset:
    """Read and check all reviews of a manifest.

    Args:
        manifest: what to read.
        labelled: False for prediction: label, group and split are not read.
        image_root: in place of the manifest's.
        records: a file in place of the manifest's records.

    Raises:
        NotFoundError: no file of records.
        ConfigError: the manifest names no label, and `labelled`.
        DataError: every problem of the records, a line each.
    """
    dataset, lacking = read_dataset(manifest, labelled=labelled, image_root=image_root, records=records)
    if lacking.problems:
        raise DataError(lacking.problems)
    return dataset


def read_dataset(
    manifest: Manifest,
    *,
    labelled: bool = True,
    image_root: Path | None = None,
    records: Path | None = None,
    watch: Watch | None = None,
) -> tuple[Dataset, Lacking]:
    """The same, but what records merely lack is no error: reviews without it, and the problems.

    Args:
        manifest, labelled, image_root, records: as above.
        watch: called for each record that becomes a review, in order, while both are at hand.

    Raises:
        NotFoundError, ConfigError, DataError: as above; a DataError has what is lacking among its problems.
    """
    source = open_source(manifest, records)
    if labelled and source.fields.label is None:
        raise ConfigError(f"{manifest.file.name}:1: fields.label missing: name the column that holds the label")
    root = ImageRoot(image_root if image_root is not None else source.image_root)
    reader = ReviewReader(manifest, source, root, labelled)
    reviews, columns, problems = _read(reader, watch)
    absent = missing_columns(source, columns, manifest, labelled) if columns is not None else []
    if absent or columns is None:  # without its columns every record is wrong, which says nothing more
        raise DataError([*absent, *problems] or [Problem("no_reviews", source.name, "no reviews in it")])
    problems, none_found = [*problems, *reader.problems], reader.none_found()
    if none_found is not None and not reader.merely_unfetched:
        raise DataError([*problems, none_found])
    lacking = replace(reader.lacking, none_fetched=none_found)
    if len(problems) > len(lacking.targets):
        raise DataError([*problems, *lacking.of_pictures])
    labels, of_labels = reader.target.label_set(manifest, reviews) if labelled else ((), [])
    if of_labels:
        raise DataError(lacking.problems or of_labels)  # without what is lacking, counts of labels mislead
    if not reviews:
        raise DataError(lacking.problems or f"{source.name}: no reviews left: {_counts(reader.changes)}")
    changes = dict(Counter(source.changes) + reader.changes)
    return Dataset(manifest, reviews, labels, changes, tuple(columns), source.encoding), lacking


def _read(reader: ReviewReader, watch: Watch | None) -> tuple[list[Review], dict[str, None] | None, list[Problem]]:
    """The reviews, the columns of all records (None where there is no record), and what was unreadable."""
    reviews: list[Review] = []
    columns: dict[str, None] | None = None
    try:
        with no_cycles():
            for record in reader.source.rows:  # one at a time; what came before an error is kept
                columns = {} if columns is None else columns
                if not columns.keys() >= record.values.keys():  # `-` would go through all columns
                    columns |= dict.fromkeys(record.values)
                if review := reader.review(record):
                    reviews.append(review)
                    if watch is not None:
                        watch(record, review)
    except DataError as error:
        return reviews, columns, error.problems
    return reviews, columns, []


def nothing_left(text: str, images: Iterable[Path]) -> bool:
    """Whether a review has neither text nor picture."""
    return not text.strip() and not any(True for _ in images)


def missing_columns(source: Source, columns: Iterable[str], manifest: Manifest, labelled: bool) -> list[Problem]:
    """A problem for each column that the manifest names and no record has."""
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
        hint = nearest(name, present) if len(problems) < SHOWN_PROBLEMS else ""  # slow, and no other one is shown
        text = f"no column {name!r}, which {key} names.{hint} {listed}"
        problems.append(Problem("missing_column", source.name, text))
    return problems


def _counts(changes: Counter[Change]) -> str:
    return ", ".join(change_lines(changes)) or "nothing was in it"
