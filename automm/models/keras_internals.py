"""Private names of Keras and KerasHub that automm needs. No other file uses one.

Each function has a contract test in `tests/integration/test_platform.py`, which fails if an upgrade of Keras breaks it.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any


def nodes_of_graph(model: Any) -> list[Any]:
    """Return the layer calls (nodes) of a functional model in topological order.

    A node has `operation`, `input_tensors` and `output_tensors`. The public `model.operations` lists the layers only: a
    layer that several models share has the nodes of all of them, and does not say which belong to this model.
    """
    return [node for depth in sorted(model._nodes_by_depth, reverse=True) for node in model._nodes_by_depth[depth]]


def operation_of(tensor: Any) -> Any:
    """Return the layer or operation that computes a symbolic tensor. Only the tensor's history has it."""
    return tensor._keras_history.operation


def run_through_graph(model: Any, inputs: Sequence[Any], visit: Callable[[Any], Callable[..., Any]]) -> Any:
    """Call a functional model with another callable in place of each of its operations.

    The public `clone_model` creates layers with new weights. This function keeps the weights, and the callable can
    record the inputs of an operation.

    Args:
        inputs: tensors or arrays, in the order of `model.inputs`.
        visit: returns the callable to use in place of an operation. It gets the same arguments; in place of a nested
            model also `mask` and `training`, if the call of the nested model recorded them.

    Returns:
        The outputs of the model, in its output structure.
    """
    return model._run_through_graph(list(inputs), operation_fn=visit)


def layers_within(layer: Any) -> list[Any]:
    """Return all layers inside a layer or model, at all depths, without itself. The public `layers` has one level."""
    return list(layer._flatten_layers(include_self=False, recursive=True))


def hub_file(preset: str, name: str) -> Path | None:
    """Return the path of a file of a preset on a hub, fetched if needed, or None. Public functions load everything."""
    from keras_hub.src.utils.preset_utils import get_file

    try:
        return Path(get_file(preset, name))
    except FileNotFoundError:
        return None
