"""Build the CNNs that trials train from scratch."""

from collections.abc import Callable, Mapping
from typing import Any

import autokeras as ak
import keras
import keras_tuner

from automm.models.cnn.pixels import FROZEN, PixelEncoder
from automm.models.cnn.residual import residual_cnn
from automm.models.towers import image_how


def convolution(values: Mapping[str, Any]) -> Any:
    """Build a CNN of stages, each an AutoKeras ConvBlock with twice the filters of the previous stage.

    A stage is a convolution with ReLU and max pooling over squares of `kernel - 1` pixels.
    """
    size, filters = values["image/size"], values["image/filters"]
    pictures = keras.Input((size, size, 3), name="pictures")
    hp, x = keras_tuner.HyperParameters(), pictures  # stays empty: the block below has no open choices
    for stage in range(values["image/depth"]):
        block = ak.ConvBlock(
            kernel_size=values["image/kernel"],
            num_blocks=1,
            num_layers=1,
            filters=filters * 2**stage,
            max_pooling=True,
            separable=False,
            dropout=0.0,
            name=f"stage_{stage + 1}",
        )
        x = block.build(hp, x)
    return keras.Model(pictures, x, name="convolution")


def residual(values: Mapping[str, Any]) -> Any:
    """Build the residual CNN of `models/cnn/residual`.

    AutoKeras' ResNetBlock is not used: it is a ResNet of keras.applications with at least 24 million parameters, its
    batch normalisation would mix real pictures with padding, and it always adds two hyperparameters.
    """
    return residual_cnn(values["image/size"], values["image/filters"], values["image/depth"])


BACKBONES: dict[str, Callable[[Mapping[str, Any]], Any]] = {"convolution": convolution, "residual": residual}


def pixel_encoder(values: Mapping[str, Any]) -> PixelEncoder | None:
    """Build the image encoder that a point trains; None if the point uses frozen features.

    Args:
        values: the values of the point, with `image/source`.
    """
    if values["image/source"] == FROZEN:
        return None
    backbone = BACKBONES[values["image/source"]](values)
    return PixelEncoder(backbone, image_how(values), values["image/augmentation"], name="image_cnn")
