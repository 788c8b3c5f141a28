"""What frozen encoders yield for every review: computed once, kept, and gathered into batches."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from automm.data.inputs.arrays import Arrays
from automm.models.encoders.sources import ImageSource, TextSource
from automm.models.heads import Shapes, Statistics
from automm.models.readouts import PIXELS, TOKEN_MASK, is_sequence, of_modality, vector_beside
from automm.search.features.encode import PicturePass, Progress, TextPass, Texts, Wanted, stored
from automm.search.features.store import FeatureStore
from automm.search.features.store_format import Items


@dataclass(frozen=True)
class Features:
    """The encoded reviews of `arrays`, row for row.

    Attributes:
        arrays: the same reviews, raw.
        texts: the distinct ones.
        text: by read-out, (distinct texts, features) float32; of whole sequences (word pieces, features) float16.
        image: by read-out, (distinct pictures, features) float32; of whole sequences (distinct pictures, cells,
            features) float16.
        engines: what the 'text' and the 'image' encoder ran on.
        names: what a batch holds: inputs of a suffix; of the baselines', where nobody asks for others.
    """

    arrays: Arrays
    texts: Texts
    text: Mapping[str, np.ndarray]
    image: Mapping[str, np.ndarray]
    engines: dict[str, str]
    names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.arrays)

    def only(self, names: Sequence[str]) -> "Features":
        """The same with other inputs in a batch."""
        return replace(self, names=tuple(names))

    @property
    def sequences(self) -> bool:
        """Whether a batch holds whole sequences."""
        return any(is_sequence(name) for name in self.names)

    @property
    def large(self) -> bool:
        """Whether a batch holds whole sequences or pixels, which are a hundred times as large as vectors."""
        return self.sequences or PIXELS in self.names

    @property
    def lengths(self) -> np.ndarray:
        """(n,) word pieces of each review."""
        return self.texts.lengths[self.texts.rows]

    def shapes(self, outputs: int, head: str) -> Shapes:
        """Those of the hand-built baselines, which read `text`, `image` and the columns."""
        columns = {name: array.shape[1:] for name, array in self.arrays.columns.items()}
        text, image = self.text["text"].shape[1], self.image["image"].shape[1]
        return Shapes(
            text,
            image,
            self.arrays.picture_rows.shape[1],
            outputs,
            columns,
            image_size=self.arrays.pixels.shape[1],
            head=head,
        )

    def batch(self, rows: np.ndarray) -> dict[str, np.ndarray]:
        """The inputs of a suffix (`models/heads`) for some reviews."""
        given = {"text_mask": self.arrays.text_mask[rows], "image_mask": self.arrays.image_mask_of(rows)}
        given |= self.arrays.columns_of(rows)
        for name in of_modality("text", self.names):
            if is_sequence(name):
                given[name], given[TOKEN_MASK] = self.texts.padded(self.text[name], rows)
            else:
                given[name] = self.text[name][self.texts.rows[rows]]
        for name in of_modality("image", self.names):
            given[name] = self.arrays.of_pictures(self.image[name], rows).astype(np.float32, copy=False)
        if PIXELS in self.names:
            given[PIXELS] = self.arrays.images(rows)
        return {name: given[name] for name in self.names}

    def statistics(self, train: np.ndarray, *, of_targets: bool) -> Statistics:
        """Mean and deviation of every vector over the training rows; of pictures and steps, over each real one.

        Args:
            of_targets: of the targets too, as "label".
        """
        texts = self.texts.rows[train[self.arrays.text_mask[train] > 0]]
        pictures = self.arrays.picture_rows[train]
        pictures = pictures[pictures >= 0]
        vectors = {name: (values, texts) for name, values in self.text.items()}
        vectors |= {name: (values, pictures) for name, values in self.image.items()}
        found = {name: _moments(*given) for name, given in vectors.items() if not is_sequence(name)}
        if of_targets:
            found["label"] = _moments(self.arrays.targets.reshape(len(self), -1), train)
        columns = self.arrays.columns_of(train)
        if "metadata" in columns:
            found["metadata"] = _of_columns(columns["metadata"])
        if "history" in columns:
            steps = columns["history"][columns["history_mask"] > 0][:, None]
            found["history"] = _moments(steps, np.arange(len(steps)))
        return found


def encode(
    arrays: Arrays,
    text_source: TextSource,
    image_source: ImageSource,
    store: FeatureStore,
    names: Sequence[str] = (),
    *,
    progress: Progress | None = None,
) -> Features:
    """Run each encoder once over the distinct texts and pictures, or find that somebody did.

    The encoders themselves are built only where something is missing in the store.

    Args:
        names: of read-outs that are asked for, beside those of the baselines.
    """
    texts = Texts.of(arrays.token_ids)
    names = ["text", "image", *names, *(vector_beside(name) for name in names if is_sequence(name))]
    text, text_engine = stored(
        store,
        _wanted("texts", text_source, texts.items, of_modality("text", names)),
        lambda engine, keys, unseen: TextPass(
            text_source.build(list(keys)), keys, engine, texts, unseen, progress, "texts"
        ),
    )
    size = arrays.pixels.shape[1]
    image, image_engine = stored(
        store,
        _wanted("pictures", image_source, picture_items(arrays), of_modality("image", names)),
        lambda engine, keys, unseen: PicturePass(
            image_source.build(list(keys), size), keys, engine, arrays.pixels, unseen, progress, "pictures"
        ),
    )
    for name in image:
        if is_sequence(name):  # cells lie flat in a row
            image[name] = image[name].reshape(len(arrays.pixels), -1, image[vector_beside(name)].shape[1])
    engines = {"text": text_engine, "image": image_engine}
    return Features(arrays, texts, text, image, engines, ("text", "text_mask", "image", "image_mask", *arrays.columns))


def picture_items(arrays: Arrays) -> Items:
    """The distinct pictures, a row each."""
    return Items(arrays.picture_items, np.ones(len(arrays.pixels), np.int32))


def _wanted(what: str, source: TextSource | ImageSource, items: Items, names: Sequence[str]) -> Wanted:
    sequences = frozenset(filter(is_sequence, names))
    ragged = sequences if isinstance(source, TextSource) else frozenset[str]()
    return Wanted(what, source.name, source.fingerprint, items, names, ragged, halves=sequences)


def _of_columns(metadata: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Indicators stay 0 and 1: divided by its deviation, a rare one would outweigh all numbers."""
    mean, deviation = _moments(metadata, np.arange(len(metadata)))
    indicator = np.isin(metadata, (0.0, 1.0)).all(axis=0)
    return np.where(indicator, np.float32(0), mean), np.where(indicator, np.float32(1), deviation)


def _moments(values: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and deviation of some rows of a memory-mapped array, a portion at a time."""
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
