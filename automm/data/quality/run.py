"""`automm check`: read the reviews, inspect every picture once, split, and run every check."""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from automm.data.change_kinds import Change
from automm.data.images.inspect import inspect_all
from automm.data.images.missing_hints import BROKEN_PICTURE, NOT_FETCHED
from automm.data.images.near_duplicates import near_duplicates
from automm.data.images.pixels.pixel_store import drop_bad_pictures
from automm.data.manifest import load_manifest
from automm.data.quality.checked import Checked
from automm.data.quality.checks.pictures import unreadable
from automm.data.quality.checks.registry import checks_of
from automm.data.quality.checks.unused import UnusedIds
from automm.data.quality.finding import SHOWN, Example, Finding, example, finding
from automm.data.quality.report import Report, describe
from automm.data.records.reviews import Dataset, MissingContent, read_dataset
from automm.data.sections import Fields
from automm.data.splitting.duplicates import drop_duplicates
from automm.data.splitting.links import Links, links_of
from automm.data.splitting.near_texts import near_texts
from automm.data.splitting.other_folds import other_folds
from automm.data.splitting.split import split_dataset
from automm.errors import DataError, kinds_of, yaml_word


def check(
    manifest_path: Path,
    *,
    allow_code: bool = False,
    with_near_texts: bool = False,
    reading_of: Callable[[Sequence[str]], tuple[str, ...]] | None = None,
) -> Report:
    """Read, inspect and split the reviews of a manifest, and report on them. Nothing is written.

    Args:
        allow_code: whether the manifest may name a custom reader, whose code is then run.
        with_near_texts: also search for very similar texts, as `splits.near_duplicates: together` does.
        reading_of: returns `Report.text_reading` for the training texts (all texts, if they cannot be split).

    Raises:
        ConfigError, NotFoundError, DataError: the manifest or its records cannot be read.
    """
    manifest = load_manifest(manifest_path, allow_code=allow_code)
    unused = UnusedIds(manifest)
    dataset, missing = read_dataset(manifest, watch=unused)
    findings = [*_missing(missing)]
    inspections = inspect_all([path for review in dataset.reviews for path in review.images])
    bad = [*unreadable(dataset, inspections.bad)]
    findings += bad
    if not bad or dataset.manifest.images.on_bad != "error":
        dataset = drop_bad_pictures(dataset, inspections.bad)
    dataset = drop_duplicates(dataset, inspections.digests)
    near_pictures = near_duplicates(inspections.by_digest)
    with_near_texts = with_near_texts or dataset.manifest.splits.near_duplicates == "together"
    copies = near_texts([review.text for review in dataset.reviews]) if with_near_texts else []
    links = links_of(dataset, inspections.digests, near_pictures, copies)
    split_of, problems = _split(dataset, links)
    checked = Checked(dataset, inspections, links, near_pictures, copies, split_of, unused)
    findings += [*problems, *_record_findings(dataset)]
    findings += [result for run_check in checks_of(manifest.task_object) for result in run_check(checked)]
    report = describe(checked, findings)
    if reading_of is None:
        return report
    train = [review.text for review in dataset.reviews if split_of.get(review.id, "train") == "train"]
    return replace(report, text_reading=reading_of(train))


def _missing(missing: MissingContent) -> Iterator[Finding]:
    """Report missing pictures and missing numbers to predict."""
    urls = [problem for problem in missing.pictures if problem.code == NOT_FETCHED]
    broken = [problem for problem in missing.pictures if problem.code == BROKEN_PICTURE]
    files = [problem for problem in missing.pictures if problem.code not in (NOT_FETCHED, BROKEN_PICTURE)]
    for key, problems, shown in (
        ("missing_numbers", missing.targets, missing.targets),
        ("missing_pictures", files, files),
        ("unreadable_pictures", broken, broken),
        ("unfetched_pictures", urls, urls if missing.none_fetched is None else [missing.none_fetched]),
    ):
        if problems:
            yield finding(key, len(problems), [Example((), str(problem)) for problem in shown[:SHOWN]])


def _split(dataset: Dataset, links: Links) -> tuple[dict[str, str], list[Finding]]:
    """Return the split of each review by its id, or why the reviews cannot be split."""
    try:
        splits = split_dataset(dataset, links)
        other_folds(dataset, links)
    except DataError as error:
        lines = [line for kind in kinds_of(error.problems, 1) for line in kind["examples"]]  # one of each kind first
        examples = [Example((), line) for line in dict.fromkeys([*lines, *error.lines])]
        return {}, [finding("no_splits", len(error.problems), examples[:SHOWN])]
    return {dataset.reviews[int(row)].id: split for split, rows in splits.items() for row in rows}, []


def _first_label(fields: Fields | None) -> str:
    """Return the content of fields.label, as the manifest has it, with `pick: first` added."""
    label = fields.label if fields is not None else None
    named = {"column": yaml_word(label.column) if label is not None else "..."}
    if label is not None and label.separator is not None:
        named["separator"] = json.dumps(label.separator, ensure_ascii=False)
    return ", ".join(f"{key}: {value}" for key, value in (named | {"pick": "first"}).items())


def _record_findings(dataset: Dataset) -> Iterator[Finding]:
    """Report several labels in a review, pictures that were not fetched, and missing ids."""
    fields = dataset.manifest.fields
    if dataset.several_labels:
        several = [review for review in dataset.reviews if len(review.labels) > 1]
        lists = [review for review in dataset.reviews if review.labels]
        what = "reviews with several labels" if several else "reviews whose label is a list (of one label)"
        examples = [example([review], ", ".join(review.labels)) for review in (several or lists)[:5]]
        column = _first_label(fields)
        yield finding("several_labels", len(several or lists), examples, what=what, column=column)
    if not_fetched := dataset.changes.get(Change.NOT_FETCHED):
        yield finding("not_fetched", not_fetched, [])
    if dataset.manifest.format == "records" and fields is not None and fields.id is None:
        yield finding("no_ids", len(dataset.reviews), [])
