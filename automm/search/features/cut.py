"""A whole model, cut behind its frozen encoders.

What lies before the cut gives the same numbers in every trial and is computed once (`search/features/encoded`); what
lies behind it, the suffix, is trained. Both halves share their layers with the whole model, so training the suffix
trains the whole.
"""

from typing import Any

from automm.models.encoders.halves import with_inputs
from automm.models.encoders.layers import FrozenEncoder
from automm.models.keras_internals import nodes_of_graph
from automm.models.readouts import TOKEN_MASK, is_sequence, of_modality


def cut(model: Any) -> Any:
    """The suffix of a functional model whose encoders are frozen.

    Returns:
        A model of the same layers whose inputs are those read-outs of the encoders (`models/readouts`), or states of
        lower halves, that it uses, and those inputs of the whole model that pass the encoders by, under their own
        names. Token states may have any length.

    Raises:
        ValueError: an encoder is trained, so there is nothing to compute once.
    """
    frontier: list[Any] = []
    names: list[str] = []
    used = {id(tensor) for node in nodes_of_graph(model) for tensor in node.input_tensors}
    used |= {id(tensor) for tensor in model.outputs}
    for layer in model.layers:
        if isinstance(layer, FrozenEncoder):
            if layer.trainable:
                raise ValueError(f"encoder {layer.name!r} is trained; only frozen encoders can be cut off")
            # The layer is shared by many models: its output in this one is found by walking this one's nodes.
            for tensor, name in zip(_outputs_in(model, layer), layer.yields, strict=True):
                if id(tensor) in used:
                    frontier.append(tensor)
                    names.append(name)
    encoded = {id(tensor) for operation in model.operations for tensor in _encoder_inputs(model, operation)}
    for tensor in model.inputs:
        if id(tensor) not in encoded:
            frontier.append(tensor)
            names.append(tensor.name)
    return with_inputs(frontier, names, model.outputs, "suffix", free=[name for name in names if _is_ragged(name)])


def _is_ragged(name: str) -> bool:
    return name == TOKEN_MASK or (is_sequence(name) and bool(of_modality("text", [name])))


def nodes_of(model: Any, layer: Any) -> list[Any]:
    """The places of a layer in this model: it may stand in others too, and knows of all of them."""
    return [node for node in nodes_of_graph(model) if node.operation is layer]


def _outputs_in(model: Any, layer: Any) -> list[Any]:
    (node,) = nodes_of(model, layer)
    return list(node.output_tensors)


def _encoder_inputs(model: Any, operation: Any) -> list[Any]:
    if not isinstance(operation, FrozenEncoder):
        return []
    return [tensor for node in nodes_of(model, operation) for tensor in node.input_tensors]
