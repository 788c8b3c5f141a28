"""Keeps one modality from learning so fast that the others never do.

On-the-fly gradient modulation with generalization enhancement (OGM-GE; Peng et al. 2022, "Balanced multimodal learning
via on-the-fly gradient modulation", arXiv 2203.15332): what belongs to the modality that answers best alone learns in
smaller steps, and its gradient gets the noise that small steps lack.

Two things differ from the paper. A modality's own answer is the model's with the others masked out, which is the
paper's split of a linear head's sum, and holds for every fusion. And AdamW's steps are made smaller, not gradients:
Adam divides a gradient by its own size, so that a factor would fall out.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from automm.data.inputs.modalities import MODALITIES
from automm.search.training.parts import Parts


class Modulation:
    """Of one suffix.

    Args:
        parts: of this suffix.
        strength: alpha in the paper; the larger, the harder the strongest modality is held back.
    """

    def __init__(self, model: Any, parts: Parts, strength: float):
        self._model, self._parts, self._strength = model, parts, strength
        self._owners: list[int | None] | None = None

    def shares(self, batch: Mapping[str, Any], part: Mapping[str, Any]) -> list[Any]:
        """By what the step of each trainable variable is multiplied: 1 for what modalities share."""
        import tensorflow as tf

        if self._owners is None:
            self._owners = owners_of(self._parts, batch, self._model.trainable_variables)
        confidences = self._confidences(batch, part)
        by_modality = tf.unstack(coefficients(confidences, self._strength), num=len(self._parts.modalities))
        return [1.0 if owner is None else by_modality[owner] for owner in self._owners]

    def _confidences(self, batch: Mapping[str, Any], part: Mapping[str, Any]) -> Any:
        """(modalities,) float32: the true class's mean probability from each alone, over reviews that have all."""
        import tensorflow as tf

        has_all = tf.reduce_prod([presence(batch, modality) for modality in self._parts.modalities], axis=0)
        weights = part["weights"] * has_all
        means = []
        for modality in self._parts.modalities:
            right = tf.reduce_sum(self._model(alone(batch, modality), training=False) * part["targets"], axis=-1)
            means.append(tf.math.divide_no_nan(tf.reduce_sum(right * weights), tf.reduce_sum(weights)))
        return tf.stack(means)


def coefficients(confidences: Any, strength: float) -> Any:
    """k = 1 - tanh(strength * rho) where rho > 1, else 1.

    Args:
        confidences: (modalities,) float32. rho is each over the mean of the others.
    """
    import tensorflow as tf

    others = (tf.reduce_sum(confidences) - confidences) / (confidences.shape[0] - 1)
    ratios = tf.math.divide_no_nan(confidences, others)
    return tf.where(ratios > 1.0, 1.0 - tf.tanh(strength * ratios), 1.0)


def with_noise(gradient: Any, share: Any, seed: Any) -> Any:
    """The gradient of a step that is made smaller, with noise as large as itself; others as they are.

    Args:
        seed: (2,) int32: the same seed, the same noise.
    """
    import tensorflow as tf

    noise = tf.random.stateless_normal(tf.shape(gradient), seed) * tf.math.reduce_std(gradient)
    return gradient + noise * tf.cast(share < 1.0, gradient.dtype)


def alone(batch: Mapping[str, Any], modality: str) -> dict[str, Any]:
    """The batch of tensors without all other modalities."""
    import tensorflow as tf

    others = tuple(name for name in MODALITIES if name != modality)
    return {name: tf.zeros_like(value) if name.startswith(others) else value for name, value in batch.items()}


def presence(batch: Mapping[str, Any], modality: str) -> Any:
    """(n,) float32: 1.0 where the review has it."""
    import tensorflow as tf

    mask = batch[f"{modality}_mask"]
    return tf.reduce_max(tf.reshape(mask, (tf.shape(mask)[0], -1)), axis=1)


def owners_of(parts: Parts, batch: Mapping[str, Any], variables: Sequence[Any]) -> list[int | None]:
    """The place of the modality whose part alone hangs on each variable, else None."""
    import tensorflow as tf

    with tf.GradientTape(persistent=True) as tape:
        _, vectors = parts.read(batch)
    reached = [[slope is not None for slope in tape.gradient(vector, variables)] for vector in vectors]
    return [(by.index(True) if sum(by) == 1 else None) for by in zip(*reached, strict=True)]
