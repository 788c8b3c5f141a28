"""Features: the outputs of frozen encoders for every review, computed once, stored, and gathered into batches."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from automm.data.images.pixels.pixel_store import Pictures
from automm.data.inputs.arrays import Arrays
from automm.data.inputs.input_sources import PIXELS, TOKEN_MASK, WORD_IDS, InputSource, default_source, source_of_input
from automm.models.encoders.sources import ImageSource, TextSource
from automm.models.fusion.similarity import similarity_name
from automm.models.heads import Shapes, Statistics
from automm.models.readouts import POOLED, READOUTS, TINY, is_sequence, of_modality, vector_beside
from automm.search.features.encode import (
    EncoderOutputs,
    Job,
    PicturePass,
    Progress,
    TextPass,
    Texts,
    started_once,
)
from automm.search.features.encoding_time import EncodingTime, encoding_time
from automm.search.features.engines import UsedEngine
from automm.search.features.load import choose_engine, load_or_encode
from automm.search.features.store import FeatureStore
from automm.search.features.store_format import Items


@dataclass(frozen=True)
class Features:
    """The encoded reviews of `arrays`, row for row.

    Attributes:
        arrays: the raw arrays of the reviews.
        texts: the distinct texts, by encoder.
        encoded: read-outs by source. Of texts: (distinct texts, features) float32, sequences (word pieces, features)
            float16. Of pictures: (distinct pictures, features) float32, sequences (distinct pictures, cells, features)
            float16.
        engines: the engine of each encoder, by modality and name.
        encoders: the name of the first encoder of each modality.
        names: the inputs in a batch; those of the hand-built baselines, unless changed with `only`.
    """

    arrays: Arrays
    texts: Mapping[str, Texts]
    encoded: Mapping[InputSource, np.ndarray]
    engines: Mapping[tuple[str, str], UsedEngine]
    encoders: Mapping[str, str]
    names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.arrays)

    def only(self, names: Sequence[str]) -> "Features":
        """Return the same features with other inputs in a batch."""
        return replace(self, names=tuple(names))

    def readout(self, name: str) -> np.ndarray:
        """Return a read-out by the name of its input, full or short."""
        return self.encoded[self._source(name)]

    def _source(self, name: str) -> InputSource:
        return source_of_input(name).of(self.encoders)

    @property
    def sequences(self) -> bool:
        """Whether a batch holds whole sequences."""
        return any(is_sequence(name) for name in self.names)

    @property
    def large(self) -> bool:
        """Whether a batch holds whole sequences or pixels, which are about a hundred times as large as vectors."""
        return self.sequences or PIXELS in self.names

    @property
    def lengths(self) -> np.ndarray:
        """(n,) int64, the word pieces of each review; of all text encoders together."""
        return np.sum([texts.lengths[texts.rows] for texts in self.texts.values()], axis=0)

    def shapes(self, outputs: int, head: str) -> Shapes:
        """Return the shapes of suffixes over the read-outs of the hand-built baselines."""
        most = self.arrays.picture_rows.shape[1]
        return Shapes(
            text_features=self.readout("text").shape[1],
            image_features=self.readout("image").shape[1],
            max_images=most,
            outputs=outputs,
            head=head,
            columns={name: array.shape[1:] for name, array in self.arrays.columns.items()},
            image_size=self.arrays.pixels.shape[1],
            encoders={"text": tuple(self.arrays.tokens), "image": tuple(self.arrays.pictures)},
            of_sources={source: _of_review(source, values.shape[1:], most) for source, values in self.encoded.items()},
        )

    def batch(self, rows: np.ndarray) -> dict[str, np.ndarray]:
        """Return the inputs of a suffix (`models/heads`) for some reviews, by name."""
        arrays = {"text_mask": self.arrays.text_mask[rows], "image_mask": self.arrays.image_mask_of(rows)}
        arrays |= self.arrays.columns_of(rows)
        arrays |= self.arrays.words_of(rows) if WORD_IDS in self.names else {}
        return {name: arrays[name] if name in arrays else self._input(self._source(name), rows) for name in self.names}

    def _input(self, source: InputSource, rows: np.ndarray) -> np.ndarray:
        if source.how == PIXELS:
            return self.arrays.images(rows)
        if source.how == TOKEN_MASK:
            return self.texts[source.encoder].mask(rows)
        values = self.encoded[source]
        if source.modality == "image":
            return self.arrays.of_pictures(values, rows).astype(np.float32, copy=False)
        texts = self.texts[source.encoder]
        return texts.padded(values, rows)[0] if source.is_sequence else values[texts.rows[rows]]

    def statistics(self, train: np.ndarray, *, of_targets: bool) -> Statistics:
        """Return mean and standard deviation of every vector over the training rows, by the name of its input.

        Reviews without the modality, masked pictures and masked steps do not count.

        Args:
            of_targets: whether to include the targets, as "label".
        """
        pictures, with_text = self.arrays.picture_rows[train], train[self.arrays.text_mask[train] > 0]
        rows = {("text", encoder): texts.rows[with_text] for encoder, texts in self.texts.items()}
        rows |= {("image", encoder): pictures[pictures >= 0] for encoder in self.arrays.pictures}
        statistics = {
            source.name: _moments(values, rows[source.modality, source.encoder])
            for source, values in self.encoded.items()
            if not source.is_sequence
        }
        if of_targets:
            statistics["label"] = _moments(self.arrays.targets.reshape(len(self), -1), train)
        for encoder in self.arrays.tokens:
            text, image = (InputSource(modality, encoder, POOLED) for modality in ("text", "image"))
            if text in self.encoded and image in self.encoded:
                statistics[similarity_name(encoder)] = self._moments_of_cosines(text, image, train)
        columns = self.arrays.columns_of(train)
        if "metadata" in columns:
            statistics["metadata"] = _of_columns(columns["metadata"])
        if "history" in columns:
            steps = columns["history"][columns["history_mask"] > 0][:, None]
            statistics["history"] = _moments(steps, np.arange(len(steps)))
        return statistics

    def _moments_of_cosines(
        self, text: InputSource, image: InputSource, train: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return mean and standard deviation of the cosines of the training rows' texts and pictures, (1,) each."""
        real = (self.arrays.picture_rows[train] >= 0) & (self.arrays.text_mask[train, None] > 0)
        reviews, places = np.nonzero(real)
        texts, pictures = (
            self.texts[text.encoder].rows[train][reviews],
            self.arrays.picture_rows[train][reviews, places],
        )
        cosines = np.zeros((len(reviews), 1), np.float32)
        for start in range(0, len(reviews), 4096):
            portion = slice(start, start + 4096)
            pair = self.encoded[text][texts[portion]], self.encoded[image][pictures[portion]]
            cosines[portion, 0] = np.einsum("nf,nf->n", *(values / _lengths(values) for values in pair))
        return _moments(cosines, np.arange(len(cosines)))


