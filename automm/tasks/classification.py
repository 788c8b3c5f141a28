"""One of several labels for each review."""

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from automm.tasks.base import LARGER, SMALLER, Metric, Scorer, Task

MANY = 100  # classes; above, what costs time or space for each class is kept small: see docs/limits.md
SMALLEST = 1e-7  # probabilities are clipped here, as Keras does, so that one sure mistake is not infinitely bad


class Classification(Task):
    """Answers are probabilities of the labels, (n, labels), and add up to 1; targets are places in the label set."""

    name = "classification"
    targets = "labels"
    model = "classifier"
    target = "label"
    head = "softmax"
    loss = "cross_entropy"
    linear = "logistic"
    figure = "confusion"
    metrics: ClassVar[dict[str, Metric]] = {
        "macro_f1": Metric("macro-F1", LARGER),
        "accuracy": Metric("accuracy", LARGER),
        "loss": Metric("loss", SMALLER),
    }
    smooth = "loss"
    loss_unit = "loss (nats)"
    score_unit = "score"
    score_range = (0.0, 1.0)
    options = frozenset(("class_weights", "focal_gamma", "label_smoothing", "mixup", "auxiliary", "modulation"))
    checks = frozenset(("absent_labels", "label_shift", "missing_like_labels", "labels_of_one_word", "labels_in_texts"))

    def outputs(self, labels: Sequence[str]) -> int:
        return len(labels)

    def measure(self, targets: np.ndarray, answers: np.ndarray) -> dict[str, float]:
        """{"accuracy", "macro_f1", "loss"}: loss is the mean cross-entropy in nats; see `macro_f1`."""
        predicted = answers.argmax(axis=1)
        clipped = np.clip(answers[np.arange(len(targets)), targets].astype(np.float64), SMALLEST, 1.0)
        return {
            "accuracy": float((predicted == targets).mean()),
            "macro_f1": macro_f1(targets, predicted, answers.shape[1]),
            "loss": float(-np.log(clipped).mean()),
        }

    def scorer(self, targets: np.ndarray, answers: Sequence[np.ndarray], objective: str) -> Scorer:
        return _Scores(targets, answers, objective)

    def constant(self, targets: np.ndarray, outputs: int) -> np.ndarray:
        """The share of each label in the training rows."""
        return np.bincount(targets, minlength=outputs) / len(targets)

    def explained(self, answers: np.ndarray) -> np.ndarray:
        """The most probable label."""
        return np.asarray(answers.argmax(axis=1))

    def record(self, answer: np.ndarray, labels: Sequence[str]) -> dict[str, Any]:
        """{"label": the most probable one, "probabilities": {label: probability}}."""
        probabilities = {label: round(float(p), 7) for label, p in zip(labels, answer, strict=True)}
        return {"label": labels[int(answer.argmax())], "probabilities": probabilities}

    @property
    def record_types(self) -> dict[str, type]:
        return {"label": str, "probabilities": dict}


def confusion(labels: np.ndarray, predicted: np.ndarray, classes: int) -> np.ndarray:
    """(classes, classes) int64 counts: a row is a true class, a column a predicted one."""
    return np.bincount(labels * classes + predicted, minlength=classes * classes).reshape(classes, classes)


def macro_f1(labels: np.ndarray, predicted: np.ndarray, classes: int) -> float:
    """The mean over the classes of 2 TP / (2 TP + FP + FN).

    A class that has no review and is never predicted is left out, as scikit-learn does by default. No confusion matrix
    is built: it would have a million cells for a thousand classes.

    Args:
        labels, predicted: (n,) places in the label set.
    """
    right = np.bincount(labels[labels == predicted], minlength=classes).astype(np.float64)
    total = np.bincount(labels, minlength=classes) + np.bincount(predicted, minlength=classes)
    present = total > 0
    return float((2 * right[present] / total[present]).mean())


class _Scores:
    """Scores of labels, from predicted labels, hits and losses that are computed once."""

    def __init__(self, labels: np.ndarray, answers: Sequence[np.ndarray], objective: str):
        self._objective, self._classes = objective, answers[0].shape[1]
        self._labels = labels
        self._predicted = np.stack([one.argmax(axis=1) for one in answers])  # (candidates, n)
        self._right = self._predicted == labels
        rows = np.arange(len(labels))
        self._losses = np.stack(
            [-np.log(np.clip(one[rows, labels].astype(np.float64), SMALLEST, 1.0)) for one in answers]
        )

    def scores(self, rows: np.ndarray, candidate: int | None = None) -> np.ndarray:
        chosen = slice(None) if candidate is None else slice(candidate, candidate + 1)
        if self._objective == "val_loss":
            return np.asarray(self._losses[chosen][:, rows].mean(axis=1))
        if self._objective == "val_accuracy":
            return np.asarray(self._right[chosen][:, rows].mean(axis=1))
        labels = self._labels[rows]
        return np.array([macro_f1(labels, predicted, self._classes) for predicted in self._predicted[chosen][:, rows]])
