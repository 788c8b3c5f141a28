"""How good probabilities are: one function for baselines, trials and finalists. Row order never matters."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

SMALLEST = 1e-7  # probabilities are clipped here, as Keras does, so that one sure mistake is not infinitely bad


# By task, in the order in which they are shown, and whether more is better. The first two are the ones that matter.
METRICS_OF = {
    "classification": {"macro_f1": "max", "accuracy": "max", "loss": "min"},
    "regression": {"mae": "min", "rmse": "min", "r2": "max"},
}
METRICS = {name: direction for named in METRICS_OF.values() for name, direction in named.items()}
TITLES = {"macro_f1": "macro-F1", "accuracy": "accuracy", "loss": "loss", "mae": "MAE", "rmse": "RMSE", "r2": "R2"}


@dataclass(frozen=True)
class Interval:
    """A difference of two candidates on the same rows, with its 95 % interval."""

    difference: float
    low: float
    high: float


def measure(labels: np.ndarray, probabilities: np.ndarray) -> dict[str, float]:
    """How good answers are: `measure_labels` of probabilities, `measure_numbers` of a single column.

    Args:
        labels: (n,) integers, or (n,) numbers.
        probabilities: (n, classes) float, or (n, 1): numbers.
    """
    if probabilities.shape[1] == 1:
        return measure_numbers(labels, probabilities[:, 0])
    return measure_labels(labels, probabilities)


def measure_numbers(true: np.ndarray, predicted: np.ndarray) -> dict[str, float]:
    """The mean absolute error, the root of the mean squared one, and the share of the variance that is explained.

    Args:
        true, predicted: (n,) float.

    Returns:
        {"mae", "rmse", "r2"}, the first two in the numbers' own unit; r2 is 0 for their mean, and where they are all
        the same.
    """
    true = true.astype(np.float64)
    errors = predicted.astype(np.float64) - true
    squared, variance = float((errors**2).mean()), float(true.var())
    r2 = 1.0 - squared / variance if variance > 0 else 0.0
    return {"mae": float(np.abs(errors).mean()), "rmse": float(np.sqrt(squared)), "r2": r2}


def measure_labels(labels: np.ndarray, probabilities: np.ndarray) -> dict[str, float]:
    """Accuracy, macro-F1 and loss.

    Args:
        labels: (n,) integers.
        probabilities: (n, classes) float.

    Returns:
        {"accuracy", "macro_f1", "loss"}: macro-F1 over all classes, 0 for one that is never right; loss is the mean
        cross-entropy in nats.
    """
    predicted = probabilities.argmax(axis=1)
    clipped = np.clip(probabilities[np.arange(len(labels)), labels].astype(np.float64), SMALLEST, 1.0)
    return {
        "accuracy": float((predicted == labels).mean()),
        "macro_f1": macro_f1(confusion(labels, predicted, probabilities.shape[1])),
        "loss": float(-np.log(clipped).mean()),
    }


def confusion(labels: np.ndarray, predicted: np.ndarray, classes: int) -> np.ndarray:
    """(classes, classes) int64 counts: a row a true class, a column a predicted one."""
    return np.bincount(labels * classes + predicted, minlength=classes * classes).reshape(classes, classes)


def macro_f1(counts: np.ndarray) -> float:
    """The mean over the classes of 2 TP / (2 TP + FP + FN).

    A class that is neither there nor predicted is left out, as scikit-learn does by default.
    """
    right = np.diag(counts).astype(np.float64)
    total = counts.sum(axis=0) + counts.sum(axis=1)
    present = total > 0
    return float((2 * right[present] / total[present]).mean())


def score(metrics: dict[str, float], objective: str) -> float:
    """The objective's value in `measure`'s result: 'val_macro_f1' reads 'macro_f1'."""
    return metrics[objective.removeprefix("val_")]


def better(first: float, second: float, direction: str) -> bool:
    """Whether `first` is strictly the better score."""
    return first > second if direction == "max" else first < second


def paired_interval(
    labels: np.ndarray,
    first: np.ndarray,
    second: np.ndarray,
    metric: str,
    *,
    rng: np.random.Generator,
    samples: int = 2000,
) -> Interval:
    """`first` minus `second` in a metric of `measure`, by the percentile bootstrap over rows (Efron 1979).

    Args:
        labels: (n,) integers.
        first, second: (n, classes) probabilities of the same rows.
        metric: "accuracy", "macro_f1" or "loss".
    """
    differences = np.empty(samples)
    for place in range(samples):
        rows = rng.integers(0, len(labels), len(labels))
        differences[place] = measure(labels[rows], first[rows])[metric] - measure(labels[rows], second[rows])[metric]
    whole = measure(labels, first)[metric] - measure(labels, second)[metric]
    low, high = np.quantile(differences, [0.025, 0.975])
    return Interval(float(whole), float(low), float(high))


def task_of(scores: Mapping[str, float]) -> str:
    """The task whose metrics these are."""
    return next(task for task, named in METRICS_OF.items() if named.keys() & scores.keys())


def main_metrics(scores: Mapping[str, float]) -> tuple[str, str]:
    """The two that are shown where there is no room for all."""
    first, second, *_ = METRICS_OF[task_of(scores)]
    return first, second


def smooth(scores: Mapping[str, float]) -> float:
    """What has no steps where answers change a little, and is the smaller the better: the loss, or the RMSE."""
    return scores["loss"] if "loss" in scores else scores["rmse"]
