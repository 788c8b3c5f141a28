"""What `automm check` does: read, look at every picture once, split, and ask every check."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

from automm.data.changes import Change
from automm.data.images.inspect import inspect_all
from automm.data.images.near_duplicates import near_duplicates
from automm.data.images.pixel_store import drop_bad_pictures
from automm.data.manifest import load_manifest
from automm.data.quality.checked import Checked
from automm.data.quality.checks.columns import ungrouped_columns
from automm.data.quality.checks.duplicates import (
    common_texts,
    contradictions,
    linked_reviews,
    nearly_same_pictures,
    nearly_same_texts,
    repeated,
    whole_reviews,
)
from automm.data.quality.checks.labels import (
    absent_labels,
    label_shift,
    labels_in_texts,
    labels_of_one_word,
    missing_like_labels,
)
from automm.data.quality.checks.numbers import far_numbers, number_shift, one_number
from automm.data.quality.checks.pictures import (
    no_pictures,
    odd_pictures,
    one_picture,
    repeated_pictures,
    unreadable,
    wrong_extensions,
)
from automm.data.quality.checks.texts import (
    empty_texts,
    html_left,
    long_texts,
    missing_like_texts,
    other_languages,
    wrong_encoding,
)
from automm.data.quality.checks.unused import UnusedIds
from automm.data.quality.finding import SHOWN, Example, Finding, example, finding
from automm.data.quality.report import Report, describe
from automm.data.records.reviews import Dataset, MissingContent, read_dataset
from automm.data.sections import Fields
from automm.data.splitting.folds import other_folds
from automm.data.splitting.links import Links, links_of
from automm.data.splitting.near_texts import near_texts
from automm.data.splitting.stratified import drop_duplicates, split_dataset
from automm.errors import DataError, yaml_word
from automm.tasks.registry import belongs

# In the order in which their findings are told, each severity for itself.
CHECKS: tuple[Callable[[Checked], Iterator[Finding]], ...] = (
    repeated,
    common_texts,
    nearly_same_texts,
    nearly_same_pictures,
    ungrouped_columns,
    contradictions,
    missing_like_labels,
    labels_of_one_word,
    labels_in_texts,
    absent_labels,
    label_shift,
    one_number,
    far_numbers,
    number_shift,
    linked_reviews,
    no_pictures,
    one_picture,
    odd_pictures,
    repeated_pictures,
    wrong_extensions,
    wrong_encoding,
    html_left,
    other_languages,
    missing_like_texts,
    empty_texts,
    long_texts,
    whole_reviews,
)


def check(manifest_path: Path, *, allow_code: bool = False, with_near_texts: bool = False) -> Report:
    """Load, decode and split the reviews of a manifest, and report on them; nothing is written.

    Args:
        allow_code: lets the manifest name a reader of somebody's own.
        with_near_texts: look for texts that are nearly the same, too, as `splits.near_duplicates: together` does.

    Raises:
        ConfigError, NotFoundError, DataError: the manifest or its records cannot be read as reviews at all.
    """
    manifest = load_manifest(manifest_path, allow_code=allow_code)
    unused = UnusedIds(manifest)
    dataset, lacking = read_dataset(manifest, watch=unused)
    findings = [*_lacking(lacking)]
    looks = inspect_all([path for review in dataset.reviews for path in review.images])
    bad = [*unreadable(dataset, looks.bad)]
    findings += bad
    if not bad or dataset.manifest.images.on_bad != "error":
        dataset = drop_bad_pictures(dataset, looks.bad)
    dataset = drop_duplicates(dataset, looks.digests)
    near_pictures = near_duplicates(looks.seen)
    with_near_texts = with_near_texts or dataset.manifest.splits.near_duplicates == "together"
    copies = near_texts([review.text for review in dataset.reviews]) if with_near_texts else []
    links = links_of(dataset, looks.digests, near_pictures, copies)
    split_of, problems = _split(dataset, links)
    checked = Checked(dataset, looks, links, near_pictures, copies, split_of, unused)
    findings += [*problems, *_of_records(dataset)]
    task = manifest.task_object
    findings += [found for one in CHECKS if belongs(task, "checks", one.__name__) for found in one(checked)]
    return describe(checked, findings)


def _lacking(lacking: MissingContent) -> Iterator[Finding]:
    """Pictures, and numbers to predict, that are not there."""
    for key, problems, told in (
        ("missing_numbers", lacking.targets, lacking.targets),
        ("missing_pictures", lacking.pictures, lacking.of_pictures),
    ):
        if problems:
            yield finding(key, len(problems), [Example((), str(problem)) for problem in told[:SHOWN]])


def _split(dataset: Dataset, links: Links) -> tuple[dict[str, str], list[Finding]]:
    try:
        splits = split_dataset(dataset, links)
        other_folds(dataset, links)
    except DataError as error:
        examples = [Example((), line) for line in error.lines]
        return {}, [finding("no_splits", len(examples), examples)]
    return {dataset.reviews[int(row)].id: split for split, rows in splits.items() for row in rows}, []


def _one_label(fields: Fields | None) -> str:
    """What fields.label says in the manifest, and that one of several is picked."""
    label = fields.label if fields is not None else None
    named = {"column": yaml_word(label.column) if label is not None else "..."}
    if label is not None and label.separator is not None:
        named["separator"] = json.dumps(label.separator, ensure_ascii=False)
    return ", ".join(f"{key}: {value}" for key, value in (named | {"pick": "first"}).items())


def _of_records(dataset: Dataset) -> Iterator[Finding]:
    """What a search refuses, and what it can only take as it is."""
    fields = dataset.manifest.fields
    if dataset.several_labels:
        several = [review for review in dataset.reviews if len(review.labels) > 1]
        lists = [review for review in dataset.reviews if review.labels]
        what = "reviews with several labels" if several else "reviews with a list of labels, of one each"
        examples = [example([review], ", ".join(review.labels)) for review in (several or lists)[:5]]
        column = _one_label(fields)
        yield finding("several_labels", len(several or lists), examples, what=what, column=column)
    if not_fetched := dataset.changes.get(Change.NOT_FETCHED):
        yield finding("not_fetched", not_fetched, [])
    if dataset.manifest.format == "records" and fields is not None and fields.id is None:
        yield finding("no_ids", len(dataset.reviews), [])
