"""Cut a whole model behind its frozen encoders.

The frozen part gives the same numbers in every trial and is computed once (`search/features/encoded`). The part behind
it, the suffix, is trained. Both share their layers with the whole model: training the suffix trains the whole model.
"""

from typing import Any

from automm.data.inputs.input_sources import SEQUENCE, TOKEN_MASK, WORDS, source_of_input
from automm.models.encoders.halves import with_inputs
from automm.models.encoders.layers import FrozenEncoder
from automm.models.keras_internals import nodes_of_graph


def extract_suffix(model: Any) -> Any:
    """Return the suffix of a functional model whose encoders are frozen.

    Returns:
        A model of the same layers. Its inputs are the encoders' outputs that it uses, named by their sources
        (`data/inputs/input_sources`), and the inputs of the whole model that no encoder reads, under their own names.
        Token states may have any length.

    Raises:
        ValueError: an encoder is not frozen, so its outputs change during training.
    """
    frontier: list[Any] = []
    names: list[str] = []
    used = {id(tensor) for node in nodes_of_graph(model) for tensor in node.input_tensors}
    used |= {id(tensor) for tensor in model.outputs}
    for layer in model.layers:
        if isinstance(layer, FrozenEncoder):
            if layer.trainable:
                raise ValueError(f"encoder {layer.name!r} is trained; only frozen encoders can be cut off")
            # Many models share the layer, so its output is looked up among the nodes of this model.
            for tensor, name in zip(_outputs_in(model, layer), layer.yields, strict=True):
                if id(tensor) in used:
                    frontier.append(tensor)
                    names.append(name)
    encoded = {id(tensor) for operation in model.operations for tensor in _encoder_inputs(model, operation)}
    for tensor in model.inputs:
        source = source_of_input(tensor.name)
        # Of an encoder that the model lacks, or words that it does not read.
        unread = (source.is_raw or source.how in WORDS) and id(tensor) not in used
        if id(tensor) not in encoded and not unread:
            frontier.append(tensor)
            names.append(tensor.name)
    return with_inputs(frontier, names, model.outputs, "suffix", free=[name for name in names if _is_ragged(name)])


def _is_ragged(name: str) -> bool:
    return source_of_input(name).how in (TOKEN_MASK, SEQUENCE["text"])


def nodes_of(model: Any, layer: Any) -> list[Any]:
    """Return the nodes of a layer in this model; the layer itself lists its nodes in all models that share it."""
    return [node for node in nodes_of_graph(model) if node.operation is layer]


def _outputs_in(model: Any, layer: Any) -> list[Any]:
    (node,) = nodes_of(model, layer)
    return list(node.output_tensors)


def _encoder_inputs(model: Any, operation: Any) -> list[Any]:
    if not isinstance(operation, FrozenEncoder):
        return []
    return [tensor for node in nodes_of(model, operation) for tensor in node.input_tensors]
