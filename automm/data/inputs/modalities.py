"""Which modalities a review has, and what a batch looks like without some of them.

A modality is what has a mask of its name among the inputs: `text_mask`, `image_mask`. Its inputs are those whose names
begin with its own. Where it is absent its mask is 0, and its inputs are zeros, as of a review without it.
"""

from collections.abc import Mapping

import numpy as np

MODALITIES = ("text", "image", "metadata", "history")  # in the order in which they are fused

Batch = dict[str, np.ndarray]


def present(batch: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """(n,) bool of each modality that the batch has inputs of."""
    masks = {name: batch[f"{name}_mask"] for name in MODALITIES if f"{name}_mask" in batch}
    return {name: mask.reshape(len(mask), -1).max(axis=1) > 0 for name, mask in masks.items()}


def without(batch: Mapping[str, np.ndarray], modality: str, rows: np.ndarray) -> Batch:
    """The batch without a modality in some of its rows.

    Args:
        rows: (n,) bool.
    """
    left = dict(batch)
    for name in left:
        if name.startswith(modality):
            left[name] = left[name].copy()
            left[name][rows] = 0
    return left


def with_dropout(batch: Mapping[str, np.ndarray], rate: float, rng: np.random.Generator) -> Batch:
    """The batch without each modality in about `rate` of its rows, drawn for each row and modality alone.

    ModDrop (Neverova et al. 2016, "ModDrop: adaptive multi-modal gesture recognition", arXiv 1501.00102), but that a
    row never loses all that it has: with two modalities each goes in rate - rate**2 / 2 of the rows.
    """
    there = present(batch)
    has = np.stack(list(there.values()), axis=1)
    draws = rng.random(has.shape)
    drop = has & (draws < rate)
    stays = np.where(has, draws, -1.0).argmax(axis=1)  # dropped only where every other one is, too
    drop[np.arange(len(drop)), stays] = False
    left = dict(batch)
    for place, modality in enumerate(there):
        left = without(left, modality, drop[:, place])
    return left
