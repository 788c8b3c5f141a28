"""KerasHub's backbones as functional models whose transformer blocks are nodes of the graph.

KerasHub's picture transformers and the towers of CLIP and SigLIP hide their blocks inside one layer, and return what
the family returns. Here each becomes a model of the same layers with the same outputs for all families:

    last     token states (n, length, features), or the cells of pictures (n, height, width, features)
    pooled   the family's own vector (n, features), where it has one: [CLS] of picture transformers, CLIP's projections

Cutting such a model between two blocks gives the halves of tier 2 (`halves`).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from automm.data.inputs.input_sources import LAST
from automm.models.encoders.hub.tower_layers import (
    PatchCells,
    Patches,
    RelativePositions,
    RotaryBlock,
    SavedLayer,
    TokenAt,
)
from automm.models.readouts import POOLED


@dataclass(frozen=True)
class Tower:
    """A backbone that reads one modality.

    Attributes:
        model: functional.
        blocks: its transformer blocks, first block first; () for a CNN.
        shared: whether the blocks run several times with the same weights.
        cells: the layer that makes cells of a transformer's picture states; None for texts and CNNs.
    """

    model: Any
    blocks: tuple[Any, ...] = ()
    shared: bool = False
    cells: Any = None

    @property
    def outputs(self) -> dict[str, Any]:
        """Its output tensors: 'last', and perhaps 'pooled'."""
        model = self.model
        return dict(by_place(model.outputs[0] if isinstance(model, keras.Sequential) else model.output))

    @property
    def width(self) -> int:
        """The number of features at the last place."""
        return int(self.outputs[LAST].shape[-1])


def by_place(outputs: Any) -> dict[str, Any]:
    """Return the outputs of a backbone by place; KerasHub's transformers call the last one `sequence_output`."""
    if not isinstance(outputs, dict):
        return {LAST: outputs}
    return outputs if LAST in outputs else {LAST: outputs["sequence_output"]}


def in_float32(outputs: Mapping[str, Any]) -> dict[str, Any]:
    """Return the outputs of a backbone by place as float32; they are smaller if it computes in a mixed precision."""
    return {place: keras.ops.cast(values, "float32") for place, values in outputs.items()}


def tower_of_texts(key: str, backbone: Any) -> Tower:
    """Return the tower of a text backbone of a family, or of the texts of a joint one."""
    return _TEXT.get(key, _bert)(backbone)


def tower_of_pictures(key: str, backbone: Any) -> Tower:
    """Return the tower of a picture backbone of a family, or of the pictures of a joint one.

    Its input is (n, height, width, 3) float32, scaled as the family wants.
    """
    return _IMAGE.get(key, _cnn)(backbone)


def _bert(backbone: Any) -> Tower:
    layers = list(keras.tree.flatten(backbone.transformer_layers))
    shared = getattr(backbone, "num_layers", len(layers)) != len(layers)  # ALBERT runs the same layers again and again
    return Tower(backbone, tuple(layers), shared)


def _deberta(backbone: Any) -> Tower:
    inputs = _text_inputs("token_ids", "padding_mask")
    states = backbone.embeddings_layer_norm(backbone.token_embedding(inputs["token_ids"]))
    states = backbone.embeddings_dropout(states)
    positions = RelativePositions(backbone.relative_embeddings, name="relative_positions")
    for block in backbone.transformer_layers:
        # The embeddings of relative positions are the same for every block. Computed anew from its states, they are no
        # second tensor between two blocks, at which the model could not be cut.
        states = block(states, rel_embeddings=positions(states), padding_mask=inputs["padding_mask"])
    return Tower(keras.Model(inputs, {LAST: states}), tuple(backbone.transformer_layers))


def _clip_text(backbone: Any) -> Tower:
    tower, inputs = backbone.text_encoder, _text_inputs("token_ids", "padding_mask")
    states = tower.embedding(inputs["token_ids"])
    for block in tower.encoder_layers:
        states = block(states)
    states = tower.layer_norm(states)
    # CLIP looks for the end token by its id. It is the last one that is no padding.
    end = TokenAt("end", name="end")(states, inputs["padding_mask"])
    return Tower(
        keras.Model(inputs, {LAST: states, POOLED: backbone.text_projection(end)}), tuple(tower.encoder_layers)
    )


