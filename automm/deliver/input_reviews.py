"""Read the reviews to predict before any model is loaded: a typing error is reported without importing TensorFlow."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from automm.data.change_kinds import Change
from automm.data.images.root import ImageRoot
from automm.data.inputs.columns import Columns
from automm.data.manifest import Manifest, load_manifest, parse_manifest
from automm.data.records.field_values import cell_id
from automm.data.records.opening import Record, Source, open_source
from automm.data.records.reading import ReviewReader
from automm.data.records.reviews import Review, missing_columns
from automm.data.sections import Fields
from automm.errors import SHOWN_PROBLEMS, ConfigError, DataError, Problem

MANIFESTS = (".yaml", ".yml")
OTHER_COLUMNS, DROPPED = "other_columns", "dropped"  # codes of problems
# What to do about a problem when there is a manifest, and when there is a records file only.
_OF_MANIFEST = {
    "missing_picture": "Correct the path or --image-root, or set images.on_bad: drop-image in {manifest}",
}
_OF_RECORDS = {
    "missing_picture": "Name the folder of the pictures: --image-root DIR. To predict without the picture, empty its "
    "cell in {records}",
    "picture_outside": "Name it relative to the folder of --image-root",
    "not_fetched": "Write a manifest with 'automm init {records}', run automm fetch-images with it, and predict it. To "
    "predict without the picture, empty its cell in {records}",
    "broken_picture": "Correct the cell in {records}, or empty it to predict without the picture",
    "empty_review": "Add a text or a picture in {records}",
}


@dataclass(frozen=True)
class RejectedRecord:
    """A record that cannot be predicted, and why.

    Attributes:
        id: the id that it would have as a review.
        error: the problems, as one line.
        code: the kind of the first problem.
        where: its place, for messages.
        given: the number of pictures that the record names.
    """

    id: str
    error: str
    code: str = "refused"
    where: str = ""
    given: int = 0


@dataclass(frozen=True)
class InputReviews:
    """Reviews to predict, in order.

    Attributes:
        rows: reviews, and records that cannot be predicted.
        on_bad: `images.on_bad` of the manifest in force.
        changes: what reading dropped or changed, filled while `rows` is consumed.
    """

    rows: Iterator[Review | RejectedRecord]
    on_bad: str
    changes: Mapping[Change, int] = field(default_factory=dict)

    def __iter__(self) -> Iterator[Review | RejectedRecord]:
        return self.rows


def open_reviews(about: Mapping[str, Any], reviews: Path, image_root: Path | None) -> InputReviews:
    """Read the records of a manifest or a records file, in order, without labels.

    A records file is read as the training manifest says, which the bundle contains. Problems of the whole file are
    raised at once, problems of a record when it is reached.

    Args:
        about: the content of bundle.json.
        reviews: a manifest (.yaml, .yml) or a records file.
        image_root: the folder of the pictures. None: as in the manifest; for a records file, the folder that has the
            same place relative to the records as in training.

    Raises:
        NotFoundError: there is no such file.
        ConfigError: a manifest names other columns than the training manifest.
        DataError: the file has no records, a column is missing, or the file cannot be split into records.
    """
    manifest, source, root = _open(about, reviews, image_root)
    reader = ReviewReader(manifest, source, ImageRoot(root), labelled=False)
    records = list(source.rows)
    reader.pictures.learn(lambda: records)
    columns = dict.fromkeys(name for record in records for name in record.values)
    if not records:
        raise DataError(f"{source.name}: the file has no reviews")
    if absent := missing_columns(source, columns, manifest, labelled=False):
        raise DataError(absent, examples=SHOWN_PROBLEMS)
    fixes = _OF_MANIFEST if reviews.suffix in MANIFESTS else _OF_RECORDS
    fixes = {code: fix.format(manifest=manifest.file.name, records=reviews.name) for code, fix in fixes.items()}
    return InputReviews(_reviews(reader, records, source, fixes), manifest.images.on_bad, reader.changes)


def _reviews(
    reader: ReviewReader, records: Sequence[Record], source: Source, fixes: Mapping[str, str]
) -> Iterator[Review | RejectedRecord]:
    for record in records:
        before, missing = len(reader.problems), len(reader.missing.pictures)
        review = reader.review(record)
        faults = reader.problems[before:] + reader.missing.pictures[missing:]
        if review is not None and not faults:
            yield review
        else:
            dropped = "dropped by text.on_empty or images.on_bad of the manifest"
            faults = [replace(fault, fix=fixes.get(fault.code, fault.fix)) for fault in faults]
            error = "; ".join(map(str, faults)) or f"{record.where}: {dropped}"
            code = faults[0].code if faults else DROPPED
            yield RejectedRecord(_identity(record, source), error, code, record.where, reader.given)
    reader.pictures.finish()


def _open(about: Mapping[str, Any], reviews: Path, image_root: Path | None) -> tuple[Manifest, Source, Path]:
    if reviews.suffix in MANIFESTS:
        manifest = load_manifest(reviews)
        source = open_source(manifest)
        _same_columns(Columns.from_dict(about["columns"]), manifest.file.name, source.fields)
        return manifest, source, image_root or source.image_root
    reading = about["reading"] | {"records": reviews.name}
    manifest = parse_manifest(reading, reviews.absolute().parent / "manifest.yaml")
    source = open_source(manifest, reviews.absolute())
    root = image_root or reviews.absolute().parent / about["image_root"]
    return manifest, replace(source, image_root=root), root


def _same_columns(columns: Columns, file: str, fields: Fields) -> None:
    """Compare the columns of a manifest with those of training; the model knows columns by their position only.

    Raises:
        ConfigError: a manifest names other columns than the bundle was trained on, or in another order.
    """
    pairs = {
        "metadata: numeric": (list(fields.numeric), list(columns.medians)),
        "metadata: categorical": (list(fields.categorical), list(columns.values)),
    }
    problems = [
        Problem(
            OTHER_COLUMNS,
            file,
            f"fields: {kind} is {given}, but the model was trained on {trained}",
            "Name the columns of training, in their order",
        )
        for kind, (given, trained) in pairs.items()
        if given != trained
    ]
    if bool(fields.history) != bool(columns.steps):
        wrong, fix = (
            ("has no fields.history, but the model was trained with a history", "Add fields.history")
            if columns.steps
            else ("has fields.history, but the model was trained without a history", "Remove fields.history")
        )
        problems.append(Problem(OTHER_COLUMNS, file, wrong, fix))
    if problems:
        raise ConfigError(problems)


def _identity(record: Record, source: Source) -> str:
    column = source.fields.id
    with suppress(ValueError):  # a missing id is already among the faults
        return (cell_id(record.values.get(column), column) if column else "") or record.fallback_id
    return record.fallback_id
