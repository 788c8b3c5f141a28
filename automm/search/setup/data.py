"""Prepare what candidates are trained and evaluated on: reviews, splits, arrays, features and folds."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from automm.config.experiment import Experiment
from automm.data.change_kinds import Change
from automm.data.images.pixel_store import PictureStore, drop_bad_pictures, prepare_pictures
from automm.data.inputs.arrays import Arrays, all_paths, build_arrays
from automm.data.inputs.columns import Columns
from automm.data.manifest import load_manifest
from automm.data.records.reviews import Dataset, load_dataset
from automm.data.records.targets import TARGETS
from automm.data.splitting.duplicates import drop_duplicates
from automm.data.splitting.fingerprint import fingerprint
from automm.data.splitting.links import Links, links_of
from automm.data.splitting.other_folds import other_folds, select_fold
from automm.data.splitting.split import split_dataset
from automm.data.splitting.subsample import subsample
from automm.errors import ConfigError, DataError
from automm.evaluate.combine import Judged
from automm.models.encoders.sources import ImageSource, TextSource, image_source, text_source, vocabulary_of_texts
from automm.models.heads import HEADS, Shapes, Statistics
from automm.paths import cache_dir, cache_limit
from automm.search.features.encode import Progress
from automm.search.features.encoded import Features, encode
from automm.search.features.encoding_time import EncodingTime
from automm.search.features.store import FeatureStore
from automm.search.setup.folds import evaluation_name, folds_of
from automm.search.space.table import readouts
from automm.search.space.validation import space_of
from automm.search.training.loop import Fold, validation_rows
from automm.tasks.base import Task
from automm.tracking.judged_rows import JudgedRows
from automm.tracking.run_folder import Run


@dataclass(frozen=True)
class Setup:
    """The data, encoders and features of one experiment.

    Attributes:
        splits: sorted row indices of 'train', 'validation' and 'test'.
        folds: the rows that candidates are trained and judged on (`setup/folds.py`).
        why: why these, in one line.
        statistics: means and standard deviations over the training rows of each fold.
        units: (all rows,) int64, the resampling unit of each review: reviews that share a group, a text or a picture
            are one unit.
        columns: the encoding of metadata and history, fitted on the training split.
        changes: the number of dropped or changed reviews by kind.
        digest: a hash of texts, labels, pictures and splits.
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
    why: str
    statistics: tuple[Statistics, ...]
    units: np.ndarray
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
        """Return how many numbers a model outputs for a review."""
        return self.task.outputs(self.labels)

    @property
    def evaluation(self) -> str:
        """Return how candidates are evaluated (`evaluation_name`)."""
        return evaluation_name(self.folds)

    @property
    def validation_targets(self) -> np.ndarray:
        """Return the targets of the validation rows of all folds, in the order of `Trained.probabilities`."""
        return self.arrays.targets[validation_rows(self.folds)]

    @property
    def judged_rows(self) -> JudgedRows:
        """Return the reviews on which candidates are judged, in the order of `Trained.probabilities`."""
        rows = validation_rows(self.folds)
        folds = np.repeat(np.arange(1, len(self.folds) + 1), [len(fold.validation) for fold in self.folds])
        ids = np.array([self.arrays.ids[row] for row in rows], np.str_)
        return JudgedRows(ids, self.arrays.targets[rows], self.units[rows], folds)

    def judged(self, answers: Sequence[np.ndarray]) -> Judged:
        """Return the answers of candidates for the validation rows, (n, outputs) each, with what they are judged by."""
        units = self.units[validation_rows(self.folds)]
        return Judged(self.task, self.experiment.objective, self.validation_targets, units, answers)

    def rows(self, split: str) -> np.ndarray:
        return self.splits[split]

    def targets(self, split: str) -> np.ndarray:
        return self.arrays.targets[self.splits[split]]


@dataclass(frozen=True)
class Loaded:
    """The split reviews of an experiment, before encoding.

    Attributes:
        links: the links between reviews that must be in the same split.
        other_folds: the splits of the manifest's other folds by number; finalists are evaluated on these folds too.
    """

    dataset: Dataset
    pictures: PictureStore
    links: Links
    splits: dict[str, np.ndarray]
    digest: str
    other_folds: Mapping[int, dict[str, np.ndarray]] = field(default_factory=dict)

    def with_fold(self, fold: int) -> "Loaded":
        """Return the same reviews with the splits of another fold."""
        return replace(self, dataset=select_fold(self.dataset, fold), splits=self.other_folds.get(fold, self.splits))


