"""Prepare what candidates are trained and evaluated on: reviews, splits, arrays, features and folds."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np

from automm.config.experiment import Experiment
from automm.config.inputs import AUTO
from automm.data.change_kinds import Change
from automm.data.images.pixels.pixel_store import PictureStore, drop_bad_pictures, prepare_pictures
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
from automm.errors import ConfigError
from automm.evaluate.combine import Judged
from automm.models.devices import precision_for
from automm.models.encoders.automatic import Choice, check_installed, text_encoder_for
from automm.models.encoders.precision import in_precision
from automm.models.encoders.sources import (
    ImageSource,
    TextSource,
    check_text_encoder,
    image_source,
    text_source,
    vocabulary_of_texts,
)
from automm.models.heads import HEADS, Shapes, Statistics
from automm.paths import cache_dir, cache_limit
from automm.search.features.encode import Progress
from automm.search.features.encoded import Features, encode
from automm.search.features.encoding_time import EncodingTime
from automm.search.features.store import FeatureStore
from automm.search.setup.folds import evaluation_name, folds_of
from automm.search.setup.inputs import Size, count_cut, learned_columns, picture_form, sizes_of, tokens_of
from automm.search.setup.words import Words, reads_words
from automm.search.space.table import readouts
from automm.search.space.validation import encoders_read, space_of
from automm.search.training.loop import Fold, validation_rows
from automm.search.training.losses import LOSSES
from automm.search.training.options import Options
from automm.tasks.base import Task
from automm.tracking.judged_rows import JudgedRows

log = logging.getLogger("automm")


@dataclass(frozen=True)
class Setup:
    """The data, encoders and features of one experiment.

    Attributes:
        splits: sorted row indices of 'train', 'validation' and 'test'.
        folds: the rows that candidates are trained and judged on (`setup/folds.py`).
        why: why these, in one line.
        statistics: means and standard deviations over the training rows of each fold, and the idf of words.
        units: (all rows,) int64, the resampling unit of each review: reviews that share a group, a text or a picture
            are one unit.
        columns: the encoding of metadata and history, fitted on the training split.
        sources: the encoders: those of texts, then those of pictures; the first of each are those of the baselines.
        sizes: of what each encoder reads, by modality and name.
        choice: as in `Loaded`.
        changes: the number of dropped or changed reviews by kind.
        digest: a hash of texts, labels, pictures and splits.
        word_idf: `Words.idf`; None if no candidate reads words.
    """

    experiment: Experiment
    dataset: Dataset
    splits: dict[str, np.ndarray]
    arrays: Arrays
    columns: Columns
    sources: tuple[TextSource | ImageSource, ...]
    sizes: Mapping[tuple[str, str], Size]
    choice: Choice | None
    features: Features
    folds: tuple[Fold, ...]
    why: str
    statistics: tuple[Statistics, ...]
    units: np.ndarray
    changes: dict[Change, int]
    digest: str
    word_idf: np.ndarray | None = None

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
        rows, objective = validation_rows(self.folds), self.experiment.objective
        by_class = self.task.metrics[objective.removeprefix("val_")].by_class
        weights = self.row_weights(rows) if by_class else None
        return Judged(self.task, objective, self.validation_targets, self.units[rows], answers, weights)

    def row_weights(self, rows: np.ndarray) -> np.ndarray:
        """Return the weights of some rows in a loss, (rows,) float32; others than a trial's would change macro-F1."""
        options = Options(class_weights=self.experiment.training.class_weights)
        return LOSSES[self.task.loss].weights(self.arrays.targets, rows, self.outputs, options)[rows]

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
        images: the picture encoders, in whose forms `pictures` are decoded.
        choice: the text encoder that `encoders.text: auto` has chosen, and why; the same on all folds.
    """

    dataset: Dataset
    pictures: PictureStore
    links: Links
    splits: dict[str, np.ndarray]
    digest: str
    other_folds: Mapping[int, dict[str, np.ndarray]] = field(default_factory=dict)
    images: tuple[ImageSource, ...] = ()
    choice: Choice | None = None

    def with_fold(self, fold: int) -> "Loaded":
        """Return the same reviews with the splits of another fold."""
        return replace(self, dataset=select_fold(self.dataset, fold), splits=self.other_folds.get(fold, self.splits))


def load(experiment: Experiment, progress: Progress | None = None) -> Loaded:
    """Read, decode, clean and split the reviews.

    Raises:
        ConfigError: the manifest is not valid, or its reviews have several labels each.
        DataError: the data contradicts the manifest.
        WeightsError: weights of an encoder are missing; no picture is decoded before.
    """
    dataset = load_dataset(load_manifest(experiment.manifest, allow_code=experiment.allow_code))
    if dataset.several_labels:
        raise ConfigError(
            f"{dataset.manifest.file.name}: reviews have several labels each, and a search learns only one label. "
            "Choose one: fields: {label: {column: ..., pick: first}}"
        )
    if experiment.subsample is not None:
        dataset = subsample(dataset, experiment.subsample)
    names, folder = encoders_read(experiment, space_of(experiment, dataset.manifest)), experiment.encoders.folder
    for name in experiment.encoders.named["text"]:
        if name in names["text"]:
            check_text_encoder(folder(name))
    if experiment.encoders.text == AUTO:
        check_installed([review.text for review in dataset.reviews])
    images = tuple(in_precision(image_source(name, folder(name)), precision(experiment)) for name in names["image"])
    forms = list(dict.fromkeys(picture_form(source, experiment.inputs) for source in images))
    pictures = prepare_pictures(all_paths(dataset.reviews), forms, cache_dir(), progress, limit=cache_limit())
    dataset = drop_bad_pictures(dataset, pictures.bad)
    if dataset.manifest.drop_duplicates:
        dataset = drop_duplicates(dataset, pictures.digests)
    links = links_of(dataset, pictures.digests)
    splits = split_dataset(dataset, links)
    digest = fingerprint(dataset, pictures.digests, splits)
    choice = None
    if experiment.encoders.text == AUTO:
        choice = text_encoder_for([dataset.reviews[row].text for row in splits["train"]])
    return Loaded(dataset, pictures, links, splits, digest, other_folds(dataset, links), images, choice)


def precision(experiment: Experiment) -> str:
    """Return the precision of the encoders on this machine."""
    import tensorflow as tf

    return precision_for(experiment.encoders.precision, tf.config)


def encoder_sources(experiment: Experiment, loaded: Loaded) -> tuple[TextSource | ImageSource, ...]:
    """Return the encoders that the search reads: those of texts, then those of pictures.

    Raises:
        WeightsError: weights of the text encoder that `auto` has chosen are missing.
    """
    columns = learned_columns(loaded.dataset, loaded.splits["train"], experiment.inputs)
    train = columns.texts([loaded.dataset.reviews[row] for row in loaded.splits["train"]])
    names = encoders_read(experiment, space_of(experiment, loaded.dataset.manifest))["text"]
    if loaded.choice is not None:
        names = (loaded.choice.encoder,)
    vocabulary, folder = vocabulary_of_texts(train), experiment.encoders.folder
    texts = [in_precision(text_source(name, vocabulary, folder(name)), precision(experiment)) for name in names]
    return (*texts, *loaded.images)


def prepare(
    experiment: Experiment,
    loaded: Loaded,
    encoders: Sequence[TextSource | ImageSource],
    progress: Progress | None = None,
    before_encoding: Callable[[EncodingTime], None] | None = None,
) -> Setup:
    """Build the arrays, encode them, and compute the statistics of the training rows.

    Args:
        before_encoding: as `before` of `encode`.
    """
    task = loaded.dataset.manifest.task_object
    reviews = loaded.dataset.reviews
    columns = learned_columns(loaded.dataset, loaded.splits["train"], experiment.inputs)
    if loaded.choice is not None:
        log.info("encoders.text: auto is %s: %s", loaded.choice.encoder, loaded.choice.reason)
    texts = columns.texts(reviews)
    sizes = sizes_of(encoders, experiment.inputs, [texts[row] for row in loaded.splits["train"]])
    tokens = tokens_of(texts, encoders, sizes)
    words = Words.of(texts, loaded.splits["train"]) if reads_words(experiment, loaded.dataset.manifest) else Words()
    arrays, cut_off = build_arrays(
        reviews,
        TARGETS[task.target].array(reviews, loaded.dataset.labels),
        tokens,
        {
            source.name: loaded.pictures.forms[picture_form(source, experiment.inputs)]
            for source in encoders
            if isinstance(source, ImageSource)
        },
        loaded.pictures.row,
        columns,
        max_images=experiment.inputs.max_images,
        words=words.read,
    )
    cut = {Change.LONGER_TEXT: count_cut(texts, encoders, tokens), Change.MORE_WORDS: words.dropped}
    cut_off |= {change: count for change, count in cut.items() if count}
    needed = readouts(space_of(experiment, loaded.dataset.manifest))
    features = encode(arrays, encoders, feature_store(), needed, progress=progress, before=before_encoding)
    judging, learn = folds_of(loaded, experiment), partial(features.statistics, of_targets=HEADS[task.head].scaled)
    return Setup(
        experiment=experiment,
        dataset=loaded.dataset,
        splits=loaded.splits,
        arrays=arrays,
        columns=columns,
        sources=tuple(encoders),
        sizes=sizes,
        choice=loaded.choice,
        features=features,
        folds=judging.folds,
        why=judging.why,
        statistics=tuple({**learn(fold.train), **words.statistics(fold.train)} for fold in judging.folds),
        units=loaded.links.units,
        changes={**loaded.dataset.changes, **cut_off},
        digest=loaded.digest,
        word_idf=words.idf,
    )


def feature_store() -> FeatureStore:
    """Return the feature store in the user's cache folder."""
    return FeatureStore(cache_dir() / "features", cache_limit())
