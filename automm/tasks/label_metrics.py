"""The metrics of a classification that are published, scikit-learn's where it has them.

It is a module of its own because scikit-learn takes a second to import.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn import metrics

from automm.tasks.base import Detailed

FEWEST_POSITIVES = 10  # reviews of a label, and of all others, that its AUROC and its average precision need
BINS = 15  # of the calibration error
REVIEWS_A_BIN = 20  # fewer bins if they would have fewer reviews


def detailed(
    targets: np.ndarray, probabilities: np.ndarray, predicted: np.ndarray, labels: Sequence[str], *, each_label: bool
) -> Detailed:
    """Return the metrics of `Classification.published`; macro averages leave out labels as in scikit-learn.

    Macro-F1 is over the labels that occur or are predicted, balanced accuracy over those that occur. AUROC and average
    precision are of each label against the rest, averaged over the labels with enough reviews. The Brier score is
    between 0 and 1 for two labels and between 0 and 2 for more.

    Args:
        targets: (n,) indices into the label set.
        probabilities: (n, labels).
        predicted: (n,) indices; with a decision by class not always the most probable labels.
        each_label: whether to compute what is computed label by label; if not, AUROC and average precision are None.
    """
    places, present = np.arange(len(labels)), np.unique(targets)
    of_true = np.minimum(probabilities[np.arange(len(targets)), targets].astype(np.float64), 1.0)
    squares = np.einsum("ij,ij->i", probabilities, probabilities, dtype=np.float64)
    confidences, likeliest = probabilities.max(axis=1).astype(np.float64), probabilities.argmax(axis=1)
    values: dict[str, float | None] = {
        "accuracy": metrics.accuracy_score(targets, predicted),
        "balanced_accuracy": metrics.recall_score(
            targets, predicted, labels=present, average="macro", zero_division=0.0
        ),
        "macro_f1": metrics.f1_score(targets, predicted, average="macro", zero_division=0.0),
        "weighted_f1": metrics.f1_score(targets, predicted, average="weighted", zero_division=0.0),
        "auroc": None,
        "average_precision": None,
        # Of the true label against all others: the same number without a table of (n, labels) zeros and ones.
        "log_loss": metrics.log_loss(np.ones(len(targets)), np.stack([1 - of_true, of_true], axis=1), labels=[0, 1]),
        # Without such a table too: scikit-learn's takes three times as long for a thousand labels.
        "brier": (squares - 2 * of_true + 1).mean() / (2 if len(labels) == 2 else 1),
        "calibration_error": calibration_error(confidences, likeliest == targets),
        "quadratic_kappa": quadratic_kappa(targets, predicted, labels),
    }
    positives = np.bincount(targets, minlength=len(labels))
    averaged = np.minimum(positives, len(targets) - positives) >= FEWEST_POSITIVES
    by_label: dict[str, list[Any]] = {}
    if each_label:
        precision, recall, f1, _ = metrics.precision_recall_fscore_support(
            targets, predicted, labels=places, zero_division=0.0
        )
        by_label = {
            "reviews": positives.tolist(),
            "predicted": np.bincount(predicted, minlength=len(labels)).tolist(),
            "precision": precision.tolist(),
            "recall": recall.tolist(),
            "f1": f1.tolist(),
        }
        for name, measure in (("auroc", metrics.roc_auc_score), ("average_precision", metrics.average_precision_score)):
            scores = [
                measure(targets == place, probabilities[:, place]) if averaged[place] else None for place in places
            ]
            by_label[name] = [None if score is None else float(score) for score in scores]
            values[name] = float(np.mean([score for score in scores if score is not None])) if averaged.any() else None
    few = [label for label, enough in zip(labels, averaged, strict=True) if not enough]
    return Detailed({name: None if value is None else float(value) for name, value in values.items()}, few, by_label)


def quadratic_kappa(targets: np.ndarray, predicted: np.ndarray, labels: Sequence[str]) -> float | None:
    """Return Cohen's kappa with quadratic weights, for labels that are all numbers, in their order (Cohen 1968).

    Neighbouring numbers have distance 1. None for other labels, and if all targets and predictions are the same label.

    Args:
        targets, predicted: (n,) indices into the label set.
    """
    try:
        numbers = [float(label) for label in labels]
    except ValueError:
        return None
    if not np.isfinite(numbers).all() or len(np.union1d(targets, predicted)) < 2:  # of a single label: 0 / 0
        return None
    order = np.argsort(numbers)
    return float(metrics.cohen_kappa_score(targets, predicted, labels=order, weights="quadratic"))


def calibration_error(confidences: np.ndarray, right: np.ndarray) -> float:
    """Return the expected calibration error with equal-mass bins: the mean of |confidence - accuracy| over reviews.

    Bins of equal width leave most reviews in one bin, and are more biased (Roelofs et al. 2022, arXiv 2012.08668). The
    error of a perfectly calibrated model is above 0 by chance: with 50 reviews a bin about 0.05.

    Args:
        confidences: (n,), the probability of the most probable label.
        right: (n,) bool, whether that label is the true one.
    """
    bins = equal_mass_bins(confidences)
    counts = np.bincount(bins)
    gaps = np.abs(np.bincount(bins, confidences) - np.bincount(bins, right.astype(np.float64)))
    return float(gaps[counts > 0].sum() / len(confidences))


def equal_mass_bins(confidences: np.ndarray) -> np.ndarray:
    """Return the bin of each review, (n,) int64: up to BINS bins of equally many reviews, by confidence.

    Equal confidences are in one bin, so the order of the reviews does not matter.
    """
    bins = int(np.clip(len(confidences) // REVIEWS_A_BIN, 1, BINS))
    ranks = np.searchsorted(np.sort(confidences), confidences, side="left")
    return np.asarray(ranks * bins // len(confidences), np.int64)
