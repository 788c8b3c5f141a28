"""Fusions of sequences: they use every word piece and every picture cell, not one vector per modality."""

import math
from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from automm.models.fusion.base import dense
from automm.models.masks import zero_masked
from automm.models.pooling.set_transformer import AttentionBlock

HEADS = 4  # attention heads; fewer if `width` is not a multiple of 4


class SequenceFusion(keras.layers.Layer):
    """Base: fuses one sequence per modality, (n, places_i, features_i), with masks (n, places_i), into one vector.

    A modality may also be one vector, (n, features_i), with a mask (n,) or (n, steps): a sequence of one element, which
    is real if any place of the mask is 1. Masked elements never change the result, even if they are NaN. Each element
    is first projected to `width` and normalised, because the states of encoders are not standardised.

    Args:
        width: of the inner vectors, and of each modality's part of the output.
    """

    hyperparameters: tuple[str, ...] = ("width",)
    of_sequences = True

    def __init__(self, width: int = 128, **kwargs: Any):
        super().__init__(**kwargs)
        self.width = width

    def build(self, sequences_shape: Sequence[Any], masks_shape: Any = None) -> None:
        self.projections = [
            dense(f"projection_{place}", self.width, shape) for place, shape in enumerate(sequences_shape)
        ]
        self.norms = [
            keras.layers.LayerNormalization(epsilon=1e-6, name=f"norm_{place}") for place in range(len(sequences_shape))
        ]
        for norm in self.norms:
            norm.build((None, None, self.width))

    def embedded(self, sequences: Sequence[Any], masks: Sequence[Any]) -> tuple[list[Any], list[Any]]:
        """Project and normalise the sequences: (n, places_i, width) each, and their masks, (n, places_i) float32."""
        pairs = [_as_sequence(*pair) for pair in zip(sequences, masks, strict=True)]
        given = zip(pairs, self.projections, self.norms, strict=True)
        return [norm(projection(zero_masked(*pair))) for pair, projection, norm in given], [mask for _, mask in pairs]

    def attention(self, name: str) -> AttentionBlock:
        """Build an attention block."""
        block = AttentionBlock(math.gcd(self.width, HEADS), self.width, name=name)
        block.build((None, None, self.width))
        return block

    def compute_output_shape(self, sequences_shape: Sequence[Any], masks_shape: Any = None) -> Any:
        return (sequences_shape[0][0], self.width * len(sequences_shape))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "width": self.width}


@keras.saving.register_keras_serializable(package="automm")
class CrossAttention(SequenceFusion):
    """Each modality attends to the elements of all others; returns the mean per modality, (n, modalities * width).

    Like the co-attentional layers of Lu et al. 2019, "ViLBERT", arXiv 1908.02265: queries of one modality, keys and
    values of the others; the block is that of the set transformer. If the others are absent, the attention adds
    nothing; a single modality attends to itself. An absent modality gives zeros.
    Parameters: sum of (features_i + 1) * width, and 5 * (width + 1) * width + 6 * width per modality.
    """

    def build(self, sequences_shape: Sequence[Any], masks_shape: Any = None) -> None:
        super().build(sequences_shape)
        self.blocks = [self.attention(f"attention_{place}") for place in range(len(sequences_shape))]

    def call(self, sequences: Sequence[Any], masks: Sequence[Any]) -> Any:
        embedded, masks = self.embedded(sequences, masks)
        places = range(len(embedded))
        vectors = []
        for place in places:
            others = [other for other in places if other != place] or [place]
            attended = self.blocks[place](
                embedded[place],
                ops.concatenate([embedded[other] for other in others], axis=1),
                ops.concatenate([masks[other] for other in others], axis=1),
            )
            vectors.append(mean_of_elements(attended, masks[place]))
        return ops.concatenate(vectors, axis=-1)


@keras.saving.register_keras_serializable(package="automm")
class Bottleneck(SequenceFusion):
    """Modalities exchange information through a few shared tokens only: (n, modalities * width).

    Nagrani et al. 2021, "Attention bottlenecks for multimodal fusion" (MBT), arXiv 2107.00135, equations 8 and 9: in
    each layer the tokens of a modality and the bottleneck tokens attend to one another, and the resulting bottleneck
    tokens are averaged over the modalities that are present. The output is the state of each modality's learned [CLS]
    token, zeros if the modality is absent. The paper averages a classifier's answers for each state; here the states
    are concatenated for the head, as in other fusions.
    Parameters: sum of (features_i + 1) * width, (tokens + 3 * modalities) * width, and 5 * (width + 1) * width +
    4 * width per modality and layer.

    Args:
        tokens: number of bottleneck tokens; four in the paper.
        layers: number of fusion layers.
    """

    def __init__(self, width: int = 128, tokens: int = 4, layers: int = 2, **kwargs: Any):
        super().__init__(width, **kwargs)
        self.tokens, self.layers = tokens, layers

    def build(self, sequences_shape: Sequence[Any], masks_shape: Any = None) -> None:
        super().build(sequences_shape)
        modalities = range(len(sequences_shape))
        self.blocks = [
            [self.attention(f"attention_{layer}_{place}") for place in modalities] for layer in range(self.layers)
        ]
        learned = {"initializer": keras.initializers.RandomNormal(stddev=0.02)}
        self.bottleneck = self.add_weight(shape=(1, self.tokens, self.width), name="bottleneck", **learned)
        self.starts = [
            self.add_weight(shape=(1, 1, self.width), name=f"cls_{place}", **learned) for place in modalities
        ]

    def call(self, sequences: Sequence[Any], masks: Sequence[Any]) -> Any:
        rows = ops.shape(sequences[0])[0]
        one = ops.ones((rows, 1), "float32")
        embedded, masks = self.embedded(sequences, masks)
        present = [ops.max(mask, axis=1)[:, None, None] for mask in masks]
        states = [
            ops.concatenate([ops.repeat(start, rows, axis=0), values], axis=1)
            for start, values in zip(self.starts, embedded, strict=True)
        ]
        token_masks = [ops.concatenate([one, mask, ops.repeat(one, self.tokens, axis=1)], axis=1) for mask in masks]
        shared = ops.repeat(self.bottleneck, rows, axis=0)
        for blocks in self.blocks:
            bottlenecks = []
            for place, block in enumerate(blocks):
                tokens = ops.concatenate([states[place], shared], axis=1)
                tokens = block(tokens, tokens, token_masks[place])
                states[place], bottleneck = tokens[:, : -self.tokens], tokens[:, -self.tokens :]
                bottlenecks.append(bottleneck * present[place])
            count = sum(present)
            shared = ops.where(count > 0, sum(bottlenecks) / ops.maximum(count, 1.0), shared)
        return ops.concatenate(
            [state[:, 0] * is_present[:, 0] for state, is_present in zip(states, present, strict=True)], axis=-1
        )

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "tokens": self.tokens, "layers": self.layers}


def _as_sequence(values: Any, mask: Any) -> tuple[Any, Any]:
    mask = ops.cast(mask, "float32")
    if len(values.shape) == 3:
        return values, mask
    is_present = ops.expand_dims(mask, -1) if len(mask.shape) == 1 else ops.max(mask, axis=1, keepdims=True)
    return ops.expand_dims(values, 1), is_present


def mean_of_elements(values: Any, mask: Any) -> Any:
    """Average (n, places, width) over the real places, mask (n, places), to (n, width); zeros if all is masked."""
    weight = ops.expand_dims(mask, -1)
    return ops.sum(values * weight, axis=1) / ops.maximum(ops.sum(weight, axis=1), 1.0)
