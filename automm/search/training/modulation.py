"""Slow down the modality that learns fastest, so that the others learn too.

On-the-fly gradient modulation with generalization enhancement (OGM-GE; Peng et al. 2022, "Balanced multimodal learning
via on-the-fly gradient modulation", arXiv 2203.15332): the layers of the modality that predicts best alone learn in
smaller steps, and their gradients get the noise that small steps lack.

Two things differ from the paper. A modality's own prediction is that of the model with the other modalities masked. For
a linear head this equals the paper's split of the sum, and it works with every fusion. And AdamW's steps are made
smaller, not the gradients: Adam divides a gradient by its own size, which cancels a factor.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from automm.data.inputs.input_sources import MODALITIES, mask_of
from automm.data.inputs.modalities import is_lost_with
from automm.search.training.parts import Parts


class Modulation:
    """Gradient modulation of one suffix.

    Args:
        parts: the parts of this suffix.
        strength: alpha in the paper; a larger value slows the strongest modality down more.
    """

    def __init__(self, model: Any, parts: Parts, strength: float):
        self._model, self._parts, self._strength = model, parts, strength
        self._owners: list[int | None] | None = None

    def step_factors(self, batch: Mapping[str, Any], part: Mapping[str, Any]) -> list[Any]:
        """Return the factor of each trainable variable's step: 1 for variables that modalities share."""
        import tensorflow as tf

        if self._owners is None:
            self._owners = owners_of(self._parts, batch, self._model.trainable_variables)
        confidences = self._confidences(batch, part)
        by_modality = tf.unstack(coefficients(confidences, self._strength), num=len(self._parts.modalities))
        return [1.0 if owner is None else by_modality[owner] for owner in self._owners]

    def _confidences(self, batch: Mapping[str, Any], part: Mapping[str, Any]) -> Any:
        """Return (modalities,) float32: the mean probability of the true class from each modality alone.

        Only reviews that have all modalities count.
        """
        import tensorflow as tf

        has_all = tf.reduce_prod([presence(batch, modality) for modality in self._parts.modalities], axis=0)
        weights = part["weights"] * has_all
        means = []
        for modality in self._parts.modalities:
            right = tf.reduce_sum(
                self._model(only_modality(batch, modality), training=False) * part["targets"], axis=-1
            )
            means.append(tf.math.divide_no_nan(tf.reduce_sum(right * weights), tf.reduce_sum(weights)))
        return tf.stack(means)


def coefficients(confidences: Any, strength: float) -> Any:
    """Return k = 1 - tanh(strength * rho) where rho > 1, else 1: (modalities,) float32.

    Args:
        confidences: (modalities,) float32. rho is each of them divided by the mean of the others.
    """
    import tensorflow as tf

    others = (tf.reduce_sum(confidences) - confidences) / (confidences.shape[0] - 1)
    ratios = tf.math.divide_no_nan(confidences, others)
    return tf.where(ratios > 1.0, 1.0 - tf.tanh(strength * ratios), 1.0)


def with_noise(gradient: Any, share: Any, seed: Any) -> Any:
    """Add noise of a gradient's own size where its step is made smaller.

    Args:
        share: the factor of the step; a gradient with 1 is not changed.
        seed: (2,) int32: the same seed, the same noise.
    """
    import tensorflow as tf

    gradient = tf.convert_to_tensor(gradient)  # that of a table of word vectors is sparse
    noise = tf.random.stateless_normal(tf.shape(gradient), seed) * tf.math.reduce_std(gradient)
    return gradient + noise * tf.cast(share < 1.0, gradient.dtype)


def only_modality(batch: Mapping[str, Any], modality: str) -> dict[str, Any]:
    """Return the batch of tensors without all other modalities."""
    import tensorflow as tf

    others = [other for other in MODALITIES if other != modality]
    lost = {name for name in batch if any(is_lost_with(other, name) for other in others)}
    return {name: tf.zeros_like(value) if name in lost else value for name, value in batch.items()}


def presence(batch: Mapping[str, Any], modality: str) -> Any:
    """Return (n,) float32: 1.0 where the review has the modality."""
    import tensorflow as tf

    mask = batch[mask_of(modality)]
    return tf.reduce_max(tf.reshape(mask, (tf.shape(mask)[0], -1)), axis=1)


def owners_of(parts: Parts, batch: Mapping[str, Any], variables: Sequence[Any]) -> list[int | None]:
    """Return for each variable the place of the only modality whose part depends on it, else None."""
    import tensorflow as tf

    with tf.GradientTape(persistent=True) as tape:
        _, vectors = parts.read(batch)
    reached = [[slope is not None for slope in tape.gradient(vector, variables)] for vector in vectors]
    return [(by.index(True) if sum(by) == 1 else None) for by in zip(*reached, strict=True)]
