"""What an answer hangs on: how it changes when a review loses a modality, or one of its pictures.

Occlusion (Zeiler and Fergus 2014, "Visualizing and Understanding Convolutional Networks", arXiv 1311.2901), of whole
pictures and modalities: a model says for itself what it makes of a review without them, whatever its poolings and
fusion are. Effects of parts do not add up to that of the whole: where two pictures show the same, each can be spared.
"""

from collections.abc import Callable, Mapping

import numpy as np

from automm.data.inputs.modalities import present, without
from automm.tasks.base import Task

Arrays = Mapping[str, np.ndarray]


def effects_of(
    task: Task, answers: np.ndarray, read: Callable[[Arrays], np.ndarray], arrays: Arrays
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """How much each part of some reviews speaks for the answers.

    Args:
        answers: (n, outputs) of the reviews as they are.
        read: what gives them; it is asked once for each modality, and once for each place of a picture.
        arrays: the reviews' inputs, raw.

    Returns:
        By modality (n,), and by place of a picture (n, max_images) float32: the probability of the predicted label, or
        the number, less what it is without that part. NaN where a review has no such part.
    """
    chosen = task.explained(answers)

    def loss(rows: np.ndarray, changed: Arrays) -> np.ndarray:
        """(n,): NaN but for `rows`, which alone are read."""
        found = np.full(len(answers), np.nan, np.float32)
        places = np.flatnonzero(rows)
        if len(places):
            left = read({name: array[places] for name, array in changed.items()})
            found[places] = answers[places, chosen[places]] - left[np.arange(len(places)), chosen[places]]
        return found

    there = present(arrays)
    modalities = {name: loss(rows, without(arrays, name, rows)) for name, rows in there.items()}
    mask = arrays["image_mask"]
    places = [loss(mask[:, place] > 0, _without_picture(arrays, place)) for place in range(mask.shape[1])]
    return modalities, np.stack(places, axis=1)


def _without_picture(arrays: Arrays, place: int) -> Arrays:
    """The others keep their places, which no pooling looks at but `first`: it takes the first that is there."""
    images, mask = arrays["images"].copy(), arrays["image_mask"].copy()
    images[:, place], mask[:, place] = 0, 0.0
    return {**arrays, "images": images, "image_mask": mask}
