"""CNNs that a trial trains from their first weights, by the point that names them."""

from collections.abc import Callable, Mapping
from typing import Any

import autokeras as ak
import keras
import keras_tuner

from automm.models.cnn.pixels import FROZEN, PixelEncoder
from automm.models.cnn.residual import residual_cnn
from automm.models.towers import image_how


def convolution(values: Mapping[str, Any]) -> Any:
    """AutoKeras' ConvBlock, once a stage, of which each has twice the filters of the one before.

    A stage is a convolution with ReLU and a maximum over squares of `kernel - 1` pixels.
    """
    size, filters = values["image/size"], values["image/filters"]
    pictures = keras.Input((size, size, 3), name="pictures")
    hp, x = keras_tuner.HyperParameters(), pictures  # nothing is left open, so that the block asks it for nothing
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
    """Ours: AutoKeras' ResNetBlock is one of keras.applications' ResNets, of 24 million parameters and more, whose
    batch normalisation would mix the pictures of reviews with those that fill them up, and it always has two
    hyperparameters of its own."""
    return residual_cnn(values["image/size"], values["image/filters"], values["image/depth"])


BACKBONES: dict[str, Callable[[Mapping[str, Any]], Any]] = {"convolution": convolution, "residual": residual}


def pixel_encoder(values: Mapping[str, Any]) -> PixelEncoder | None:
    """The picture encoder that a point trains; None where its pictures are frozen features.

    Args:
        values: of the point, with `image/source`.
    """
    if values["image/source"] == FROZEN:
        return None
    backbone = BACKBONES[values["image/source"]](values)
    return PixelEncoder(backbone, image_how(values), values["image/augmentation"], name="image_cnn")
