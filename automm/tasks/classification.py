"""Classification: predict one of several labels for each review."""

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from automm.tasks.base import LARGER, SMALLER, Metric, Scorer, Task

MANY = 100  # classes; above, what costs time or space for each class is kept small: see docs/limits.md
SMALLEST = 1e-7  # probabilities are clipped here, as in Keras: otherwise one confident mistake has an infinite loss


class Classification(Task):
    """Answers are probabilities of the labels, (n, labels), with sum 1; targets are indices into the label set."""

    name = "classification"
    targets = "labels"
    model = "classifier"
    target = "label"
    head = "softmax"
    loss = "cross_entropy"
    linear = "logistic"
    linear_title = "logistic regression"
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
        """Return {"accuracy", "macro_f1", "loss"}; the loss is the mean cross-entropy in nats."""
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
        """Return the share of each label in the training rows."""
        return np.bincount(targets, minlength=outputs) / len(targets)

    def explained_output(self, answers: np.ndarray) -> np.ndarray:
        """Return the index of the most probable label."""
        return np.asarray(answers.argmax(axis=1))

    def record(self, answer: np.ndarray, labels: Sequence[str]) -> dict[str, Any]:
        """Return {"label": the most probable label, "probabilities": {label: probability}}."""
        probabilities = {label: round(float(p), 7) for label, p in zip(labels, answer, strict=True)}
        return {"label": labels[int(answer.argmax())], "probabilities": probabilities}

    @property
    def record_types(self) -> dict[str, type]:
        return {"label": str, "probabilities": dict}


def confusion(labels: np.ndarray, predicted: np.ndarray, classes: int) -> np.ndarray:
    """Return the confusion matrix, (classes, classes) int64 counts: rows are true classes, columns predicted ones."""
    return np.bincount(labels * classes + predicted, minlength=classes * classes).reshape(classes, classes)


def macro_f1(labels: np.ndarray, predicted: np.ndarray, classes: int) -> float:
    """Return the mean over the classes of 2 TP / (2 TP + FP + FN).

    A class without reviews that is never predicted is left out, as in scikit-learn by default. No confusion matrix is
    built: it would have a million cells for a thousand classes.

    Args:
        labels, predicted: (n,) positions in the label set.
    """
    right = np.bincount(labels[labels == predicted], minlength=classes).astype(np.float64)
    total = np.bincount(labels, minlength=classes) + np.bincount(predicted, minlength=classes)
    present = total > 0
    return float((2 * right[present] / total[present]).mean())


class _Scores:
    """A `Scorer` of labels; predictions, correct predictions and losses are computed once."""

    def __init__(self, labels: np.ndarray, answers: Sequence[np.ndarray], objective: str):
        self._objective, self._classes = objective, answers[0].shape[1]
        self._labels = labels
        self._predicted = np.stack([probabilities.argmax(axis=1) for probabilities in answers])  # (candidates, n)
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
