"""Cut a backbone in two: the lower part is frozen and computed once, the upper part is trained by tier 2.

A backbone is one node of a whole model. A search that trains only its upper layers needs it as two models. They share
the layers of the backbone, and together they compute the same numbers.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras

from automm.errors import ConfigError
from automm.models.encoders.hub.unrolled import Tower
from automm.models.keras_internals import nodes_of_graph, operation_of, run_through_graph

# The share of a transformer's layers (the last two of six), or of a CNN's weights, in the upper part. Training the last
# quarter of BERT gives nine tenths of the gain of training all of it (Lee et al. 2019, arXiv 1911.03090).
UPPER_SHARE = 1 / 3


@dataclass(frozen=True)
class Frontier:
    """A tensor at which a model can be cut.

    Attributes:
        tensor: the layers after it use no other tensor that is computed before it.
        sides: inputs of the model that the layers after it use, for example a padding mask.
        weights_behind: the number of weights of the layers after it.
    """

    tensor: Any
    sides: tuple[Any, ...]
    weights_behind: int

    @property
    def operation(self) -> Any:
        return operation_of(self.tensor)


@dataclass(frozen=True)
class Halves:
    """Two functional models.

    Attributes:
        upper: its inputs are `states`, the output of `lower`, and `sides`.
        sides: names of inputs of the backbone that the upper half needs.
        place: the name of the layer after which the backbone was cut.
    """

    lower: Any
    upper: Any
    sides: tuple[str, ...]
    place: str


def halve_transformer(tower: Tower) -> Halves:
    """Cut a stack of transformer blocks so that the last third of them is the upper part."""
    place, outputs = _place_in_transformer(tower), tower.outputs
    if tower.cells is not None:
        outputs["two_thirds"] = tower.cells(place.tensor)
    return _cut(tower.model, place, outputs if len(outputs) > 1 else outputs["last"])


def halve_cnn(tower: Tower, size: int) -> Halves:
    """Cut a CNN so that the upper part has at most a third of its weights, and works on its coarsest maps only.

    The coarsest maps are the smallest: they are cheap to store and to train on.

    Args:
        size: of a picture, in pixels; the size of the maps depends on it.
    """
    return _cut(tower.model, _place_in_cnn(tower, size), tower.outputs["last"])


def both_places_of_transformer(tower: Tower) -> Any:
    """Return the whole model with the output of `halve_transformer`'s lower half too, as the place 'two_thirds'."""
    tensor = _place_in_transformer(tower).tensor
    return keras.Model(
        tower.model.input, {"two_thirds": tower.cells(tensor) if tower.cells else tensor, **tower.outputs}
    )


def both_places_of_cnn(tower: Tower, size: int) -> Any:
    """Return the whole model with the output of `halve_cnn`'s lower half too: {'two_thirds', 'last'}."""
    return keras.Model(tower.model.inputs[0], {"two_thirds": _place_in_cnn(tower, size).tensor, **tower.outputs})


def _place_in_transformer(tower: Tower) -> Frontier:
    model = keras.Model(tower.model.input, tower.outputs)
    blocks = {id(block) for block in tower.blocks}
    calls = [node for node in nodes_of_graph(model) if id(node.operation) in blocks]
    upper = max(1, round(len(calls) * UPPER_SHARE))
    places = _useful(model)
    if len(calls) > upper:
        wanted = calls[-upper - 1].output_tensors[0]
        places = [place for place in places if place.tensor is wanted] or places
    return places[-1]


def _place_in_cnn(tower: Tower, size: int) -> Frontier:
    model = keras.Model(tower.model.inputs, tower.outputs["last"])
    places = _useful(model)
    picture = (1, size, size, 3)
    shapes = keras.Model(model.inputs, [place.tensor for place in places]).compute_output_shape(picture)
    shapes = shapes if isinstance(shapes, list) else [shapes]
    final = model.compute_output_shape(picture)[1:3]
    most = UPPER_SHARE * sum(_size(layer) for layer in model.layers)
    fitting = [
        (shape[-1], number)
        for number, (place, shape) in enumerate(zip(places, shapes, strict=True))
        if tuple(shape[1:3]) == tuple(final) and place.weights_behind <= most
    ]
    return places[min(fitting)[1]] if fitting else places[-1]


