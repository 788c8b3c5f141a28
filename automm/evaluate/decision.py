"""Calibrate probabilities with a temperature, and decide labels with a bias for each class.

A temperature (Guo, Pleiss, Sun and Weinberger 2017, arXiv 1706.04599) changes probabilities and no label. A bias for
each class changes labels and no probability: macro-F1 counts all classes equally, and the most probable label is not
the best decision for it (Lipton, Elkan and Naryanaswamy 2014, arXiv 1402.1892).
"""

from collections.abc import Sequence

import numpy as np
from scipy.optimize import minimize_scalar

from automm.tasks.base import LARGER, Task
from automm.tasks.classification import SMALLEST

MOST_CLASSES = 30  # above, the reviews of a class are too few to fit its bias
COLDEST, HOTTEST = 0.5, 4.0  # temperatures; a low one multiplies the rounding of an exported model
WIDEST = 2.5  # the largest bias, in nats
BIASES = np.linspace(-WIDEST, WIDEST, 51)
SMOOTHED = 5  # neighbouring biases whose scores are averaged: a single lucky bias is not chosen
SWEEPS = 2  # over the classes


def logs(probabilities: np.ndarray) -> np.ndarray:
    """Return clipped logarithms of probabilities, float64."""
    return np.asarray(np.log(np.clip(probabilities.astype(np.float64), SMALLEST, 1.0)))


def softmax(scores: np.ndarray) -> np.ndarray:
    """Return probabilities, (n, classes) float32."""
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    return np.asarray((powers / powers.sum(axis=1, keepdims=True)).astype(np.float32))


def tempered(probabilities: np.ndarray, temperature: float) -> np.ndarray:
    """Return softmax(log p / temperature), (n, classes) float32."""
    return softmax(logs(probabilities) / temperature)


def biased(probabilities: np.ndarray, biases: np.ndarray) -> np.ndarray:
    """Return softmax(log p + biases), (n, classes) float32: its largest entry is the decision, it is no probability."""
    return softmax(logs(probabilities) + biases)


def decisions(answers: np.ndarray, biases: Sequence[float]) -> np.ndarray:
    """Return scores of which the largest is the label: `biased`, or the answers themselves if there are no biases."""
    return biased(answers, np.asarray(biases)) if len(biases) else answers


def measured(task: Task, targets: np.ndarray, answers: np.ndarray, decided: np.ndarray) -> dict[str, float]:
    """Compute every metric: those of labels from the decisions, the others from the answers.

    Args:
        answers, decided: (n, outputs); the largest of `decided` is the label.
    """
    found = task.measure(targets, answers)
    if decided is answers:
        return found
    by_label = task.measure(targets, decided)
    return {name: by_label[name] if task.metrics[name].of_labels else value for name, value in found.items()}


def fit_temperature(task: Task, targets: np.ndarray, probabilities: np.ndarray) -> float:
    """Return the temperature with the smallest loss of the true labels, between COLDEST and HOTTEST."""
    scores = logs(probabilities)

    def loss(power: float) -> float:
        answers = softmax(scores / float(np.exp(power)))
        return float(task.smooth_loss(task.smooth_inputs(targets, answers)))

    found = minimize_scalar(loss, bounds=(np.log(COLDEST), np.log(HOTTEST)), method="bounded", options={"xatol": 0.01})
    return float(np.exp(found.x))


def fit_biases(task: Task, metric: str, targets: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """Return the bias of each class with which a metric is best, (classes,) float64, the first class's 0.

    Classes take turns: of one class, every bias in BIASES is tried at once while the others are fixed. Two classes have
    one bias, the threshold.

    Args:
        metric: a metric that depends on the labels only.
    """
    scores, classes = logs(probabilities), probabilities.shape[1]
    sign = 1.0 if task.metrics[metric].direction == LARGER else -1.0
    eye = np.eye(classes)
    terms = [task.terms(metric, targets, np.broadcast_to(one, scores.shape)) for one in eye]
    columns = np.stack([one.columns for one in terms])  # (classes, n, t): what a review adds if it gets this label
    values = np.stack([one.values for one in terms])
    size, rows = terms[0].size, np.arange(len(targets))
    biases = np.zeros(classes)
    for _ in range(SWEEPS):
        for place in range(1, classes):
            others = scores + biases
            others[:, place] = -np.inf
            rival = others.argmax(axis=1)
            needed = others[rows, rival] - scores[:, place]  # the review gets this label above this bias
            bins = np.searchsorted(BIASES, needed, side="left")
            base = np.bincount(columns[rival, rows].ravel(), values[rival, rows].ravel(), size)
            changed = np.zeros((len(BIASES) + 1, size))
            np.add.at(changed, (bins[:, None], columns[place]), values[place])
            np.add.at(changed, (bins[:, None], columns[rival, rows]), -values[rival, rows])
            sums = base + changed.cumsum(axis=0)[: len(BIASES)]
            found = sign * task.from_sums(metric, sums.T)
            edge = SMOOTHED // 2
            smooth = np.convolve(np.pad(found, edge, mode="edge"), np.full(SMOOTHED, 1 / SMOOTHED), "valid")
            near = np.flatnonzero(smooth >= smooth.max() - 1e-9)
            biases[place] = BIASES[near[np.argmin(np.abs(BIASES[near]))]]  # of equal ones, the smallest change
    return biases
