"""From a manifest to everything that candidates are trained and measured on."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from automm.config.experiment import Experiment, Folds
from automm.data.change_kinds import Change
from automm.data.images.pixel_store import PictureStore, drop_bad_pictures, prepare_pictures
from automm.data.inputs.arrays import Arrays, all_paths, build_arrays
from automm.data.inputs.columns import Columns
from automm.data.manifest import load_manifest
from automm.data.records.reviews import Dataset, load_dataset
from automm.data.records.targets import TARGETS
from automm.data.splitting.duplicates import drop_duplicates
from automm.data.splitting.fingerprint import fingerprint
from automm.data.splitting.folds import fold_rows
from automm.data.splitting.links import Links, links_of
from automm.data.splitting.other_folds import each_fold, other_folds, select_fold
from automm.data.splitting.split import split_dataset
from automm.data.splitting.subsample import subsample
from automm.errors import ConfigError, DataError
from automm.models.encoders.sources import ImageSource, TextSource, image_source, text_source, vocabulary_of_texts
from automm.models.heads import Shapes, Statistics
from automm.paths import cache_dir, cache_limit
from automm.search.features.encode import Progress
from automm.search.features.encoded import Features, encode
from automm.search.features.store import FeatureStore
from automm.search.space.table import readouts
from automm.search.space.validation import space_of
from automm.search.training.loop import Fold, judged_rows
from automm.tasks.base import Task
from automm.tracking.run_folder import Run

FOLDS, FEW = 5, 10_000  # `evaluation: auto` cross-validates where train and validation have fewer reviews than this

log = logging.getLogger("automm")


@dataclass(frozen=True)
class Setup:
    """One experiment's data, encoders and features.

    Attributes:
        splits: sorted row indices of 'train', 'validation' and 'test'.
        folds: what candidates learn from and are judged on: train and validation as they are, or cut into folds.
        statistics: of each fold's training rows.
        columns: what the training split says of metadata and history.
        changes: how many reviews were dropped or changed, by kind.
        digest: names the data: texts, labels, pictures and splits.
    """

    experiment: Experiment
    dataset: Dataset
    splits: dict[str, np.ndarray]
    arrays: Arrays
    columns: Columns
    text_source: TextSource
    image_source: ImageSource
    features: Features
    folds: tuple[Fold, ...]
    statistics: tuple[Statistics, ...]
    changes: dict[Change, int]
    digest: str

    @property
    def labels(self) -> tuple[str, ...]:
        return self.dataset.labels

    @property
    def shapes(self) -> Shapes:
        return self.features.shapes(self.outputs, self.task.head)

    @property
    def task(self) -> Task:
        return self.dataset.manifest.task_object

    @property
    def outputs(self) -> int:
        """How many numbers a model gives for a review."""
        return self.task.outputs(self.labels)

    @property
    def evaluation(self) -> str:
        """How candidates are judged, in words: 'holdout' or '5 folds'."""
        return "holdout" if len(self.folds) == 1 else f"{len(self.folds)} folds"

    @property
    def judged(self) -> np.ndarray:
        """The targets of the rows that candidates are judged on, in the order of `Trained.probabilities`."""
        return self.arrays.targets[judged_rows(self.folds)]

    def rows(self, split: str) -> np.ndarray:
        return self.splits[split]

    def targets(self, split: str) -> np.ndarray:
        return self.arrays.targets[self.splits[split]]


@dataclass(frozen=True)
class Loaded:
    """The reviews of an experiment, split, before anything is encoded.

    Attributes:
        links: of its reviews, which keep them on one side.
        others: the splits of the folds that finalists are measured on beside this one, by their numbers.
    """

    dataset: Dataset
    pictures: PictureStore
    links: Links
    splits: dict[str, np.ndarray]
    digest: str
    others: Mapping[int, dict[str, np.ndarray]] = field(default_factory=dict)

    def on(self, fold: int) -> "Loaded":
        """The same reviews, split as another fold has them."""
        return replace(self, dataset=select_fold(self.dataset, fold), splits=self.others.get(fold, self.splits))


def load(experiment: Experiment, progress: Progress | None = None) -> Loaded:
    """Read, decode, clean and split the reviews."""
    dataset = load_dataset(load_manifest(experiment.manifest, allow_code=experiment.allow_code))
    if dataset.several_labels:
        raise ConfigError(
            f"{dataset.manifest.file.name}: its reviews have several labels each, which a search cannot learn yet. "
            "Take one: fields: {label: {column: ..., pick: first}}"
        )
    if experiment.subsample is not None:
        dataset = subsample(dataset, experiment.subsample)
    size = experiment.inputs.image_size
    pictures = prepare_pictures(all_paths(dataset.reviews), size, cache_dir(), progress, limit=cache_limit())
    dataset = drop_bad_pictures(dataset, pictures.bad)
    if dataset.manifest.drop_duplicates:
        dataset = drop_duplicates(dataset, pictures.digests)
    links = links_of(dataset, pictures.digests)
    splits = split_dataset(dataset, links)
    digest = fingerprint(dataset, pictures.digests, splits)
    return Loaded(dataset, pictures, links, splits, digest, other_folds(dataset, links))


def sources(experiment: Experiment, loaded: Loaded) -> tuple[TextSource, ImageSource]:
    """Both encoders, resolved: missing weights are an error before anything long begins."""
    train = [loaded.dataset.reviews[row].text for row in loaded.splits["train"]]
    text = text_source(experiment.encoders.text, vocabulary_of_texts(train))
    return text, image_source(experiment.encoders.image)


def prepare(
    experiment: Experiment,
    loaded: Loaded,
    encoders: tuple[TextSource, ImageSource],
    progress: Progress | None = None,
) -> Setup:
    """Pair, encode, and take the training split's statistics."""
    text, image = encoders
    task = loaded.dataset.manifest.task_object
    reviews = loaded.dataset.reviews
    train = [reviews[row] for row in loaded.splits["train"]]
    columns = Columns.learn(loaded.dataset.manifest.fields, train, experiment.inputs.history_steps)
    arrays, cut_off = build_arrays(
        reviews,
        TARGETS[task.target].array(reviews, loaded.dataset.labels),
        loaded.pictures,
        text.tokenizer,
        columns,
        sequence_length=experiment.inputs.sequence_length,
        max_images=experiment.inputs.max_images,
    )
    asked = readouts(space_of(experiment, loaded.dataset.manifest))
    features = encode(arrays, [text, image], feature_store(), asked, progress=progress)
    folds = make_folds(experiment, loaded)
    return Setup(
        experiment=experiment,
        dataset=loaded.dataset,
        splits=loaded.splits,
        arrays=arrays,
        columns=columns,
        text_source=text,
        image_source=image,
        features=features,
        folds=folds,
        statistics=tuple(features.statistics(fold.train, of_targets=task.scaled) for fold in folds),
        changes={**loaded.dataset.changes, **cut_off},
        digest=loaded.digest,
    )