def encode(
    arrays: Arrays,
    sources: Sequence[TextSource | ImageSource],
    store: FeatureStore,
    readouts: Sequence[str] = (),
    *,
    progress: Progress | None = None,
    before: Callable[[EncodingTime], None] | None = None,
) -> Features:
    """Run each encoder once over the distinct texts or pictures that the store lacks.

    An encoder is built only if the store lacks some of its outputs.

    Args:
        sources: the encoders of `arrays`, at least one of texts and one of pictures.
        readouts: the needed read-outs, in addition to those of the baselines; a short name is one of each encoder.
        before: called with the expected time before the encoding begins; it may raise. None: the time is not measured.
    """
    texts = {name: Texts.of(tokens) for name, tokens in arrays.tokens.items()}
    names = ["text", "image", *readouts, *(vector_beside(name) for name in readouts if is_sequence(name))]
    encoded: dict[InputSource, np.ndarray] = {}
    engines: dict[tuple[str, str], UsedEngine] = {}
    jobs = [
        _text_job(source, texts[source.name], of_modality("text", names, source.name))
        if isinstance(source, TextSource)
        else _picture_job(source, arrays.pictures[source.name], of_modality("image", names, source.name))
        for source in sources
    ]
    chosen = [choose_engine(job) for job in jobs]
    if before is not None:
        times = (encoding_time(store, job, used.engine) for job, used in zip(jobs, chosen, strict=True))
        before(sum(times, EncodingTime()))
    for source, job, used in zip(sources, jobs, chosen, strict=True):
        values, engines[source.modality, source.name] = load_or_encode(store, job, used, progress)
        encoded |= {READOUTS[name].of({source.modality: source.name}): array for name, array in values.items()}
    encoded = {source: _in_shape(source, values, encoded, len(arrays.pixels)) for source, values in encoded.items()}
    encoders = {source.modality: source.name for source in reversed(sources)}
    text, image = (default_source(modality, encoders[modality]) for modality in ("text", "image"))
    inputs = (text.name, text.mask, image.name, image.mask, *arrays.columns)
    return Features(arrays, texts, encoded, engines, encoders, inputs)


