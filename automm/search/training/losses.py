"""Losses by the name that a task uses, and the weight of each row in them."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import numpy as np

from automm.search.training.options import Options

# From the inverse frequency of a class to its weight.
CLASS_WEIGHTS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "square_root": np.sqrt,
    "inverse": np.asarray,
    "none": np.ones_like,
}


class Loss(ABC):
    """A loss, with the preparation of its targets and row weights."""

    @abstractmethod
    def prepare(self, targets: np.ndarray, train: np.ndarray, outputs: int, options: Options) -> np.ndarray:
        """Return the prepared targets, (all rows, ...) float32.

        Args:
            targets: (all rows,), in the form of the task.
            train: the training rows of all folds.
            outputs: the number of outputs of a model.
        """

    @abstractmethod
    def weights(self, targets: np.ndarray, train: np.ndarray, outputs: int, options: Options) -> np.ndarray:
        """Return row weights, (all rows,) float32, with mean 1 over `train`, the training rows of one fold."""

    @abstractmethod
    def of_rows(self, prepared: Any, answers: Any, options: Options) -> Any:
        """Return the loss of each row, (n,) float32.

        Args:
            prepared: tensor of n rows from `prepare`.
            answers: (n, outputs) tensor of model outputs.
        """


class CrossEntropy(Loss):
    """Cross-entropy of one label, with optional class weights, label smoothing and focal loss."""

    def prepare(self, targets: np.ndarray, train: np.ndarray, outputs: int, options: Options) -> np.ndarray:
        return smoothed(np.eye(outputs, dtype=np.float32)[targets], options.label_smoothing)

    def weights(self, targets: np.ndarray, train: np.ndarray, outputs: int, options: Options) -> np.ndarray:
        return row_weights(targets, train, outputs, options.class_weights)

    def of_rows(self, prepared: Any, answers: Any, options: Options) -> Any:
        return cross_entropy(prepared, answers, options.focal_gamma)


class Huber(Loss):
    """Huber loss of one number."""

    def prepare(self, targets: np.ndarray, train: np.ndarray, outputs: int, options: Options) -> np.ndarray:
        return scaled(targets, train)

    def weights(self, targets: np.ndarray, train: np.ndarray, outputs: int, options: Options) -> np.ndarray:
        return np.ones(len(targets), np.float32)

    def of_rows(self, prepared: Any, answers: Any, options: Options) -> Any:
        return huber(prepared, answers)


LOSSES: dict[str, Loss] = {"cross_entropy": CrossEntropy(), "huber": Huber()}


def cross_entropy(targets: Any, probabilities: Any, gamma: float = 0.0) -> Any:
    """Return -sum of target * (1 - p) ** gamma * log(p), (n,) float32, in nats.

    Args:
        targets: (n, classes) float32, one-hot or soft.
        probabilities: (n, classes) float32; they are clipped at 1e-7.
        gamma: gamma of the focal loss (Lin et al. 2017, arXiv 1708.02002); 0 is plain cross-entropy.
    """
    import tensorflow as tf

    probabilities = tf.clip_by_value(probabilities, 1e-7, 1.0)
    terms = targets * tf.math.log(probabilities)
    if gamma:
        # For gamma < 1, the gradient of the power is infinite at p = 1.
        terms *= tf.pow(tf.maximum(1.0 - probabilities, 1e-7), gamma)
    return -tf.reduce_sum(terms, axis=-1)


def smoothed(targets: np.ndarray, share: float) -> np.ndarray:
    """Return the targets, (n, classes) float32, with `share` of each spread evenly over all classes."""
    return (targets * (1.0 - share) + share / targets.shape[1]).astype(np.float32)


def row_weights(labels: np.ndarray, train: np.ndarray, classes: int, how: str = "square_root") -> np.ndarray:
    """Return row weights from class frequencies in the training rows, (all rows,) float32, with mean 1 over these.

    Args:
        how: "square_root": the square root of the inverse frequency, so that three rows of a rare class do not outweigh
            a hundred others; "inverse": all classes have the same total weight; "none": all rows have the same weight.
    """
    counts = np.bincount(labels[train], minlength=classes).astype(np.float64)
    by_class = CLASS_WEIGHTS[how](len(train) / (classes * np.maximum(counts, 1.0)))
    weights = by_class[labels]
    return (weights / weights[train].mean()).astype(np.float32)


def huber(targets: Any, answers: Any) -> Any:
    """Return the Huber loss, (n,) float32: e**2 / 2 if the scaled error e is below 1, else |e| - 1/2 (Huber 1964).

    It limits the influence of outliers.

    Args:
        targets: (n, 2) float32 from `scaled`: the number, and the factor of its error.
        answers: (n, 1) float32.
    """
    import tensorflow as tf

    error = tf.abs((answers[:, 0] - targets[:, 0]) * targets[:, 1])
    return tf.where(error < 1.0, 0.5 * error * error, error - 0.5)


def scaled(values: np.ndarray, train: np.ndarray) -> np.ndarray:
    """Return (all rows, 2) float32: each number, and 1 / the standard deviation over the training rows."""
    deviation = float(values[train].std()) or 1.0
    return np.stack([values, np.full_like(values, 1.0 / deviation)], axis=1).astype(np.float32)
