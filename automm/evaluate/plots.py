"""Plots of a candidate's results. Each function writes a PNG file and returns its path."""

import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from automm.errors import one_line
from automm.tasks.classification import confusion
from automm.tasks.registry import task_of

WITH_TEXT, WITH_CELLS = 30, 100  # classes up to which a confusion matrix has text in its cells, and is one at all
PAIRS = 40  # bars in place of a larger matrix
LONGEST_NAME = 30  # characters of a class name in a figure


def confusion_matrix(counts: np.ndarray, labels: Sequence[str], path: Path) -> Path:
    """Plot a confusion matrix of counts (classes, classes): rows are true classes; shaded by the share of the row.

    With more than WITH_TEXT classes the cells have no text, and the figure does not grow any more; with more than
    WITH_CELLS the most frequent mistakes are drawn instead.
    """
    classes = len(labels)
    if classes > WITH_CELLS:
        return confused_pairs(counts, labels, path)
    has_text = classes <= WITH_TEXT
    side = 0.55 * min(classes, WITH_TEXT)
    figure, (axes,) = _figure(3.4 + side, 2.4 + side)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for row in range(classes if has_text else 0):
        for column in range(classes):
            colour = "white" if shares[row, column] > 0.5 else "black"
            axes.text(column, row, str(counts[row, column]), ha="center", va="center", color=colour)
    names, size = [_short(label) for label in labels], 10.0 if has_text else min(8.0, 500 / classes)
    axes.set_xticks(range(classes), names, rotation=30 if has_text else 90, ha="right", size=size, parse_math=False)
    axes.set_yticks(range(classes), names, size=size, parse_math=False)
    axes.set_xlabel("predicted")
    axes.set_ylabel("true")
    axes.set_title("Test split: reviews")
    return _save(figure, path)


def confused_pairs(counts: np.ndarray, labels: Sequence[str], path: Path) -> Path:
    """Draw the PAIRS most frequent mistakes of a confusion matrix, (classes, classes), as bars."""
    mistakes = counts.copy()
    np.fill_diagonal(mistakes, 0)
    cells = np.argsort(-mistakes, axis=None, kind="stable")[:PAIRS]
    cells = cells[mistakes.ravel()[cells] > 0][::-1]  # the most frequent at the top
    pairs = [divmod(int(cell), len(labels)) for cell in cells]
    figure, (axes,) = _figure(9.0, 1.6 + 0.25 * max(len(pairs), 1))
    axes.barh(range(len(pairs)), [mistakes[pair] for pair in pairs])
    names = [f"{_short(labels[true])} \N{RIGHTWARDS ARROW} {_short(labels[predicted])}" for true, predicted in pairs]
    axes.set_yticks(range(len(pairs)), names, size=8, parse_math=False)
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.set_xlabel("reviews: true label \N{RIGHTWARDS ARROW} predicted label")
    wrong = int(mistakes.sum())
    axes.set_title(f"Test split: the most frequent of {wrong:,} mistakes, {len(labels):,} classes")
    return _save(figure, path)


def _short(label: str) -> str:
    """Return a label as one line of at most LONGEST_NAME characters, without its middle if it is longer."""
    label = " ".join(one_line(label).split())
    return label if len(label) <= LONGEST_NAME else f"{label[: LONGEST_NAME - 9]}...{label[-6:]}"


def true_and_predicted(true: np.ndarray, predicted: np.ndarray, path: Path) -> Path:
    """Plot predicted over true numbers, (n,) each; a correct prediction is on the diagonal."""
    figure, (axes,) = _figure(4.8, 4.6)
    axes.scatter(true, predicted, s=9, alpha=0.5, linewidths=0)
    low, high = float(min(true.min(), predicted.min())), float(max(true.max(), predicted.max()))
    axes.plot([low, high], [low, high], color="grey", linewidth=0.8)
    axes.set_xlabel("true")
    axes.set_ylabel("predicted")
    axes.set_title("Test split: reviews")
    return _save(figure, path)


