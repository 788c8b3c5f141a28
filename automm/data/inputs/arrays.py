"""Build the input arrays of every candidate from reviews.

| array | shape | type | meaning |
|---|---|---|---|
| token_ids | (n, sequence_length) | int32 | WordPiece ids, 0 is [PAD] |
| text_mask | (n,) | float32 | 0.0 if a review has no text |
| images | (n, max_images, height, width, 3) | uint8 | RGB, zeros if there is no picture |
| image_mask | (n, max_images) | float32 | 1.0 if a picture is real |
| metadata | (n, columns) | float32 | only if the manifest names metadata: see `data/inputs/columns` |
| metadata_mask | (n,) | float32 | 0.0 if all metadata cells are empty |
| history | (n, history_steps) | float32 | only if the manifest names it: padded on the left, latest step last |
| history_mask | (n, history_steps) | float32 | 1.0 if a step is real |

`images` is never built as a whole: distinct pictures are in one memory-mapped array, and a batch gathers its own.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from automm.data.change_kinds import Change
from automm.data.images.pixel_store import PictureStore
from automm.data.inputs.columns import Columns
from automm.data.inputs.tokens import encode_texts
from automm.data.records.reviews import Review


@dataclass(frozen=True)
class Arrays:
    """The inputs of n reviews.

    Attributes:
        ids: n review ids.
        token_ids: (n, sequence_length) int32.
        text_mask: (n,) float32.
        pixels: (k, height, width, 3) uint8, the distinct pictures, memory-mapped.
        picture_rows: (n, max_images) int32, a row of `pixels`, or -1 if there is no picture.
        targets: (n, ...), what is predicted: see `data/records/targets`.
        picture_items: (k,) S16, a digest of each row of `pixels`: see `data/inputs/items`.
        columns: metadata, history and their masks, as far as the manifest names them.
    """

    ids: tuple[str, ...]
    token_ids: np.ndarray
    text_mask: np.ndarray
    pixels: np.ndarray
    picture_rows: np.ndarray
    targets: np.ndarray
    picture_items: np.ndarray
    columns: dict[str, np.ndarray] = field(default_factory=dict)

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
    def image_shape(self) -> tuple[int, int, int, int]:
        """The shape of one review's pictures, (max_images, height, width, 3)."""
        return (self.picture_rows.shape[1], *self.pixels.shape[1:])

    def images(self, rows: np.ndarray) -> np.ndarray:
        """Return the pictures of some reviews, (len(rows), max_images, height, width, 3) uint8."""
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

    def batch(self, rows: np.ndarray) -> dict[str, np.ndarray]:
        """Return the inputs of some reviews as a model takes them, by name."""
        return {
            "token_ids": self.token_ids[rows],
            "text_mask": self.text_mask[rows],
            "images": self.images(rows),
            "image_mask": self.image_mask_of(rows),
            **self.columns_of(rows),
        }

    def columns_of(self, rows: np.ndarray) -> dict[str, np.ndarray]:
        """Return `columns` of some reviews."""
        return {name: array[rows] for name, array in self.columns.items()}


def build_arrays(
    reviews: Sequence[Review],
    targets: np.ndarray,
    pictures: PictureStore,
    tokenizer: Any,
    columns: Columns,
    *,
    sequence_length: int,
    max_images: int,
) -> tuple[Arrays, dict[Change, int]]:
    """Build the arrays of some reviews.

    Args:
        targets: (n, ...), of these reviews: see `data/records/targets`.
        pictures: the decoded pictures of the reviews.
        tokenizer: of `load_tokenizer` or `wordpiece_tokenizer`.
        columns: the encoding of metadata and history.
        sequence_length: token ids per text.
        max_images: pictures per review; further ones are dropped.

    Returns:
        The arrays, and how many pictures and steps of a history were dropped: {Change.MORE_PICTURES: 12}.
    """
    rows = np.full((len(reviews), max_images), -1, np.int32)
    dropped = 0
    for number, review in enumerate(reviews):
        kept = review.images[:max_images]
        dropped += len(review.images) - len(kept)
        rows[number, : len(kept)] = [pictures.row[path] for path in kept]
    arrays = Arrays(
        ids=tuple(review.id for review in reviews),
        token_ids=encode_texts(tokenizer, [review.text for review in reviews], sequence_length),
        text_mask=np.array([float(bool(review.text.strip())) for review in reviews], np.float32),
        pixels=pictures.pixels,
        picture_rows=rows,
        targets=targets,
        picture_items=pictures.items,
        columns=columns.encode(reviews),
    )
    changes = {
        Change.MORE_PICTURES: dropped,
        Change.MORE_STEPS: columns.dropped_steps(reviews),
    }
    return arrays, {change: count for change, count in changes.items() if count}


def all_paths(reviews: Sequence[Review]) -> list[Path]:
    """Return every picture that the reviews name, in order and with repetitions."""
    return [path for review in reviews for path in review.images]