def _text_job(source: TextSource, texts: Texts, names: Sequence[str]) -> Job:
    sequences = frozenset(filter(is_sequence, names))
    start = started_once(source.build, TextPass.inputs)
    return Job(
        EncoderOutputs(
            "texts", source.name, source.fingerprint, texts.items, names, ragged=sequences, float16=sequences
        ),
        lambda engine, keys, to_encode, progress: TextPass(
            start(engine, tuple(keys)), keys, texts, to_encode, progress, "texts"
        ),
    )


def _picture_job(source: ImageSource, pictures: Pictures, names: Sequence[str]) -> Job:
    pixels, sequences = pictures.pixels, frozenset(filter(is_sequence, names))
    start = started_once(lambda outputs: source.build(outputs, pixels.shape[1]), PicturePass.inputs(pixels))
    return Job(
        EncoderOutputs("pictures", source.name, source.fingerprint, picture_items(pictures), names, float16=sequences),
        lambda engine, keys, to_encode, progress: PicturePass(
            start(engine, tuple(keys)), keys, pixels, to_encode, progress, "pictures"
        ),
    )


def _in_shape(
    source: InputSource, values: np.ndarray, encoded: Mapping[InputSource, np.ndarray], pictures: int
) -> np.ndarray:
    """Return values as in `Features.encoded`: the cells of a picture are stored flat in one row."""
    if source.modality != "image" or not source.is_sequence:
        return values
    vector = READOUTS[vector_beside(source.short_name)].of({source.modality: source.encoder})
    return values.reshape(pictures, -1, encoded[vector].shape[1])


def picture_items(pictures: Pictures) -> Items:
    """Return the distinct pictures, with one row each."""
    return Items(pictures.items, np.ones(len(pictures.items), np.int32))


def _of_review(source: InputSource, of_item: tuple[int, ...], max_images: int) -> tuple[int | None, ...]:
    """Return the shape of one review's input, from the shape of one text's, word piece's or picture's values."""
    if source.modality == "image":
        return (max_images, *of_item)
    return (None, *of_item) if source.is_sequence else of_item


def _lengths(vectors: np.ndarray) -> np.ndarray:
    """Return the length of each vector, (n, features) to (n, 1); never 0."""
    return np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), TINY)


def _of_columns(metadata: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and standard deviation of metadata; 0 and 1 for indicators.

    If indicators were standardised, a rare one would outweigh all numbers.
    """
    mean, deviation = _moments(metadata, np.arange(len(metadata)))
    indicator = np.isin(metadata, (0.0, 1.0)).all(axis=0)
    return np.where(indicator, np.float32(0), mean), np.where(indicator, np.float32(1), deviation)


def _moments(values: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and standard deviation of some rows of a memory-mapped array, read a portion at a time."""
    features = values.shape[1]
    if len(rows) == 0:  # a modality that the training split does not have
        return np.zeros(features, np.float32), np.ones(features, np.float32)
    mean, squares = np.zeros(features), np.zeros(features)
    portions = [rows[start : start + 4096] for start in range(0, len(rows), 4096)]
    for portion in portions:
        mean += values[portion].sum(axis=0, dtype=np.float64)
    mean /= len(rows)
    for portion in portions:
        squares += ((values[portion] - mean) ** 2).sum(axis=0)
    return mean.astype(np.float32), np.sqrt(squares / len(rows)).astype(np.float32)