def feature_store() -> FeatureStore:
    """Where this user's features are kept."""
    return FeatureStore(cache_dir() / "features", cache_limit())


def same_data(run: Run, loaded: Loaded, encoders: tuple[TextSource, ImageSource]) -> None:
    """Refuse data or encoders that are not those of the run.

    Raises:
        DataError: they are others.
    """
    before = run.read("manifest.json")
    if not before:  # new, or ended before its data was encoded
        return
    if before["fingerprint"] != loaded.digest:
        counts = {name: len(rows) for name, rows in loaded.splits.items()}
        raise DataError(
            f"--resume {run.name}: the data has changed since the run began (reviews {before['reviews']} then, "
            f"{counts} now). Start a new run"
        )
    # After the data, because an encoder may have its vocabulary from there.
    text, image = encoders
    for kind, now in (("text", text.fingerprint), ("image", image.fingerprint)):
        if before["encoders"][kind]["fingerprint"] != now:
            raise DataError(
                f"--resume {run.name}: other {kind} encoder weights than when the run began. Start a new run"
            )


def make_folds(experiment: Experiment, loaded: Loaded) -> tuple[Fold, ...]:
    """The manifest's own train and validation as one fold, or both together cut into several.

    Raises:
        DataError: folds are asked for, and the reviews are all tied together.
    """
    train, validation = loaded.splits["train"], loaded.splits["validation"]
    both = np.sort(np.concatenate([train, validation]))
    holdout = (Fold(train, validation),)
    wanted = experiment.evaluation
    if wanted == "holdout" or (wanted == "auto" and len(both) >= FEW):
        return holdout
    count = wanted.folds if isinstance(wanted, Folds) else FOLDS
    folds = tuple(Fold(*rows) for rows in fold_rows(loaded.dataset, loaded.links, both, count))
    if len(folds) == count:
        return folds
    problem = f"train and validation fall into {len(folds)} parts that share no group, text or picture, not {count}"
    if isinstance(wanted, Folds):
        raise DataError(f"{loaded.dataset.manifest.file.name}: {problem}. Say evaluation: holdout, or fewer folds")
    log.warning("%s: candidates are judged on the validation split", problem)
    return holdout


def check_folds(experiment: Experiment, loaded: Loaded) -> None:
    """Find out before anything is encoded what would end a search then, or when finalists are measured on other folds.

    Raises:
        DataError: some fold's train and validation cannot be cut as `evaluation` asks for.
    """
    if isinstance(experiment.evaluation, Folds):
        make_folds(experiment, loaded)
        each_fold(loaded.others, lambda fold: make_folds(experiment, loaded.on(fold)))
