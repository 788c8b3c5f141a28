"""Which modalities a review has, and the batch without some of them.

Each input of a batch has a source (`data/inputs/input_sources`), which knows its modality and the mask that is 0 where
the modality is absent. The values of an absent modality are zeros.
"""

from collections.abc import Iterable, Mapping

import numpy as np

from automm.data.inputs.input_sources import MODALITIES, RAW, TOKEN_MASK, source_of_input

# An absent text keeps the word pieces [CLS] and [SEP], as in a review without text: an encoder that reads padding alone
# may yield NaN.
KEPT = RAW["text"]

Batch = dict[str, np.ndarray]


def masks_of(names: Iterable[str]) -> dict[str, str]:
    """The mask of each modality that inputs of these names belong to, by modality and in the order of fusion."""
    sources = [source_of_input(name) for name in names]
    masks = {source.modality: source.mask for source in sources}
    return {modality: masks[modality] for modality in MODALITIES if modality in masks}


def is_lost_with(modality: str, name: str) -> bool:
    """Whether an input is zero in reviews that lack a modality."""
    source = source_of_input(name)
    return source.modality == modality and source.how != TOKEN_MASK and source.array not in KEPT


def present(batch: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """(n,) bool for each modality of the batch: True where the review has it."""
    masks = {modality: batch[mask] for modality, mask in masks_of(batch).items() if mask in batch}
    return {modality: mask.reshape(len(mask), -1).max(axis=1) > 0 for modality, mask in masks.items()}


def without(batch: Mapping[str, np.ndarray], modality: str, rows: np.ndarray) -> Batch:
    """Return the batch without a modality in some of its rows; the given one is not changed.

    Args:
        rows: (n,) bool.
    """
    left = dict(batch)
    for name in left:
        if is_lost_with(modality, name):
            left[name] = left[name].copy()
            left[name][rows] = 0
    return left


def with_dropout(batch: Mapping[str, np.ndarray], rate: float, rng: np.random.Generator) -> Batch:
    """Return the batch without each modality in about `rate` of its rows, drawn for each row and modality.

    ModDrop (Neverova et al. 2016, "ModDrop: adaptive multi-modal gesture recognition", arXiv 1501.00102), except that a
    row keeps at least one of its modalities: with two modalities each goes in rate - rate**2 / 2 of the rows.
    """
    has_modality = present(batch)
    has = np.stack(list(has_modality.values()), axis=1)
    draws = rng.random(has.shape)
    drop = has & (draws < rate)
    stays = np.where(has, draws, -1.0).argmax(axis=1)  # dropped only where every other one is dropped too
    drop[np.arange(len(drop)), stays] = False
    left = dict(batch)
    for place, modality in enumerate(has_modality):
        left = without(left, modality, drop[:, place])
    return left
