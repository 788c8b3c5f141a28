"""What `automm check` says of a data set before anything is trained on it."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from automm.data.digests import digest_files
from automm.data.images import PictureError, decode_many
from automm.data.language import looks_english
from automm.data.manifest import load_manifest
from automm.data.pictures import PictureStore, treat_bad_pictures
from automm.data.reviews import Dataset, Review, load_dataset
from automm.data.splits import absent_labels, drop_duplicates, split_dataset, telling_text
from automm.errors import DataError

CHECKED_SIZE = 64
SHOWN = 5


@dataclass(frozen=True)
class Finding:
    """Something to know before training.

    Attributes:
        severity: 'error' (a search refuses to start) or 'warning'.
        what: the finding in words.
        count: how many reviews, pictures or texts.
        examples: up to five records.
        effect: what it does to the result.
        mend: what to write in the manifest, or to do.
    """

    severity: str
    what: str
    count: int
    examples: tuple[str, ...]
    effect: str
    mend: str


@dataclass(frozen=True)
class Report:
    """The quality of a data set.

    Attributes:
        reviews, pictures: how many; pictures counted as often as reviews name them.
        distinct_pictures: by content.
        labels: reviews per split and label; empty where no split could be made.
        pictures_per_review: reviews by their number of pictures.
        words: quantiles of the text length.
        treated: what the manifest's rules left out.
    """

    name: str
    reviews: int
    pictures: int
    distinct_pictures: int
    labels: dict[str, dict[str, int]]
    pictures_per_review: dict[int, int]
    words: dict[str, float]
    treated: dict[str, int]
    findings: tuple[Finding, ...]

    @property
    def ok(self) -> bool:
        """Whether a search would start."""
        return all(finding.severity != "error" for finding in self.findings)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, as JSON has them."""
        plain = asdict(self)
        plain["pictures_per_review"] = {str(k): v for k, v in self.pictures_per_review.items()}
        plain["findings"] = [asdict(finding) | {"examples": list(finding.examples)} for finding in self.findings]
        return plain | {"ok": self.ok}


def check(manifest_path: Path, *, allow_code: bool = False) -> Report:
    """Load, decode and split the reviews of a manifest, and report on them; nothing is written.

    `allow_code` lets the manifest name a reader of somebody's own.

    Raises:
        ConfigError, NotFoundError, DataError: the manifest or its records cannot be read as reviews at all.
    """
    dataset = load_dataset(load_manifest(manifest_path, allow_code=allow_code))
    named = [path for review in dataset.reviews for path in review.images]
    store = _decoded(named)
    findings = _unreadable(dataset, store)
    if not findings or dataset.manifest.images.on_bad != "error":
        dataset = treat_bad_pictures(dataset, store)
    dataset = drop_duplicates(dataset, store.digests)
    split_of: dict[str, str] = {}
    try:
        splits = split_dataset(dataset, store.digests)
        split_of = {dataset.reviews[int(row)].id: split for split, rows in splits.items() for row in rows}
        findings += _absent(absent_labels(dataset, splits))
    except DataError as error:
        findings += [Finding("error", text, 1, (), "No search can start.", "See above.") for text in error.problems]
    findings += _leaks(dataset, store, split_of)
    findings += _contradictions(dataset, store)
    findings += _language(dataset)
    lengths = [len(review.text.split()) for review in dataset.reviews]
    quantiles = np.quantile(lengths, [0, 0.25, 0.5, 0.75, 0.95, 1])
    return Report(
        name=dataset.manifest.name,
        reviews=len(dataset.reviews),
        pictures=sum(len(review.images) for review in dataset.reviews),
        distinct_pictures=len(set(store.digests.values())),
        labels=_label_table(dataset, split_of),
        pictures_per_review=dict(sorted(Counter(len(review.images) for review in dataset.reviews).items())),
        words=dict(zip(["min", "25%", "50%", "75%", "95%", "max"], map(float, quantiles), strict=True)),
        treated=dataset.treated,
        findings=tuple(findings),
    )


def _decoded(paths: list[Path]) -> PictureStore:
    """Which pictures can be read; their pixels are not kept."""
    digests, bad = digest_files(paths)
    first: dict[str, Path] = {}
    for path, digest in digests.items():
        first.setdefault(digest, path)
    names, files = list(first), list(first.values())
    faults = {
        names[place]: str(outcome)
        for place, outcome in decode_many(files, CHECKED_SIZE)
        if isinstance(outcome, PictureError)
    }
    bad |= {path: faults[digest] for path, digest in digests.items() if digest in faults}
    return PictureStore(np.zeros((0, CHECKED_SIZE, CHECKED_SIZE, 3), np.uint8), {}, bad, digests, "")


