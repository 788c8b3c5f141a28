"""A suffix taken apart: what each modality is before it meets the others, the fused vector, and the head."""

from collections.abc import Mapping
from typing import Any

import keras

from automm.data.inputs.modalities import MODALITIES
from automm.search.features.cut import nodes_of


class Parts:
    """Of a suffix with a fusion; its layers are shared, not copied.

    Attributes:
        modalities: in the fusion's order.
        sizes: of their own parts.
    """

    def __init__(self, model: Any):
        inputs = {tensor.name: tensor for tensor in model.inputs}
        self.modalities = [name for name in MODALITIES if f"{name}_mask" in inputs]
        fusion = model.get_layer("fusion")
        (node,) = nodes_of(model, fusion)
        own = fusion.unimodal(node.input_tensors)
        self.sizes = [vector.shape[-1] for vector in own]
        fused, self._head = model.outputs[0], None
        if any(layer.name == "presence" for layer in model.layers):
            (presence,) = nodes_of(model, model.get_layer("presence"))
            (fused,) = presence.output_tensors
            self._head = keras.Model(fused, model.outputs[0])
        self._front = keras.Model(inputs, [fused, *own])

    def read(self, batch: Mapping[str, Any]) -> tuple[Any, list[Any]]:
        """What `answer` takes, and each modality's own part, (n, size) each, as a training step sees them."""
        fused, *own = self._front(batch, training=True)
        return fused, own

    def answer(self, fused: Any) -> Any:
        """(n, classes), of `read`'s first."""
        return fused if self._head is None else self._head(fused, training=True)
