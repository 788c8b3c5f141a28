"""What training minimizes, by the name that a task gives it, and the weight of each row in it."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import numpy as np

from automm.search.training.options import Options

# Weight of a class, from its inverse frequency.
CLASS_WEIGHTS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "square_root": np.sqrt,
    "inverse": np.asarray,
    "none": np.ones_like,
}


class Loss(ABC):
    """A loss over what a model gives, with what it needs of the rows."""

    @abstractmethod
    def prepare(self, targets: np.ndarray, train: np.ndarray, outputs: int, options: Options) -> np.ndarray:
        """What is learned of each row, (all rows, ...) float32.

        Args:
            targets: (all rows,), as the task has them.
            train: the training rows of all folds.
            outputs: how many numbers a model gives for a row.
        """

    @abstractmethod
    def weights(self, targets: np.ndarray, train: np.ndarray, outputs: int, options: Options) -> np.ndarray:
        """(all rows,) float32, their mean over the training rows of one fold 1."""

    @abstractmethod
    def of_rows(self, prepared: Any, answers: Any, options: Options) -> Any:
        """(n,) float32, from tensors of n rows: what `prepare` gave and what the model gives, (n, outputs)."""


class CrossEntropy(Loss):
    """Of one label; classes may be weighted, labels smoothed, and the loss focal."""

    def prepare(self, targets: np.ndarray, train: np.ndarray, outputs: int, options: Options) -> np.ndarray:
        return smoothed(np.eye(outputs, dtype=np.float32)[targets], options.label_smoothing)

    def weights(self, targets: np.ndarray, train: np.ndarray, outputs: int, options: Options) -> np.ndarray:
        return row_weights(targets, train, outputs, options.class_weights)

    def of_rows(self, prepared: Any, answers: Any, options: Options) -> Any:
        return cross_entropy(prepared, answers, options.focal_gamma)


class Huber(Loss):
    """Of one number."""

    def prepare(self, targets: np.ndarray, train: np.ndarray, outputs: int, options: Options) -> np.ndarray:
        return scaled(targets, train)

    def weights(self, targets: np.ndarray, train: np.ndarray, outputs: int, options: Options) -> np.ndarray:
        return np.ones(len(targets), np.float32)

    def of_rows(self, prepared: Any, answers: Any, options: Options) -> Any:
        return huber(prepared, answers)


LOSSES: dict[str, Loss] = {"cross_entropy": CrossEntropy(), "huber": Huber()}


def cross_entropy(targets: Any, probabilities: Any, gamma: float = 0.0) -> Any:
    """(n,) float32, in nats: -sum of target * (1 - p) ** gamma * log(p).

    Args:
        targets: (n, classes) float32, one-hot or soft.
        probabilities: (n, classes) float32, clipped at 1e-7.
        gamma: of the focal loss (Lin et al. 2017, arXiv 1708.02002); 0 is plain cross-entropy.
    """
    import tensorflow as tf

    probabilities = tf.clip_by_value(probabilities, 1e-7, 1.0)
    terms = targets * tf.math.log(probabilities)
    if gamma:
        # At p = 1 the slope of a power below 1 is infinite.
        terms *= tf.pow(tf.maximum(1.0 - probabilities, 1e-7), gamma)
    return -tf.reduce_sum(terms, axis=-1)


def smoothed(targets: np.ndarray, share: float) -> np.ndarray:
    """(n, classes) targets, `share` of each spread evenly over all classes."""
    return (targets * (1.0 - share) + share / targets.shape[1]).astype(np.float32)


def row_weights(labels: np.ndarray, train: np.ndarray, classes: int, how: str = "square_root") -> np.ndarray:
    """(all rows,) float32: by the inverse class frequency in the training rows, their mean over these 1.

    Args:
        how: "square_root" keeps three rows of a rare class from outweighing a hundred others; "inverse" gives all
            classes the same total weight; "none" all rows the same.
    """
    counts = np.bincount(labels[train], minlength=classes).astype(np.float64)
    by_class = CLASS_WEIGHTS[how](len(train) / (classes * np.maximum(counts, 1.0)))
    weights = by_class[labels]
    return (weights / weights[train].mean()).astype(np.float32)


def huber(targets: Any, answers: Any) -> Any:
    """(n,) float32: e**2 / 2 where the scaled error e is below 1, else |e| - 1/2 (Huber 1964): outliers pull less.

    Args:
        targets: (n, 2) float32 of `scaled`: the number, and the factor of its error.
        answers: (n, 1) float32.
    """
    import tensorflow as tf

    error = tf.abs((answers[:, 0] - targets[:, 0]) * targets[:, 1])
    return tf.where(error < 1.0, 0.5 * error * error, error - 0.5)


def scaled(values: np.ndarray, train: np.ndarray) -> np.ndarray:
    """(all rows, 2) float32: each number, and one over the standard deviation of the training rows'."""
    deviation = float(values[train].std()) or 1.0
    return np.stack([values, np.full_like(values, 1.0 / deviation)], axis=1).astype(np.float32)
