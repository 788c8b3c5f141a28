"""Pictures that fill a review up cost next to nothing: all empty ones are read as one."""

from collections.abc import Callable
from typing import Any

import keras
from keras import ops


def empty_once(function: Callable[[Any], Any], pictures: Any, ways: int | None) -> Any:
    """`function(pictures)`, computed for no more than one of those that are empty (zeros).

    What is empty and what the mask says is not the same: a black photo gets what the function makes of it.

    Args:
        function: of each picture by itself: (count, ...) in, (count, ...) float32 out, or a structure of such.
        pictures: (n, ...) numbers.
        ways: pictures a review. Where it has one, few are empty, and looking for them would cost more than it saves.
    """
    if ways == 1:
        return function(pictures)
    empty = ops.logical_not(ops.any(ops.not_equal(pictures, 0), axis=tuple(range(1, len(pictures.shape)))))
    first = ops.logical_and(empty, ops.equal(ops.cumsum(ops.cast(empty, "int32")), 1))
    kept = ops.logical_or(ops.logical_not(empty), first)
    place = ops.cumsum(ops.cast(kept, "int32")) - 1
    place = ops.where(empty, ops.sum(ops.where(first, place, 0)), place)
    found = function(ops.take(pictures, ops.nonzero(kept)[0], axis=0))
    return keras.tree.map_structure(lambda values: ops.take(values, place, axis=0), found)
