"""Save the computation for padding pictures: all empty pictures of a batch are computed once."""

from collections.abc import Callable
from typing import Any

import keras
from keras import ops


def compute_empty_once(function: Callable[[Any], Any], pictures: Any, max_images: int | None) -> Any:
    """Return `function(pictures)`, computed only once for all empty pictures (zeros).

    The mask is not used: a black photo is empty too, and gets the function's result for zeros.

    Args:
        function: computes each picture independently: (count, ...) to (count, ...) float32, or a structure of these.
        pictures: (n, ...) numbers.
        max_images: per review. With one, few pictures are empty, and the search for them costs more than it saves.
    """
    if max_images == 1:
        return function(pictures)
    empty = ops.logical_not(ops.any(ops.not_equal(pictures, 0), axis=tuple(range(1, len(pictures.shape)))))
    first = ops.logical_and(empty, ops.equal(ops.cumsum(ops.cast(empty, "int32")), 1))
    computed = ops.logical_or(ops.logical_not(empty), first)
    place = ops.cumsum(ops.cast(computed, "int32")) - 1
    place = ops.where(empty, ops.sum(ops.where(first, place, 0)), place)
    results = function(ops.take(pictures, ops.nonzero(computed)[0], axis=0))
    return keras.tree.map_structure(lambda values: ops.take(values, place, axis=0), results)
