"""Encoders of a history: they turn a short series into one vector.

Each encoder takes (n, steps, 1), the latest step last, and the mask (n, steps); it returns (n, size). Masked steps and
padding on the left never change the result; a review without steps gives zeros.
"""

from typing import Any

import keras
from keras import ops

LENGTH = 3  # kernel size of a convolution, in steps


@keras.saving.register_keras_serializable(package="automm")
class Recurrent(keras.layers.Layer):
    """A gated recurrent unit that skips masked steps; returns its last state, (n, width).

    Cho et al. 2014, "Learning phrase representations using RNN encoder-decoder", arXiv 1406.1078, in the variant that
    applies the reset gate after the matrix product. Parameters: 3 * width * (width + 3).

    Args:
        width: of the state.
    """

    hyperparameters = ("width",)  # of the search space, `history/width`

    def __init__(self, width: int = 32, **kwargs: Any):
        super().__init__(**kwargs)
        self.width = width
        # cuDNN's kernel accepts padding on the right only.
        self.unit = keras.layers.GRU(width, use_cudnn=False, name="unit")

    def build(self, values_shape: Any, mask_shape: Any = None) -> None:
        self.unit.build(values_shape)

    def call(self, values: Any, mask: Any) -> Any:
        values = ops.where(ops.expand_dims(mask, -1) > 0, values, 0.0)
        return self.unit(values, mask=mask > 0)

    def compute_output_shape(self, values_shape: Any, mask_shape: Any = None) -> Any:
        return (values_shape[0], self.width)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "width": self.width}


@keras.saving.register_keras_serializable(package="automm")
class Convolution(keras.layers.Layer):
    """Two causal convolutions, the second dilated; returns their mean over the real steps and their last step,
    concatenated: (n, 2 * width).

    The smallest temporal convolutional network of Bai, Kolter and Koltun 2018, arXiv 1803.01271, without residual
    blocks; its receptive field is seven steps. The mask is a second channel, which distinguishes a gap from a zero.
    Parameters: (2 * LENGTH + 1) * width + (LENGTH * width + 1) * width.

    Args:
        width: filters of each convolution.
    """

    hyperparameters = ("width",)  # of the search space, `history/width`

    def __init__(self, width: int = 32, **kwargs: Any):
        super().__init__(**kwargs)
        self.width = width
        self.first = keras.layers.Conv1D(width, LENGTH, padding="causal", activation="relu", name="first")
        self.second = keras.layers.Conv1D(
            width, LENGTH, dilation_rate=2, padding="causal", activation="relu", name="second"
        )

    def build(self, values_shape: Any, mask_shape: Any = None) -> None:
        self.first.build((*values_shape[:-1], values_shape[-1] + 1))
        self.second.build((*values_shape[:-1], self.width))

    def call(self, values: Any, mask: Any) -> Any:
        mask = ops.expand_dims(mask, -1)
        hidden = self.first(ops.concatenate([ops.where(mask > 0, values, 0.0), mask], axis=-1)) * mask
        hidden = self.second(hidden) * mask
        mean = ops.sum(hidden, axis=1) / ops.maximum(ops.sum(mask, axis=1), 1.0)
        return ops.concatenate([mean, hidden[:, -1]], axis=-1)

    def compute_output_shape(self, values_shape: Any, mask_shape: Any = None) -> Any:
        return (values_shape[0], 2 * self.width)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "width": self.width}


HISTORIES: dict[str, Any] = {"gru": Recurrent, "convolution": Convolution}
