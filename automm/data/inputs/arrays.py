"""Build the input arrays of every candidate from reviews.

| array | shape | type | meaning |
|---|---|---|---|
| token_ids | (n, length) | int32 | the tokens of the text, as the first text encoder reads it |
| padding_mask | (n, length) | int32 | 1 where a token is real, 0 where it is padding |
| text_mask | (n,) | float32 | 0.0 if a review has no text, not even a category written into it |
| text_word_ids | (n, 512) | int32 | the text's words, if a candidate reads them: see `data/inputs/words` |
| text_word_weights | (n, 512) | float32 | their weights, 0.0 behind the last |
| images | (n, max_images, height, width, 3) | uint8 | RGB, zeros if there is no picture |
| image_mask | (n, max_images) | float32 | 1.0 if a picture is real |
| metadata | (n, columns) | float32 | only if the manifest names metadata: see `data/inputs/columns` |
| metadata_mask | (n,) | float32 | 0.0 if all metadata cells are empty |
| history | (n, history_steps) | float32 | only if the manifest names it: padded on the left, latest step last |
| history_mask | (n, history_steps) | float32 | 1.0 if a step is real |

Each encoder has its own tokens or pictures; those of the second one are `token_ids_2`, `padding_mask_2` and `images_2`.
`images` is never built as a whole: distinct pictures are in one memory-mapped array, and a batch gathers its own.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np

from automm.data.change_kinds import Change
from automm.data.images.pixels.pixel_store import Pictures
from automm.data.inputs.columns import Columns
from automm.data.inputs.input_sources import WORD_IDS, raw_names
from automm.data.inputs.words import Terms
from automm.data.records.reviews import Review


@dataclass(frozen=True)
class Tokens:
    """The texts of n reviews, as one text encoder reads them.

    Attributes:
        ids: (n, length) int32.
        mask: (n, length) int32, 1 where a token is real, 0 where it is padding.
        free: whether the encoder reads any length; otherwise it needs all of `length`.
    """

    ids: np.ndarray
    mask: np.ndarray
    free: bool = True


@dataclass(frozen=True)
class Arrays:
    """The inputs of n reviews.

    Attributes:
        ids: n review ids.
        tokens: the texts by encoder, first encoder first.
        text_mask: (n,) float32.
        pictures: k distinct pictures by encoder, first encoder first; a row is the same picture for every encoder.
        picture_rows: (n, max_images) int32, a row of `pictures`, or -1 if there is no picture.
        targets: (n, ...), what is predicted: see `data/records/targets`.
        columns: metadata, history and their masks, as far as the manifest names them.
        words: the words of the texts; None if no candidate reads them.
    """

    ids: tuple[str, ...]
    tokens: Mapping[str, Tokens]
    text_mask: np.ndarray
    pictures: Mapping[str, Pictures]
    picture_rows: np.ndarray
    targets: np.ndarray
    columns: dict[str, np.ndarray] = field(default_factory=dict)
    words: Terms | None = None

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def image_mask(self) -> np.ndarray:
        """The mask of all reviews, (n, max_images) float32, 1.0 if a picture is real."""
        return (self.picture_rows >= 0).astype(np.float32)

    def image_mask_of(self, rows: np.ndarray) -> np.ndarray:
        """Return the mask of some reviews, (len(rows), max_images) float32."""
        mask: np.ndarray = (self.picture_rows[rows] >= 0).astype(np.float32)
        return mask

    @property
    def sizes(self) -> dict[tuple[str, str], int]:
        """The tokens of a text, or the side of a picture in pixels, by modality and encoder."""
        texts = {("text", encoder): tokens.ids.shape[1] for encoder, tokens in self.tokens.items()}
        return texts | {("image", encoder): pictures.pixels.shape[1] for encoder, pictures in self.pictures.items()}

    @property
    def pixels(self) -> np.ndarray:
        """The distinct pictures as the first picture encoder reads them."""
        return next(iter(self.pictures.values())).pixels

    def images(self, rows: np.ndarray) -> np.ndarray:
        """Return `pixels` of some reviews, (len(rows), max_images, height, width, 3) uint8."""
        return self.of_pictures(self.pixels, rows)

    def of_pictures(self, values: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Gather values of distinct pictures (pixels, features) for some reviews.

        Args:
            values: (k, ...), one row per distinct picture.
            rows: reviews.

        Returns:
            (len(rows), max_images, ...) of the same dtype, zeros if there is no picture.
        """
        chosen = self.picture_rows[rows]
        gathered = np.zeros((*chosen.shape, *values.shape[1:]), values.dtype)
        real = chosen >= 0
        if real.any():
            gathered[real] = values[chosen[real]]
        return gathered

    def batch(self, rows: np.ndarray, names: Collection[str] = ()) -> dict[str, np.ndarray]:
        """Return the inputs of some reviews as a model takes them, by name.

        Args:
            names: of the wanted inputs; () for all.
        """
        tokens = raw_arrays("text", [(tokens.ids, tokens.mask) for tokens in self.tokens.values()])
        pixels = raw_arrays("image", [(pictures.pixels,) for pictures in self.pictures.values()])
        made: dict[str, Callable[[np.ndarray], np.ndarray]] = {
            **{name: array.__getitem__ for name, array in tokens.items()},
            "text_mask": self.text_mask.__getitem__,
            **{name: partial(self.of_pictures, array) for name, array in pixels.items()},
            "image_mask": self.image_mask_of,
            **{name: array.__getitem__ for name, array in self.columns.items()},
        }
        wanted = {name: make(rows) for name, make in made.items() if not names or name in names}
        return wanted | (self.words_of(rows) if not names or WORD_IDS in names else {})

    def words_of(self, rows: np.ndarray) -> dict[str, np.ndarray]:
        """Return the words of some reviews, by the names of the inputs; {} if no candidate reads them."""
        return {} if self.words is None else self.words.arrays(rows)

    def columns_of(self, rows: np.ndarray) -> dict[str, np.ndarray]:
        """Return `columns` of some reviews."""
        return {name: array[rows] for name, array in self.columns.items()}