def _unreadable(dataset: Dataset, store: PictureStore) -> list[Finding]:
    rule = dataset.manifest.images.on_bad
    hits = [
        f"{review.where} '{path.name}': {store.bad[path]}"
        for review in dataset.reviews
        for path in review.images
        if path in store.bad
    ]
    if not hits:
        return []
    effect = "No search can start." if rule == "error" else f"images.on_bad: {rule} leaves them out."
    mend = "Replace the files, or set images.on_bad: drop-image or drop-review."
    severity = "error" if rule == "error" else "warning"
    return [Finding(severity, "pictures that cannot be read", len(hits), tuple(hits[:SHOWN]), effect, mend)]


def _leaks(dataset: Dataset, store: PictureStore, split_of: dict[str, str]) -> list[Finding]:
    """The same text, picture or group in two splits, which only a split by column lets happen."""
    findings = []
    for kind, keys in _kinds(store).items():
        same = _gather(dataset.reviews, keys)
        crossing = [found for found in same if len({split_of.get(review.id, "") for review in found}) > 1]
        if crossing:
            findings.append(
                Finding(
                    "warning",
                    f"{kind} that stand in more than one split",
                    len(crossing),
                    _examples(crossing),
                    "The measured quality is too good: what is tested was seen in training.",
                    "Replace splits.column by splits.fractions, which keeps them together.",
                )
            )
    return findings


def _absent(gaps: list[str]) -> list[Finding]:
    if not gaps:
        return []
    effect = "What is measured there says nothing about these labels."
    mend = "Add reviews of them, or join them with others in labels.map."
    return [Finding("warning", "labels without a review in a split", len(gaps), tuple(gaps[:SHOWN]), effect, mend)]


def _contradictions(dataset: Dataset, store: PictureStore) -> list[Finding]:
    """The same text, or the same picture, with different labels."""
    findings = []
    for kind, keys in _kinds(store).items():
        several = [
            found
            for found in _gather(dataset.reviews, keys)
            if len({frozenset(review.all_labels) for review in found}) > 1
        ]
        if several and kind != "groups":
            findings.append(
                Finding(
                    "warning",
                    f"{kind} that occur with different labels",
                    len(several),
                    _examples(several),
                    f"No model of the {kind} alone can be right about all of them.",
                    "Correct the labels, or set drop_duplicates: true, which drops reviews that are the same "
                    "in text and pictures and contradict each other.",
                )
            )
    return findings


def _language(dataset: Dataset) -> list[Finding]:
    texts = [review for review in dataset.reviews if len(review.text.split()) >= 3]
    foreign = [review for review in texts if not looks_english(review.text)]
    if len(foreign) <= 0.2 * len(texts):
        return []
    return [
        Finding(
            "warning",
            f"texts that do not look English ({len(foreign) / len(texts):.0%})",
            len(foreign),
            tuple(review.where for review in foreign[:SHOWN]),
            "The default text encoder is English and knows little of other languages.",
            "Name a multilingual encoder in the experiment: encoders: {text: ...}.",
        )
    ]


def _kinds(store: PictureStore) -> dict[str, Callable[[Review], Iterable[str]]]:
    return {
        "texts": lambda review: filter(None, [telling_text(review.text)]),
        "pictures": lambda review: [store.digests[p] for p in review.images if p in store.digests],
        "groups": lambda review: [] if review.group is None else [review.group],
    }


def _gather(reviews: list[Review], keys: Callable[[Review], Iterable[str]]) -> list[list[Review]]:
    """Reviews that share a key, two or more."""
    found: dict[str, dict[str, Review]] = defaultdict(dict)
    for review in reviews:
        for key in keys(review):
            found[key][review.id] = review
    return [list(same.values()) for same in found.values() if len(same) > 1]


def _examples(found: list[list[Review]]) -> tuple[str, ...]:
    return tuple(" = ".join(review.where for review in same[:3]) for same in found[:SHOWN])


def _label_table(dataset: Dataset, split_of: dict[str, str]) -> dict[str, dict[str, int]]:
    table = {split: dict.fromkeys(dataset.labels, 0) for split in dict.fromkeys(split_of.values())}
    for review in dataset.reviews:
        for label in review.all_labels if review.id in split_of else ():
            table[split_of[review.id]][label] += 1
    return table
