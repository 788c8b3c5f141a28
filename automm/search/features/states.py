"""What the frozen lower halves of both encoders yield, computed once and kept like features: tier 2 trains on it.

Token states are ragged: a text takes the rows of its own word pieces, not of the longest text.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from automm.data.inputs.arrays import Arrays
from automm.models.readouts import PIXELS, READOUTS
from automm.models.whole import STATES
from automm.search.features.encode import PicturePass, Progress, TextPass, Texts, Wanted, stored
from automm.search.features.encoded import Features, picture_items
from automm.search.features.store import FeatureStore
from automm.search.training.batches import Rows


@dataclass(frozen=True)
class States:
    """The lower halves' outputs for the reviews of `arrays`, row for row.

    Attributes:
        arrays: the same reviews, raw.
        texts: the distinct ones.
        tokens: (word pieces of all distinct texts, width) float32, memory-mapped.
        cells: (distinct pictures, height, width, features) float32, memory-mapped; None where nobody asks for them.
    """

    arrays: Arrays
    texts: Texts
    tokens: np.ndarray
    cells: np.ndarray | None

    @property
    def shapes(self) -> dict[str, tuple[tuple[int | None, ...], str]]:
        """Shape without the batch, and dtype, of each array of a batch that a lower half makes."""
        shapes: dict[str, tuple[tuple[int | None, ...], str]] = {
            "text_states": ((None, self.tokens.shape[1]), "float32"),
            "token_mask": ((None,), "int32"),
        }
        if self.cells is not None:
            shapes["image_cells"] = (self.arrays.picture_rows.shape[1], *self.cells.shape[1:]), "float32"
        return shapes

    def batch(self, rows: np.ndarray) -> dict[str, np.ndarray]:
        """The inputs of a fine-tunable suffix (`models/whole`); texts padded to the longest of them."""
        states, mask = self.texts.padded(self.tokens, rows)
        batch = {
            "text_states": states,
            "token_mask": mask,
            "text_mask": self.arrays.text_mask[rows],
            "image_mask": self.arrays.image_mask_of(rows),
            **self.arrays.columns_of(rows),
        }
        if self.cells is not None:
            batch["image_cells"] = self.arrays.of_pictures(self.cells, rows)
        return batch


class Both:
    """Features and states side by side, as far as a model asks for them: `Rows` of an ensemble of both tiers."""

    def __init__(self, features: Features, states: States, names: Sequence[str]):
        self._states, self._names = states, set(names)
        self._features = features.only([name for name in names if name in READOUTS or name == PIXELS])

    def batch(self, rows: np.ndarray) -> dict[str, np.ndarray]:
        arrays = self._states.batch(rows) | self._features.batch(rows)
        return {name: array for name, array in arrays.items() if name in self._names}


def encode_states(
    arrays: Arrays,
    text: tuple[str, Any],
    image: tuple[str, Any] | None,
    store: FeatureStore,
    *,
    progress: Progress | None = None,
) -> States:
    """Run each lower half once over the distinct texts and pictures, or find that somebody did.

    Args:
        text, image: an encoder's name, and its lower half; no pictures are encoded without one.
    """
    text_name, text_lower = text
    texts = Texts.of(arrays.token_ids)
    what, names = "texts, lower half", ["text_states"]
    found, _ = stored(
        store,
        Wanted(what, text_name, text_lower.fingerprint, texts.items, names, ragged=frozenset(names)),
        lambda engine, keys, unseen: TextPass(text_lower, keys, engine, texts, unseen, progress, what),
    )
    if image is None:
        return States(arrays, texts, found["text_states"], None)
    image_name, image_lower = image
    of_pictures = "pictures, lower half"
    cells, _ = stored(
        store,
        Wanted(of_pictures, image_name, image_lower.fingerprint, picture_items(arrays), ["image_cells"]),
        lambda engine, keys, unseen: PicturePass(
            image_lower, keys, engine, arrays.pixels, unseen, progress, of_pictures
        ),
    )
    shape = image_lower.backbone.compute_output_shape((1, *arrays.pixels.shape[1:]))[1:]
    return States(arrays, texts, found["text_states"], cells["image_cells"].reshape(-1, *shape))


def source_of(names: Sequence[str], arrays: Arrays, features: Features, states: Callable[[bool], States]) -> Rows:
    """What a model with inputs of these names reads.

    Args:
        states: asked for only where a name is one of theirs; whether with cells of pictures.
    """
    if "token_ids" in names:
        return arrays
    if set(STATES) & set(names):
        return Both(features, states("image_cells" in names), names)
    return features.only(names)
