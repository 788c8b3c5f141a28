"""EfficientNet-Lite 0, 1 and 2 without their classifier, in plain Keras layers, and their ImageNet weights.

Tan and Le, "EfficientNet", 2019 (arXiv:1905.11946); the Lite variants (tensorflow/tpu, efficientnet/lite) have ReLU6
and no squeeze-and-excitation. KerasHub's EfficientNet does not fit these weights: it pads stride-2 convolutions
symmetrically.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np

from automm.errors import WeightsError
from automm.models.weights.packages import fetch_again
from automm.models.weights.torch_state import read_state_dict


@dataclass(frozen=True)
class Scale:
    """The multipliers of filters (width) and repeats (depth) of a variant, relative to lite0."""

    width: float
    depth: float


@dataclass(frozen=True)
class Stage:
    """A row of table 1 of the paper: blocks with the same kernel and width; `stride` is that of the first block."""

    repeats: int
    kernel: int
    stride: int
    expansion: int
    filters: int


VARIANTS = {"lite0": Scale(1.0, 1.0), "lite1": Scale(1.0, 1.1), "lite2": Scale(1.1, 1.2)}
STAGES = (
    Stage(1, 3, 1, 1, 16),
    Stage(2, 3, 2, 6, 24),
    Stage(2, 5, 2, 6, 40),
    Stage(3, 3, 2, 6, 80),
    Stage(3, 5, 1, 6, 112),
    Stage(4, 5, 2, 6, 192),
    Stage(1, 3, 1, 6, 320),
)
STEM_FILTERS = 32  # Lite scales neither the stem nor the head
HEAD_FILTERS = 1280
EPSILON = 1e-3


def build(variant: str, input_shape: tuple[int | None, int | None, int] = (None, None, 3)) -> keras.Model:
    """Build the network up to its last feature map, with random weights.

    Args:
        variant: one of VARIANTS.
        input_shape: height, width, 3; None for a size that may vary.

    Returns:
        A functional model from (n, height, width, 3), RGB of 0 to 255, which it scales to (x - 127) / 128, to
        (n, ceil(height / 32), ceil(width / 32), 1280).

    Raises:
        WeightsError: an unknown variant.
    """
    if variant not in VARIANTS:
        raise WeightsError(f"no EfficientNet variant {variant!r}. Name one of: {', '.join(VARIANTS)}")
    scale = VARIANTS[variant]
    inputs = keras.Input(input_shape, name="image")
    x = keras.layers.Rescaling(1 / 128.0, -127.0 / 128.0, name="normalize")(inputs)
    x = _conv(x, STEM_FILTERS, 3, 2, "stem")
    number = 0
    for place, stage in enumerate(STAGES):
        fixed = place in (0, len(STAGES) - 1)  # the first and the last stage are not deepened
        for repeat in range(stage.repeats if fixed else math.ceil(stage.repeats * scale.depth)):
            stride = stage.stride if repeat == 0 else 1
            x = _block(x, stage, round_filters(stage.filters, scale.width), stride, f"block{number}")
            number += 1
    x = _conv(x, HEAD_FILTERS, 1, 1, "head")
    return keras.Model(inputs, x, name=f"efficientnet_{variant}")


def round_filters(filters: int, width: float) -> int:
    """Return `filters` times `width`, rounded to a multiple of 8 that is at most 10 % smaller."""
    if width == 1.0:
        return filters
    scaled = filters * width
    rounded = max(8, int(scaled + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * scaled else rounded


def _block(x: Any, stage: Stage, filters: int, stride: int, name: str) -> Any:
    """Build an inverted residual block: expand, depthwise, project; added to its input if the shapes are equal."""
    entry, channels = x, x.shape[-1]
    if stage.expansion != 1:
        x = _conv(x, channels * stage.expansion, 1, 1, f"{name}_expand")
    x = keras.layers.DepthwiseConv2D(
        stage.kernel, stride, padding="same", use_bias=False, name=f"{name}_depthwise_conv"
    )(x)
    x = keras.layers.BatchNormalization(epsilon=EPSILON, name=f"{name}_depthwise_bn")(x)
    x = keras.layers.ReLU(6.0, name=f"{name}_depthwise_relu")(x)
    x = _conv(x, filters, 1, 1, f"{name}_project", relu=False)
    if stride == 1 and channels == filters:
        x = keras.layers.Add(name=f"{name}_add")([x, entry])
    return x


def _conv(x: Any, filters: int, kernel: int, stride: int, name: str, *, relu: bool = True) -> Any:
    x = keras.layers.Conv2D(filters, kernel, stride, padding="same", use_bias=False, name=f"{name}_conv")(x)
    x = keras.layers.BatchNormalization(epsilon=EPSILON, name=f"{name}_bn")(x)
    return keras.layers.ReLU(6.0, name=f"{name}_relu")(x) if relu else x


def load_pretrained(model: keras.Model, path: Path) -> None:
    """Set every variable of a model of `build` from the PyTorch state dict at `path`. Every tensor must be used.

    The classifier (`_fc.*`) and the counters of batch normalisation (`num_batches_tracked`) are skipped.

    Raises:
        WeightsError: the file is unreadable or of another network, or tensors are missing or left over; the model is
            unchanged.
    """
    state = {
        name: array
        for name, array in read_state_dict(path).items()
        if not name.startswith("_fc.") and not name.endswith(".num_batches_tracked")
    }
    wanted = _tensors(model)
    missing = [name for name in wanted if name not in state]
    left = [name for name in state if name not in wanted]
    if missing or left:
        raise WeightsError(
            f"{path} does not fit {model.name}: {len(missing)} tensors missing {missing[:3]}, "
            f"{len(left)} left over {left[:3]}. {fetch_again(path)}"
        )
    try:
        values = {name: arrange(state[name]) for name, (_, arrange) in wanted.items()}
    except ValueError as error:  # a kernel without four axes
        raise WeightsError(f"{path} does not fit {model.name}: {error}. {fetch_again(path)}") from error
    for name, (variable, _) in wanted.items():
        if values[name].shape != tuple(variable.shape):
            raise WeightsError(
                f"{path} does not fit {model.name}: {name} has the shape {values[name].shape}, expected "
                f"{tuple(variable.shape)} for {variable.path}. {fetch_again(path)}"
            )
        if not np.isfinite(values[name]).all():
            raise WeightsError(f"{path}: {name} contains NaN or infinity. {fetch_again(path)}")
    for name, (variable, _) in wanted.items():
        variable.assign(values[name])


Arrange = Callable[[np.ndarray], np.ndarray]


def _tensors(model: keras.Model) -> dict[str, tuple[Any, Arrange]]:
    """Return, for every tensor that the file must have, its variable and the function that reorders its axes."""
    tensors: dict[str, tuple[Any, Arrange]] = {}
    for layer in model.layers:
        name = _torch_name(layer.name)
        if isinstance(layer, keras.layers.DepthwiseConv2D):
            tensors[f"{name}.weight"] = (layer.kernel, _depthwise_axes)
        elif isinstance(layer, keras.layers.Conv2D):
            tensors[f"{name}.weight"] = (layer.kernel, _conv_axes)
        elif isinstance(layer, keras.layers.BatchNormalization):
            tensors[f"{name}.weight"] = (layer.gamma, np.asarray)
            tensors[f"{name}.bias"] = (layer.beta, np.asarray)
            tensors[f"{name}.running_mean"] = (layer.moving_mean, np.asarray)
            tensors[f"{name}.running_var"] = (layer.moving_variance, np.asarray)
    if len(tensors) != len(model.variables):
        raise WeightsError(f"{model.name} was not built by efficientnet_lite.build")
    return tensors


TORCH_PARTS = {
    "expand_conv": "_expand_conv",
    "expand_bn": "_bn0",
    "depthwise_conv": "_depthwise_conv",
    "depthwise_bn": "_bn1",
    "project_conv": "_project_conv",
    "project_bn": "_bn2",
}
TORCH_ENDS = {"stem_conv": "_conv_stem", "stem_bn": "_bn0", "head_conv": "_conv_head", "head_bn": "_bn1"}


def _torch_name(layer: str) -> str:
    """Return a layer's name in the file: 'block3_expand_bn' is '_blocks.3._bn0'; layers without weights keep theirs."""
    block, _, part = layer.partition("_")
    if block.startswith("block") and part in TORCH_PARTS:
        return f"_blocks.{block.removeprefix('block')}.{TORCH_PARTS[part]}"
    return TORCH_ENDS.get(layer, layer)


def _conv_axes(kernel: np.ndarray) -> np.ndarray:
    return kernel.transpose(2, 3, 1, 0)


def _depthwise_axes(kernel: np.ndarray) -> np.ndarray:
    return kernel.transpose(2, 3, 0, 1)
