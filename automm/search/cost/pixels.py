"""Estimate the cost of the CNNs that trials train from pixels, by counting the operations of their layers."""

import math
from dataclasses import dataclass
from typing import Any

from automm.models.cnn.pixels import FROZEN
from automm.search.space.table import Space
from automm.search.training.pixels import BACKBONES

# Measured on two busy cores; costs are rounded up.
OPERATIONS_A_SECOND = 1.5e10
SECONDS_A_PIXEL = 5e-8  # to read and downscale a stored picture
BACKWARDS = 3  # operations of an update divided by those of a forward pass
BYTES = 4  # per number


@dataclass(frozen=True)
class PixelCost:
    """The cost of one CNN.

    Attributes:
        point: its hyperparameters `image/...`.
        parameters: the parameters of the CNN.
        operations: products and sums of a forward pass, per picture.
        activations: numbers kept for the backward pass, per picture.
        image_size: the size of the stored pictures.
    """

    point: dict[str, Any]
    parameters: int
    operations: int
    activations: int
    image_size: int

    @property
    def seconds(self) -> float:
        """Return the seconds per picture and update; padding pictures cost the same."""
        return BACKWARDS * self.operations / OPERATIONS_A_SECOND + SECONDS_A_PIXEL * self.image_size**2

    def memory(self, pictures: int) -> int:
        """Return the bytes that the pictures of a batch and their activations take during an update."""
        return BYTES * pictures * (self.activations + 3 * self.image_size**2)


def pixel_costs(space: Space, image_size: int) -> dict[str, PixelCost]:
    """Return the cost of the CNN with the most operations, by source; frozen features are left out.

    More pixels, stages and filters always cost more. A larger kernel may cost less, because its pooling makes the
    feature maps smaller.

    Args:
        image_size: the size of the stored pictures.
    """
    return {source: _most_expensive(space, source, image_size) for source in space["image/source"] if source != FROZEN}


def _most_expensive(space: Space, source: str, image_size: int) -> PixelCost:
    largest = {name: max(space[name]) for name in ("image/size", "image/depth", "image/filters")}
    kernels = space["image/kernel"] if source == "convolution" else (None,)
    named = (
        {"image/source": source, **largest} | ({} if kernel is None else {"image/kernel": kernel}) for kernel in kernels
    )
    return max((cost_of(point, image_size) for point in named), key=lambda cost: cost.operations)


def cost_of(point: dict[str, Any], image_size: int) -> PixelCost:
    """Return the cost of the CNN of a point."""
    backbone = BACKBONES[point["image/source"]](point)
    activations = sum(math.prod(layer.output.shape[1:]) for layer in backbone.layers)
    return PixelCost(point, backbone.count_params(), operations(backbone), activations, image_size)


def operations(backbone: Any) -> int:
    """Return the products and sums of the convolutions, per picture; other layers are negligible."""
    kernels = ((layer, getattr(layer, "kernel", None)) for layer in backbone.layers)
    return sum(
        2 * math.prod(kernel.shape) * math.prod(layer.output.shape[1:-1])
        for layer, kernel in kernels
        if kernel is not None
    )