def learning_curves(history: Sequence[dict[str, float]], best_epoch: int, path: Path) -> Path:
    """Plot the loss (left axis) and the two main validation metrics (right axis) by epoch; mark the best epoch.

    Args:
        history: one entry per epoch.
        best_epoch: from 1 on.
    """
    epochs = np.arange(1, len(history) + 1)
    figure, (axes,) = _figure(6.4, 3.8)
    for key, style in (("loss", "-"), ("val_loss", "--")):
        if key in history[0]:
            axes.plot(epochs, [entry[key] for entry in history], f"C0{style}", label=key)
    axes.set_xlabel("epoch")
    axes.xaxis.get_major_locator().set_params(integer=True)
    right = axes.twinx()
    task = task_of(key.removeprefix("val_") for key in history[0] if key.startswith("val_"))
    shown = [f"val_{name}" for name in task.main_metrics]
    for key, colour in zip(shown, ("C1", "C2"), strict=True):
        right.plot(epochs, [entry[key] for entry in history], colour, label=key)
    axes.set_ylabel(task.loss_unit)
    right.set_ylabel(task.score_unit)
    if task.score_range is not None:
        right.set_ylim(*task.score_range)
    axes.axvline(best_epoch, color="grey", linewidth=0.8, linestyle=":")
    handles = [*axes.get_legend_handles_labels()[0], *right.get_legend_handles_labels()[0]]
    axes.legend(handles=handles, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncol=4, frameon=False, fontsize=8)
    return _save(figure, path)


def missing_curves(
    scores: Mapping[str, Mapping[str, Sequence[float]]], percents: Sequence[int], metric: str, path: Path
) -> Path:
    """Plot scores over the percentage of reviews that lost a modality: a panel per modality, a line per candidate.

    Args:
        scores: {candidate: {modality: a value for each of `percents`}}.
        metric: its label on the axis.
    """
    modalities = list(next(iter(scores.values())))
    figure, panels = _figure(4.6 * len(modalities) + 2.2, 3.8, len(modalities))
    for axes, modality in zip(panels, modalities, strict=True):
        for name, lines in scores.items():
            axes.plot(percents, lines[modality], marker=".", label=name)
        axes.set_xticks(percents)
        axes.set_xlabel(f"% of test reviews that lost: {modality}")
    panels[0].set_ylabel(metric)
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside right upper", frameon=False, fontsize=8)
    return _save(figure, path)


def _confusion(targets: np.ndarray, answers: np.ndarray, labels: Sequence[str], folder: Path) -> Path:
    counts = confusion(targets, answers.argmax(axis=1), len(labels))
    return confusion_matrix(counts, labels, folder / "confusion.png")


def _true_and_predicted(targets: np.ndarray, answers: np.ndarray, labels: Sequence[str], folder: Path) -> Path:
    return true_and_predicted(targets, answers[:, 0], folder / "predicted.png")


# Plots of a candidate's answers, by the name in a task: from targets (n,), answers (n, outputs), the label set and a
# folder to the path of the file.
FIGURES: dict[str, Callable[[np.ndarray, np.ndarray, Sequence[str], Path], Path]] = {
    "confusion": _confusion,
    "true_and_predicted": _true_and_predicted,
}


def _figure(width: float, height: float, panels: int = 1) -> tuple[Any, list[Any]]:
    # Figure, not pyplot: pyplot chooses a backend for the process and keeps every figure in memory.
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, list(figure.subplots(1, panels, sharey=True, squeeze=False)[0])


def _save(figure: Any, path: Path) -> Path:
    with warnings.catch_warnings():
        # The font lacks most scripts: such a name is drawn as boxes.
        warnings.filterwarnings("ignore", message="Glyph .* missing from", category=UserWarning)
        figure.savefig(path, dpi=120)
    return path
