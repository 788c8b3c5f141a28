"""Records become reviews: texts joined, pictures found, labels in one form, all problems at once."""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from automm.data.changes import Change, change_lines
from automm.data.collector import no_cycles
from automm.data.images.missing_hints import shown
from automm.data.images.root import ImageRoot
from automm.data.manifest import Manifest
from automm.data.records.field_values import columns_of, is_number
from automm.data.records.opening import Record, Source, open_source
from automm.data.records.reading import Lacking, ReviewReader
from automm.data.records.review import Review
from automm.errors import SHOWN_PROBLEMS, ConfigError, DataError, Problem, nearest, yaml_word

MANY = 20  # labels of one review, beyond which the column is most likely another
LABEL_SEPARATORS = (",", ";", "|", "/")

Watch = Callable[[Record, Review], None]

__all__ = ["Dataset", "Lacking", "Review", "Watch", "load_dataset", "nothing_left", "read_dataset"]


@dataclass(frozen=True)
class Dataset:
    """Reviews with their label set.

    Attributes:
        manifest: where they come from.
        reviews: n reviews, in the order of the records.
        labels: a label's index is its place here; none where a number is predicted.
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
    if len(problems) > len(lacking.numbers):
        raise DataError([*problems, *lacking.of_pictures])
    labels, of_labels = _label_set(manifest, reviews) if labelled else ((), [])
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


def _label_set(manifest: Manifest, reviews: list[Review]) -> tuple[tuple[str, ...], list[Problem]]:
    counts = Counter(label for review in reviews for label in review.all_labels)
    if manifest.predicts_number:
        text = f"every review has the value {next(iter(counts), '')}: there is nothing to learn"
        return (), [Problem("one_value", manifest.file.name, text)] if len(counts) == 1 else []
    if manifest.labels.map is not None:
        labels = tuple(manifest.labels.map)
    else:
        labels = tuple(sorted(counts, key=_place))
    several = any(review.labels for review in reviews)  # genres and tags have rare ones, which are no mistake
    rare = [label for label in labels if counts[label] < 2]
    if not several and (other := _other_meaning(labels, rare, manifest)):
        return labels, [other]
    problems: list[Problem] = []
    first = {review.label: review.where for review in reversed(reviews)}
    for label in rare:
        if not several:
            example = first.get(label, manifest.file.name)
            text = f"label {shown(label)} has {'one example' if counts[label] else 'no example'}, expected two or more"
            problems.append(Problem("rare_label", example, text, "Add examples, or join it with another in labels.map"))
    if len(labels) < 2:
        text = f"{len(labels)} label in the data, expected two or more"
        problems.append(Problem("one_label", manifest.file.name, text))
    return labels, problems


def _other_meaning(labels: Sequence[str], rare: Sequence[str], manifest: Manifest) -> Problem | None:
    """Why most labels occur once: they are numbers to predict, or several labels in one text; None if they are not."""
    if manifest.labels.map is not None or len(rare) <= max(2, len(labels) / 2):
        return None
    rule = manifest.fields.label if manifest.fields is not None else None
    column, file = (rule.column if rule is not None else "..."), manifest.file.name
    if sum(is_number(label) for label in labels) > 0.9 * len(labels):
        fix = "To predict a number set task: regression; to predict classes join them in labels.map"
        text = f"column {column!r} holds {len(labels)} different numbers, most of them once"
        return Problem("numbers_as_labels", file, text, fix)
    for mark in LABEL_SEPARATORS:
        parts = Counter(part.strip() for label in labels for part in label.split(mark))
        if sum(mark in label for label in rare) > len(rare) / 2 and len(parts) < len(labels):
            rule_of_several = f"column: {yaml_word(column)}, separator: {json.dumps(mark)}, pick: first"
            text = (
                f"column {column!r} holds {len(labels)} different labels, most of them once, such as {shown(rare[0])}"
            )
            fix = f"If they are several in one text: fields: {{label: {{{rule_of_several}}}}}"
            return Problem("several_in_one", file, text, fix)
    if len(rare) > MANY:
        holds = f"holds {len(labels):,} different labels, {len(rare):,} of them once, such as {shown(rare[0])}"
        fix = "Does fields.label name the right column? If so, join labels in labels.map"
        return Problem("labels_of_one", file, f"column {column!r} {holds}", fix)
    return None


def _place(label: str) -> tuple[int, float, str]:
    """Numbers in their order, before words."""
    return (0, float(label), label) if is_number(label) else (1, 0.0, label)


def _counts(changes: Counter[Change]) -> str:
    return ", ".join(change_lines(changes)) or "nothing was in it"
