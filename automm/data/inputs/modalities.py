"""Find the modalities that reviews have, and remove modalities from a batch.

A modality has a mask among the inputs: `text_mask`, `image_mask`. Its inputs are all whose names begin with its name.
If a review lacks it, the mask is 0 and the inputs are zeros.
"""

from collections.abc import Mapping

import numpy as np

MODALITIES = ("text", "image", "metadata", "history")  # in the order in which they are fused

Batch = dict[str, np.ndarray]


def present(batch: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return which reviews have each modality of the batch, (n,) bool by modality."""
    masks = {name: batch[f"{name}_mask"] for name in MODALITIES if f"{name}_mask" in batch}
    return {name: mask.reshape(len(mask), -1).max(axis=1) > 0 for name, mask in masks.items()}


def without(batch: Mapping[str, np.ndarray], modality: str, rows: np.ndarray) -> Batch:
    """Return a copy of the batch without a modality in some of its rows.

    Args:
        rows: (n,) bool.
    """
    changed = dict(batch)
    for name in changed:
        if name.startswith(modality):
            changed[name] = changed[name].copy()
            changed[name][rows] = 0
    return changed


def with_dropout(batch: Mapping[str, np.ndarray], rate: float, rng: np.random.Generator) -> Batch:
    """Drop each modality in about `rate` of the rows, drawn independently for each row and modality.

    ModDrop (Neverova et al. 2016, "ModDrop: adaptive multi-modal gesture recognition", arXiv 1501.00102), except that a
    row never loses all its modalities. With two modalities, each is therefore dropped in rate - rate**2 / 2 of the
    rows.
    """
    masks = present(batch)
    has = np.stack(list(masks.values()), axis=1)
    draws = rng.random(has.shape)
    drop = has & (draws < rate)
    stays = np.where(has, draws, -1.0).argmax(axis=1)  # the largest draw: dropped only if all others are, too
    drop[np.arange(len(drop)), stays] = False
    changed = dict(batch)
    for place, modality in enumerate(masks):
        changed = without(changed, modality, drop[:, place])
    return changed
