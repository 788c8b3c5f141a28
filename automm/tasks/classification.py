"""Classification: predict one of several labels for each review."""

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from automm.tasks.base import LARGER, SMALLER, Detailed, Metric, Task, Terms

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
        "macro_f1": Metric("macro-F1", LARGER, of_labels=True, by_class=True),
        "accuracy": Metric("accuracy", LARGER, of_labels=True),
        "loss": Metric("loss", SMALLER),
    }
    published: ClassVar[dict[str, Metric]] = {
        "accuracy": metrics["accuracy"],
        "balanced_accuracy": Metric("balanced accuracy", LARGER, of_labels=True, by_class=True),
        "macro_f1": metrics["macro_f1"],
        "weighted_f1": Metric("weighted F1", LARGER, of_labels=True),
        "auroc": Metric("AUROC", LARGER, by_class=True),
        "average_precision": Metric("average precision", LARGER, by_class=True),
        "log_loss": Metric("log loss", SMALLER),
        "brier": Metric("Brier score", SMALLER),
        "calibration_error": Metric("calibration error", SMALLER),
        "quadratic_kappa": Metric("quadratic kappa", LARGER, of_labels=True),
    }
    has_probabilities = True
    smooth = "loss"
    loss_unit = "loss (nats)"
    score_unit = "score"
    score_range = (0.0, 1.0)
    options = frozenset(("class_weights", "focal_gamma", "label_smoothing"))
    checks = frozenset(("absent_labels", "label_shift", "missing_like_labels", "labels_of_one_word", "labels_in_texts"))

    def outputs(self, labels: Sequence[str]) -> int:
        return len(labels)

    def measure(self, targets: np.ndarray, answers: np.ndarray) -> dict[str, float]:
        """Return {"accuracy", "macro_f1", "loss"}; the loss is the mean cross-entropy in nats."""
        predicted = answers.argmax(axis=1)
        return {
            "accuracy": float((predicted == targets).mean()),
            "macro_f1": macro_f1(targets, predicted, answers.shape[1]),
            "loss": float(self.smooth_loss(self.smooth_inputs(targets, answers))),
        }

    def detailed(
        self,
        targets: np.ndarray,
        answers: np.ndarray,
        decided: np.ndarray,
        labels: Sequence[str],
        *,
        each_label: bool = True,
    ) -> Detailed:
        from automm.tasks.label_metrics import detailed

        return detailed(targets, answers, decided.argmax(axis=1), labels, each_label=each_label)

    def terms(self, metric: str, targets: np.ndarray, answers: np.ndarray) -> Terms:
        """Return the terms of a mean; for macro-F1, of 2 * classes sums: correct reviews, then true and predicted."""
        if metric == "loss":
            return Terms.of_mean(_cross_entropy(self.smooth_inputs(targets, answers)))
        predicted, classes = answers.argmax(axis=1), answers.shape[1]
        right = (predicted == targets).astype(np.float64)
        if metric == "accuracy":
            return Terms.of_mean(right)
        ones = np.ones(len(targets))
        columns = np.stack([targets, classes + targets, classes + predicted], axis=1)
        return Terms(columns, np.stack([right, ones, ones], axis=1), 2 * classes)

    def from_sums(self, metric: str, sums: np.ndarray) -> np.ndarray:
        if metric != "macro_f1":
            return np.asarray(sums[1] / sums[0])
        right, total = np.split(sums, 2)
        present = total > 0
        scores = np.divide(2 * right, total, out=np.zeros_like(total), where=present)
        return np.asarray(scores.sum(axis=0) / present.sum(axis=0))

    def smooth_inputs(self, targets: np.ndarray, answers: np.ndarray) -> np.ndarray:
        """Return the probabilities of the true labels."""
        return np.asarray(answers[np.arange(len(targets)), targets].astype(np.float64))

    def smooth_loss(self, inputs: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
        return np.asarray(np.average(_cross_entropy(inputs), axis=-1, weights=weights))

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


def _cross_entropy(probabilities: np.ndarray) -> np.ndarray:
    return np.asarray(-np.log(np.clip(probabilities, SMALLEST, 1.0)))
