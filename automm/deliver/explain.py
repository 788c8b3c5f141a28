"""Explain a prediction by how much it changes when a review loses a modality, or one of its pictures.

This is occlusion (Zeiler and Fergus 2014, "Visualizing and Understanding Convolutional Networks", arXiv 1311.2901) of
whole pictures and modalities: the model predicts the review again without them, so it works for every pooling and
fusion. The effects of parts do not add up to the effect of all: if two pictures show the same, each alone has little.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np

from automm.data.inputs.modalities import is_lost_with, present, without

Arrays = Mapping[str, np.ndarray]


class Effects(NamedTuple):
    """The effects of parts of n reviews on their predictions, float32.

    An effect is the probability of the predicted label (or the number) minus its value without that part; NaN if the
    review lacks the part.

    Attributes:
        modalities: (n,) each, by modality.
        columns: (n,) each, by column that is written into the text.
        pictures: (n, max_images), by picture position.
    """

    modalities: dict[str, np.ndarray]
    columns: dict[str, np.ndarray]
    pictures: np.ndarray


def effects_of(
    chosen: np.ndarray,
    answers: np.ndarray,
    read: Callable[[Arrays], np.ndarray],
    arrays: Arrays,
    without_columns: Mapping[str, tuple[np.ndarray, Arrays]],
) -> Effects:
    """Return the effect of each modality, each column in the text and each picture on the predictions.

    Args:
        chosen: (n,) int64, the output of each review that is explained (`Task.explained_output`).
        answers: (n, outputs), the answers for the unchanged reviews.
        read: returns the answers for arrays; called once per modality, per column and per picture position.
        arrays: the raw inputs of the reviews.
        without_columns: by column in the text, the reviews that have it, (n,) bool, and the inputs that change without
            it.
    """

    def effect(rows: np.ndarray, changed: Arrays) -> np.ndarray:
        """Return the effect of a change, (n,); only `rows` are read, the others are NaN."""
        effects = np.full(len(answers), np.nan, np.float32)
        places = np.flatnonzero(rows)
        if len(places):
            left = read({name: array[places] for name, array in changed.items()})
            effects[places] = answers[places, chosen[places]] - left[np.arange(len(places)), chosen[places]]
        return effects

    modalities = {name: effect(rows, without(arrays, name, rows)) for name, rows in present(arrays).items()}
    columns = {name: effect(rows, {**arrays, **left}) for name, (rows, left) in without_columns.items()}
    mask = arrays["image_mask"]
    pictures = [effect(mask[:, place] > 0, _without_picture(arrays, place)) for place in range(mask.shape[1])]
    return Effects(modalities, columns, np.stack(pictures, axis=1))


def _without_picture(arrays: Arrays, place: int) -> Arrays:
    """Mask one picture. The others keep their positions; only the pooling `first` depends on them."""
    changed = {name: array.copy() for name, array in arrays.items() if is_lost_with("image", name)}
    for array in changed.values():
        array[:, place] = 0
    return {**arrays, **changed}
