"""A small residual CNN that is trained from random weights.

It normalises groups of channels of one picture (Wu and He 2018, "Group normalization", arXiv 1803.08494), not a batch.
Batch statistics would include the zero pictures that pad reviews: a masked picture would change the output of others,
and the moving averages of inference would differ from the statistics of training.
"""

import math
from typing import Any

import keras

GROUPS = 8


def residual_cnn(size: int, filters: int, depth: int) -> Any:
    """Build stages of one block each; every stage but the first halves the map and doubles its features.

    Blocks are those of He, Zhang, Ren and Sun 2016, "Identity mappings in deep residual networks", arXiv 1603.05027,
    figure 4 e: normalisation and ReLU come before each convolution.

    Args:
        size: of a picture, in pixels.
        filters: of the first stage.
        depth: number of stages.

    Returns:
        A model from (n, size, size, 3) float32 to (n, cells, cells, filters * 2 ** (depth - 1)) float32.
    """
    pictures = keras.Input((size, size, 3), name="pictures")
    x = _convolution(filters, 3, 2, name="stem")(pictures)
    for stage in range(depth):
        x = _block(x, filters * 2**stage, 1 if stage == 0 else 2, f"stage_{stage + 1}")
    x = _normalised(x, "last")
    return keras.Model(pictures, x, name="residual")


def _block(x: Any, filters: int, stride: int, name: str) -> Any:
    normalised = _normalised(x, f"{name}_1")
    shortcut = x
    if stride != 1 or x.shape[-1] != filters:
        shortcut = _convolution(filters, 1, stride, name=f"{name}_shortcut")(normalised)
    y = _convolution(filters, 3, stride, name=f"{name}_conv_1")(normalised)
    y = _convolution(filters, 3, 1, name=f"{name}_conv_2")(_normalised(y, f"{name}_2"))
    return keras.layers.Add(name=f"{name}_add")([shortcut, y])


def _normalised(x: Any, name: str) -> Any:
    groups = math.gcd(GROUPS, x.shape[-1])
    return keras.layers.ReLU(name=f"{name}_relu")(keras.layers.GroupNormalization(groups, name=f"{name}_norm")(x))


def _convolution(filters: int, kernel: int, stride: int, name: str) -> Any:
    return keras.layers.Conv2D(
        filters, kernel, stride, padding="same", use_bias=False, kernel_initializer="he_normal", name=name
    )
