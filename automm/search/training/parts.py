"""The parts of a suffix: the vector of each modality before the fusion, the fused vector, and the head."""

from collections.abc import Mapping
from typing import Any

import keras

from automm.data.inputs.modalities import masks_of
from automm.models.fusion.similarity import Similarity
from automm.search.features.suffix import nodes_of


class Parts:
    """The parts of a suffix with a fusion; its layers are shared, not copied.

    Attributes:
        modalities: names in the order of the fusion.
        sizes: the sizes of their vectors.

    Raises:
        ValueError: the fusion does not take one vector of each modality.
    """

    def __init__(self, model: Any):
        inputs = {tensor.name: tensor for tensor in model.inputs}
        self.modalities = [modality for modality, mask in masks_of(inputs).items() if mask in inputs]
        fusion = model.get_layer("fusion")
        (node,) = nodes_of(model, fusion)
        vectors = fusion.unimodal(node.input_tensors)
        if any(isinstance(layer, Similarity) for layer in model.layers):
            vectors = vectors[:-1]  # a similarity belongs to two modalities
        if len(vectors) != len(self.modalities):
            names = ", ".join(self.modalities)
            raise ValueError(f"{model.name} fuses {len(vectors)} vectors of {names}, not one of each")
        self.sizes = [vector.shape[-1] for vector in vectors]
        fused, self._head = model.outputs[0], None
        if any(layer.name == "presence" for layer in model.layers):
            (presence,) = nodes_of(model, model.get_layer("presence"))
            (fused,) = presence.output_tensors
            self._head = keras.Model(fused, model.outputs[0])
        self._front = keras.Model(inputs, [fused, *vectors])

    def read(self, batch: Mapping[str, Any]) -> tuple[Any, list[Any]]:
        """Return the input of `answer` and the vector (n, size) of each modality, in training mode."""
        fused, *vectors = self._front(batch, training=True)
        return fused, vectors

    def answer(self, fused: Any) -> Any:
        """Return the prediction (n, classes) from the first result of `read`."""
        return fused if self._head is None else self._head(fused, training=True)