def frontiers(model: Any) -> list[Frontier]:
    """Return every place where a functional model can be cut at one tensor, from its inputs to its output."""
    nodes = nodes_of_graph(model)
    inputs = {id(tensor): tensor for tensor in model.inputs}
    last_use = {id(tensor): len(nodes) for tensor in model.outputs}
    for position, node in enumerate(nodes):
        for tensor in node.input_tensors:
            last_use[id(tensor)] = max(position, last_use.get(id(tensor), 0))
    places: list[Frontier] = []
    alive: dict[int, Any] = {}
    for position, node in enumerate(nodes):
        alive |= {id(tensor): tensor for tensor in node.output_tensors}
        alive = {key: tensor for key, tensor in alive.items() if last_use.get(key, -1) > position}
        computed = [tensor for key, tensor in alive.items() if key not in inputs]
        if len(computed) == 1 and all(computed[0] is not output for output in model.outputs):
            sides = tuple(tensor for key, tensor in inputs.items() if last_use.get(key, -1) > position)
            if places and places[-1].tensor is computed[0]:
                places.pop()  # the same tensor, but now with fewer side inputs
            behind = {id(node.operation): node.operation for node in nodes[position + 1 :]}
            places.append(Frontier(computed[0], sides, sum(_size(operation) for operation in behind.values())))
    return places


def with_inputs(
    tensors: Sequence[Any],
    names: Sequence[str],
    outputs: Any,
    name: str,
    *,
    bare: bool = False,
    free: Sequence[str] = (),
) -> Any:
    """Return the part of a functional model after some of its tensors, as a model with inputs of the given names.

    Its layers are shared, not copied.

    Args:
        tensors: tensors of the model, the new inputs.
        names: of the new inputs.
        outputs: the outputs of the model.
        name: of the new model.
        bare: pass a single input directly, not in a dict.
        free: names of inputs whose first axis after the batch may have any length.
    """
    inner = keras.Model(list(tensors), outputs)
    # Keras chooses the names of the inputs of `inner`. Calling its layers on new inputs gives them our names.
    named = {
        key: keras.Input((None, *tensor.shape[2:]) if key in free else tensor.shape[1:], dtype=tensor.dtype, name=key)
        for key, tensor in zip(names, tensors, strict=True)
    }
    results = run_through_graph(inner, list(named.values()), lambda operation: operation)
    inputs = named[names[0]] if bare and len(named) == 1 else named
    return keras.Model(inputs, results[0] if isinstance(results, list) else results, name=name)


def _size(operation: Any) -> int:
    return sum(math.prod(weight.shape) for weight in getattr(operation, "weights", []))


def _useful(model: Any) -> list[Frontier]:
    """Return the frontiers with weights after them.

    Raises:
        ConfigError: there is none.
    """
    places = [place for place in frontiers(model) if place.weights_behind]
    if not places:
        raise ConfigError(
            f"encoder {model.name} cannot be cut in two: at no place does a single tensor lead to layers with weights. "
            "Set tier2.finalists: 0, and use only 'last' for text.layer and image.stage"
        )
    return places


def _cut(model: Any, place: Frontier, outputs: Any) -> Halves:
    names = [tensor.name for tensor in place.sides]
    # The inputs of a backbone with several inputs have fixed names. Keras numbers a single input anew in each process.
    own = [tensor.name for tensor in model.inputs] if len(model.inputs) > 1 else ["pictures"]
    lower = with_inputs(model.inputs, own, place.tensor, "lower", bare=True)
    upper = with_inputs([place.tensor, *place.sides], ["states", *names], outputs, "upper", bare=True)
    return Halves(lower, upper, tuple(names), place.operation.name)
