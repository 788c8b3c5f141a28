"""What a CNN that a trial trains from pixels costs, counted from its layers before anything is trained."""

import math
from dataclasses import dataclass
from typing import Any

from automm.models.cnn.pixels import FROZEN
from automm.search.space.table import Space
from automm.search.training.pixels import BACKBONES

# Measured on two busy cores, and rounded up.
OPERATIONS_A_SECOND = 1.5e10
SECONDS_A_PIXEL = 5e-8  # of a stored picture, to read it and make it smaller
BACKWARDS = 3  # an update's operations over those of a pass forwards
BYTES = 4  # a number


@dataclass(frozen=True)
class PixelCost:
    """Of the dearest CNN of one source.

    Attributes:
        point: its hyperparameters `image/...`.
        parameters: of the CNN.
        operations: products and sums of a pass forwards, a picture.
        activations: numbers that a picture leaves for the pass backwards.
        image_size: of the stored pictures.
    """

    point: dict[str, Any]
    parameters: int
    operations: int
    activations: int
    image_size: int

    @property
    def seconds(self) -> float:
        """Of one picture in one update; those that fill a review up count."""
        return BACKWARDS * self.operations / OPERATIONS_A_SECOND + SECONDS_A_PIXEL * self.image_size**2

    def memory(self, pictures: int) -> int:
        """Bytes of a batch of so many pictures while its update is computed: their activations and themselves."""
        return BYTES * pictures * (self.activations + 3 * self.image_size**2)


def pixel_costs(space: Space, image_size: int) -> dict[str, PixelCost]:
    """The CNN with the most operations, by source; frozen features are none.

    More pixels, stages and filters are dearer. A larger kernel is not always: its pooling makes the maps smaller.

    Args:
        image_size: of the stored pictures.
    """
    return {source: _dearest(space, source, image_size) for source in space["image/source"] if source != FROZEN}


def _dearest(space: Space, source: str, image_size: int) -> PixelCost:
    largest = {name: max(space[name]) for name in ("image/size", "image/depth", "image/filters")}
    kernels = space["image/kernel"] if source == "convolution" else (None,)
    named = (
        {"image/source": source, **largest} | ({} if kernel is None else {"image/kernel": kernel}) for kernel in kernels
    )
    return max((cost_of(point, image_size) for point in named), key=lambda cost: cost.operations)


def cost_of(point: dict[str, Any], image_size: int) -> PixelCost:
    """Of the CNN that a point names."""
    backbone = BACKBONES[point["image/source"]](point)
    activations = sum(math.prod(layer.output.shape[1:]) for layer in backbone.layers)
    return PixelCost(point, backbone.count_params(), operations(backbone), activations, image_size)


def operations(backbone: Any) -> int:
    """Products and sums of the convolutions, a picture; the rest is little beside them."""
    kernels = ((layer, getattr(layer, "kernel", None)) for layer in backbone.layers)
    return sum(
        2 * math.prod(kernel.shape) * math.prod(layer.output.shape[1:-1])
        for layer, kernel in kernels
        if kernel is not None
    )