def load(experiment: Experiment, progress: Progress | None = None) -> Loaded:
    """Read, decode, clean and split the reviews.

    Raises:
        ConfigError: the manifest is not valid, or its reviews have several labels each.
        DataError: the data contradicts the manifest.
    """
    dataset = load_dataset(load_manifest(experiment.manifest, allow_code=experiment.allow_code))
    if dataset.several_labels:
        raise ConfigError(
            f"{dataset.manifest.file.name}: reviews have several labels each, and a search learns only one label. "
            "Choose one: fields: {label: {column: ..., pick: first}}"
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


def encoder_sources(experiment: Experiment, loaded: Loaded) -> tuple[TextSource, ImageSource]:
    """Return the text and the image encoder of the experiment.

    Raises:
        WeightsError: weights are missing; it is raised here, before encoding starts.
    """
    train = [loaded.dataset.reviews[row].text for row in loaded.splits["train"]]
    text = text_source(experiment.encoders.text, vocabulary_of_texts(train))
    return text, image_source(experiment.encoders.image)


def prepare(
    experiment: Experiment,
    loaded: Loaded,
    encoders: tuple[TextSource, ImageSource],
    progress: Progress | None = None,
    before_encoding: Callable[[EncodingTime], None] | None = None,
) -> Setup:
    """Build the arrays, encode them, and compute the statistics of the training rows.

    Args:
        before_encoding: as `before` of `encode`.
    """
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
    needed = readouts(space_of(experiment, loaded.dataset.manifest))
    features = encode(arrays, [text, image], feature_store(), needed, progress=progress, before=before_encoding)
    judging = folds_of(loaded, experiment)
    return Setup(
        experiment=experiment,
        dataset=loaded.dataset,
        splits=loaded.splits,
        arrays=arrays,
        columns=columns,
        text_source=text,
        image_source=image,
        features=features,
        folds=judging.folds,
        why=judging.why,
        statistics=tuple(features.statistics(fold.train, of_targets=HEADS[task.head].scaled) for fold in judging.folds),
        units=loaded.links.units,
        changes={**loaded.dataset.changes, **cut_off},
        digest=loaded.digest,
    )


def feature_store() -> FeatureStore:
    """Return the feature store in the user's cache folder."""
    return FeatureStore(cache_dir() / "features", cache_limit())


def check_same_data(run: Run, loaded: Loaded, encoders: tuple[TextSource, ImageSource]) -> None:
    """Check that a resumed run has the same data and encoder weights as before.

    Raises:
        DataError: the data or the weights have changed.
    """
    before = run.read("manifest.json")
    if not before:  # a new run, or one that ended before its data was encoded
        return
    if before["fingerprint"] != loaded.digest:
        counts = {name: len(rows) for name, rows in loaded.splits.items()}
        raise DataError(
            f"--resume {run.name}: the data has changed since the run began (reviews before: {before['reviews']}, "
            f"now: {counts}). Start a new run"
        )
    # Checked after the data, because an encoder may take its vocabulary from it.
    text, image = encoders
    for kind, now in (("text", text.fingerprint), ("image", image.fingerprint)):
        if before["encoders"][kind]["fingerprint"] != now:
            raise DataError(
                f"--resume {run.name}: the weights of the {kind} encoder have changed since the run began. "
                "Start a new run"
            )


def check_same_rows(run: Run, setup: Setup) -> None:
    """Check that a resumed run judges candidates on the same reviews and folds as before.

    Raises:
        DataError: they have changed.
    """
    described, before = run.read("manifest.json"), run.judged_rows()
    if not described:  # as in `check_same_data`
        return
    evaluation = described.get("evaluation", setup.evaluation)
    if evaluation != setup.evaluation:
        changed = f"candidates were judged by {evaluation}, and now would be by {setup.evaluation}"
    elif before is not None and not before.same_rows(setup.judged_rows):
        changed = "the reviews of the folds on which candidates are judged have changed since the run began"
    else:
        return
    raise DataError(f"--resume {run.name}: {changed}. Start a new run")