def _siglip_text(backbone: Any) -> Tower:
    tower, inputs = backbone.text_encoder, _text_inputs("token_ids")
    states = tower.embedding(inputs["token_ids"])
    for block in tower.encoder_layers:
        states = block(states)
    states = tower.post_layer_norm(states)
    pooled = tower.head(TokenAt("last", name="end")(states))
    return Tower(keras.Model(inputs, {LAST: states, POOLED: pooled}), tuple(tower.encoder_layers))


def _vit(backbone: Any) -> Tower:
    encoder = backbone.get_layer("vit_encoder")
    pictures = _pictures(backbone.image_shape)
    embedding = SavedLayer(backbone.get_layer("vit_patching_and_embedding"), name="patches")
    states = encoder.dropout(embedding(pictures))
    prefix = int(backbone.use_class_token)
    patch = backbone.patch_size[0] if isinstance(backbone.patch_size, (tuple, list)) else backbone.patch_size
    blocks = [SavedLayer(block, name=f"block_{number}") for number, block in enumerate(encoder.encoder_layers)]
    return _patches(pictures, states, blocks, encoder.layer_norm, prefix, patch)


def _dinov2(backbone: Any) -> Tower:
    pictures = _pictures(backbone.image_shape)
    states, prefix = backbone.embeddings(pictures), 1 + backbone.num_register_tokens
    return _patches(pictures, states, backbone.encoder.layers, backbone.layernorm, prefix, backbone.patch_size)


def _dinov3(backbone: Any) -> Tower:
    pictures = _pictures(backbone.image_shape)
    states, prefix = backbone.embeddings(pictures), 1 + backbone.num_register_tokens
    cos, sin = backbone.rope_embedding(np.zeros((1, *backbone.image_shape), np.float32))
    blocks = [
        RotaryBlock(block, cos, sin, prefix, name=f"rotary_{number}")
        for number, block in enumerate(backbone.encoder.layers)
    ]
    return _patches(pictures, states, blocks, backbone.layernorm, prefix, backbone.patch_size)


def _clip_image(backbone: Any) -> Tower:
    tower = backbone.vision_encoder
    pictures = _pictures(tower.image_shape)
    states = tower.pre_layer_norm(tower.embedding(pictures))
    # MetaCLIP 2 has this layer outside its tower.
    norm = getattr(tower, "layer_norm", None) or backbone.vision_post_layer_norm
    pooled = backbone.vision_projection
    return _patches(pictures, states, tower.encoder_layers, norm, 1, tower.patch_size, lambda x: pooled(x[0]))


def _siglip_image(backbone: Any) -> Tower:
    tower = backbone.vision_encoder
    pictures = _pictures(tower.image_shape)
    side = int(pictures.shape[1]) // tower.patch_size
    states = Patches(side * side, name="patches")(tower.embedding(pictures))
    norm, head = tower.post_layer_norm, tower.head
    return _patches(pictures, states, tower.encoder_layers, norm, 0, tower.patch_size, lambda x: head(x[1]))


def _patches(
    pictures: Any,
    states: Any,
    blocks: Any,
    norm: Any,
    prefix: int,
    patch: int,
    pool: Callable[[tuple[Any, Any]], Any] | None = None,
) -> Tower:
    """Return the tower of a picture transformer.

    Args:
        pool: computes the pooled output from (the first state, all states); None: the first state, if it is no patch.
    """
    for block in blocks:
        states = block(states)
    states = norm(states)
    cells = PatchCells(prefix, int(pictures.shape[1]) // patch, name="cells")
    first = TokenAt("first", name="first")(states) if prefix else None
    pooled = pool((first, states)) if pool else first
    outputs = {LAST: cells(states)} | ({} if pooled is None else {POOLED: pooled})
    return Tower(keras.Model(pictures, outputs), tuple(blocks), cells=cells)


def _cnn(backbone: Any) -> Tower:
    return Tower(backbone)


def _text_inputs(*names: str) -> dict[str, Any]:
    return {name: keras.Input((None,), dtype="int32", name=name) for name in names}


def _pictures(shape: Any) -> Any:
    return keras.Input(tuple(shape), name="pictures")


_TEXT: dict[str, Callable[[Any], Tower]] = {
    "deberta_v3": _deberta,
    "clip": _clip_text,
    "metaclip_2": _clip_text,
    "siglip": _siglip_text,
}
_IMAGE: dict[str, Callable[[Any], Tower]] = {
    "vit": _vit,
    "dinov2": _dinov2,
    "dinov3": _dinov3,
    "clip": _clip_image,
    "metaclip_2": _clip_image,
    "siglip": _siglip_image,
}