def raw_arrays(modality: str, of_encoders: Sequence[tuple[np.ndarray, ...]]) -> dict[str, np.ndarray]:
    """Name the arrays that each encoder of a modality reads, first encoder first."""
    named = [zip(raw_names(modality, place), arrays, strict=True) for place, arrays in enumerate(of_encoders)]
    return {name: array for pairs in named for name, array in pairs}


def build_arrays(
    reviews: Sequence[Review],
    targets: np.ndarray,
    tokens: Mapping[str, Tokens],
    pictures: Mapping[str, Pictures],
    picture_row: Mapping[Path, int],
    columns: Columns,
    *,
    max_images: int,
    words: Terms | None = None,
) -> tuple[Arrays, dict[Change, int]]:
    """Build the arrays of some reviews.

    Args:
        targets: (n, ...), of these reviews: see `data/records/targets`.
        tokens, pictures: the texts and the distinct pictures of the reviews, by encoder.
        picture_row: the row of each picture in `pictures`.
        columns: the encoding of metadata and history.
        max_images: pictures per review; further ones are dropped.
        words: as in `Arrays`.

    Returns:
        The arrays, and how many pictures and steps of a history were dropped, and categories cut:
        {Change.MORE_PICTURES: 12}.
    """
    rows = np.full((len(reviews), max_images), -1, np.int32)
    dropped = 0
    for number, review in enumerate(reviews):
        kept = review.images[:max_images]
        dropped += len(review.images) - len(kept)
        rows[number, : len(kept)] = [picture_row[path] for path in kept]
    arrays = Arrays(
        ids=tuple(review.id for review in reviews),
        tokens=tokens,
        text_mask=text_mask(columns.texts(reviews)),
        pictures=pictures,
        picture_rows=rows,
        targets=targets,
        columns=columns.encode(reviews),
        words=words,
    )
    changes = {
        Change.MORE_PICTURES: dropped,
        Change.LONGER_CATEGORY: columns.cut_values(reviews),
        Change.MORE_STEPS: columns.dropped_steps(reviews),
    }
    return arrays, {change: count for change, count in changes.items() if count}


def text_mask(texts: Sequence[str]) -> np.ndarray:
    """Return (n,) float32, 1.0 if a text has more than white space."""
    return np.array([float(bool(text.strip())) for text in texts], np.float32)


def all_paths(reviews: Sequence[Review]) -> list[Path]:
    """Return every picture that the reviews name, in order and with repetitions."""
    return [path for review in reviews for path in review.images]
