"""Fusions that look at every word piece and every picture cell, not at one vector a modality."""

import math
from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from automm.models.fusion.base import dense
from automm.models.masks import real_ones
from automm.models.pooling.set_transformer import AttentionBlock

HEADS = 4  # of all attention, where `width` can be shared among so many


class SequenceFusion(keras.layers.Layer):
    """Base: a sequence a modality, (n, places_i, features_i), and its mask, (n, places_i), in; one vector out.

    A modality may also come as one vector, (n, features_i), which is a sequence of one place, there where any place of
    its mask, (n,) or (n, steps), is. What is masked never changes the result, NaN in its place included. Each element
    is projected to `width` and normalised first: states of encoders come as they are.

    Args:
        width: of all that goes on inside, and of a modality's part of what comes out.
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

    def entered(self, sequences: Sequence[Any], masks: Sequence[Any]) -> tuple[list[Any], list[Any]]:
        """(n, places_i, width) and its mask (n, places_i) float32, each."""
        pairs = [_as_sequence(*pair) for pair in zip(sequences, masks, strict=True)]
        given = zip(pairs, self.projections, self.norms, strict=True)
        return [norm(projection(real_ones(*pair))) for pair, projection, norm in given], [mask for _, mask in pairs]

    def unimodal(self, given: Sequence[Any]) -> list[Any]:
        """What each modality has become before it meets the others: the mean of its elements, (n, width) each.

        Args:
            given: all sequences, then all masks.
        """
        half = len(given) // 2
        entered, masks = self.entered(given[:half], given[half:])
        return [mean_of_elements(values, mask) for values, mask in zip(entered, masks, strict=True)]

    def attention(self, name: str) -> AttentionBlock:
        """A built block of attention."""
        block = AttentionBlock(math.gcd(self.width, HEADS), self.width, name=name)
        block.build((None, None, self.width))
        return block

    def compute_output_shape(self, sequences_shape: Sequence[Any], masks_shape: Any = None) -> Any:
        return (sequences_shape[0][0], self.width * len(sequences_shape))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "width": self.width}


@keras.saving.register_keras_serializable(package="automm")
class CrossAttention(SequenceFusion):
    """Every element asks those of all other modalities; the mean of the answers a modality, (n, modalities * width).

    As the co-attentional layers of Lu et al. 2019, "ViLBERT", arXiv 1908.02265: queries of one modality, keys and
    values of the other; the block is that of the set transformer. Where the others are absent it gets no answer, and a
    modality alone asks itself. A modality that is absent is zeros.
    Parameters: sum of (features_i + 1) * width, and 5 * (width + 1) * width + 6 * width a modality.
    """

    def build(self, sequences_shape: Sequence[Any], masks_shape: Any = None) -> None:
        super().build(sequences_shape)
        self.blocks = [self.attention(f"attention_{place}") for place in range(len(sequences_shape))]

    def call(self, sequences: Sequence[Any], masks: Sequence[Any]) -> Any:
        entered, masks = self.entered(sequences, masks)
        places = range(len(entered))
        vectors = []
        for place in places:
            asked = [other for other in places if other != place] or [place]
            answer = self.blocks[place](
                entered[place],
                ops.concatenate([entered[other] for other in asked], axis=1),
                ops.concatenate([masks[other] for other in asked], axis=1),
            )
            vectors.append(mean_of_elements(answer, masks[place]))
        return ops.concatenate(vectors, axis=-1)


@keras.saving.register_keras_serializable(package="automm")
class Bottleneck(SequenceFusion):
    """Modalities see each other through a few shared tokens only: (n, modalities * width).

    Nagrani et al. 2021, "Attention bottlenecks for multimodal fusion" (MBT), arXiv 2107.00135, equations 8 and 9: in
    each layer a modality's tokens and the bottleneck attend to one another, and the bottlenecks that the modalities
    have made are averaged, over those that are there. What comes out is the state of each modality's [CLS], a
    learned token of its own; zeros where it is absent. The paper averages one classifier's answers to each; here the
    head sees them side by side, as it sees those of other fusions.
    Parameters: sum of (features_i + 1) * width, (tokens + 3 * modalities) * width, and 5 * (width + 1) * width +
    4 * width a modality and layer.

    Args:
        tokens: of the bottleneck; four in the paper.
        layers: in which modalities are fused.
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
        entered, masks = self.entered(sequences, masks)
        present = [ops.max(mask, axis=1)[:, None, None] for mask in masks]
        states = [
            ops.concatenate([ops.repeat(start, rows, axis=0), values], axis=1)
            for start, values in zip(self.starts, entered, strict=True)
        ]
        seen = [ops.concatenate([one, mask, ops.repeat(one, self.tokens, axis=1)], axis=1) for mask in masks]
        shared = ops.repeat(self.bottleneck, rows, axis=0)
        for blocks in self.blocks:
            made = []
            for place, block in enumerate(blocks):
                tokens = ops.concatenate([states[place], shared], axis=1)
                tokens = block(tokens, tokens, seen[place])
                states[place], ours = tokens[:, : -self.tokens], tokens[:, -self.tokens :]
                made.append(ours * present[place])
            count = sum(present)
            shared = ops.where(count > 0, sum(made) / ops.maximum(count, 1.0), shared)
        return ops.concatenate(
            [state[:, 0] * there[:, 0] for state, there in zip(states, present, strict=True)], axis=-1
        )

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "tokens": self.tokens, "layers": self.layers}


def _as_sequence(values: Any, mask: Any) -> tuple[Any, Any]:
    mask = ops.cast(mask, "float32")
    if len(values.shape) == 3:
        return values, mask
    there = ops.expand_dims(mask, -1) if len(mask.shape) == 1 else ops.max(mask, axis=1, keepdims=True)
    return ops.expand_dims(values, 1), there


def mean_of_elements(values: Any, mask: Any) -> Any:
    """(n, places, width) and (n, places) to (n, width); zeros where all is masked."""
    weight = ops.expand_dims(mask, -1)
    return ops.sum(values * weight, axis=1) / ops.maximum(ops.sum(weight, axis=1), 1.0)
