"""What automm needs of Keras and Keras does not offer in public: no other file reads a private name of it.

Each function has a contract test in `tests/integration/test_platform.py`, so that an upgrade of Keras that breaks one
shows which.
"""

from collections.abc import Callable, Sequence
from typing import Any


def nodes_of_graph(model: Any) -> list[Any]:
    """The calls of layers of which a functional model consists, each after those whose outputs it takes.

    A node has `operation`, `input_tensors` and `output_tensors`. Keras' public `model.operations` says which layers
    there are, but a layer that several models share knows the calls of all of them, and not which belong to this one.
    """
    return [node for depth in sorted(model._nodes_by_depth, reverse=True) for node in model._nodes_by_depth[depth]]


def operation_of(tensor: Any) -> Any:
    """The layer or operation that gives a symbolic tensor. Only the tensor's history names it."""
    return tensor._keras_history.operation


def run_through_graph(model: Any, inputs: Sequence[Any], visit: Callable[[Any], Callable[..., Any]]) -> Any:
    """Call a functional model with another callable in place of each of its operations.

    Keras' public `clone_model` replaces layers by layers with weights of their own. This keeps the weights, and can
    take notes of what an operation is given.

    Args:
        inputs: tensors or arrays, in the order of `model.inputs`.
        visit: operation -> what is called in its place, with the same arguments: of a nested model also `mask` and
            `training`, where its call has recorded them.

    Returns:
        What the model returns, in the structure of its outputs.
    """
    return model._run_through_graph(list(inputs), operation_fn=visit)


def layers_within(layer: Any) -> list[Any]:
    """The layers inside of a layer or model, at all depths, without itself. The public `layers` has one level."""
    return list(layer._flatten_layers(include_self=False, recursive=True))
