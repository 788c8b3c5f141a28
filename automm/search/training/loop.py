"""The training loop of every candidate: all have the same batches, early stopping and limits.

A candidate is evaluated on folds: one (train, validation) pair of the manifest's splits, or several for
cross-validation. It has one model per fold. All are trained in parallel, one epoch at a time, and evaluated together on
the rows that each was not trained on. The best epoch is thus chosen on all rows, not separately for each fold, which
would be optimistic. The weights of the best epoch are kept. Training stops after `patience` epochs without improvement,
unless the learning rate has a schedule, or at the deadline. If the loss is NaN or infinite, the candidate fails.
"""

import math
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import keras
import numpy as np

from automm.errors import TrialError
from automm.evaluate.compare import better, score
from automm.models.devices import in_halves
from automm.search.interrupt import raise_if_interrupted
from automm.search.training.batches import Batches, Convert, Feed, Rows
from automm.search.training.losses import LOSSES
from automm.search.training.options import Plan
from automm.search.training.schedule import SCHEDULES
from automm.search.training.step import steps_function
from automm.tasks.base import Task

TOO_HIGH = "became NaN or infinite: the learning rate is too high"


@dataclass(frozen=True)
class Fold:
    """The rows of one fold: training rows and validation rows, (n,) int64 each, disjoint."""

    train: np.ndarray
    validation: np.ndarray


@dataclass
class Trained:
    """The result of training; the models have the weights of the best epoch.

    Attributes:
        history: one entry per epoch: loss, val_...
        best_epoch: counted from 1.
        stopped: the reason: 'epochs', 'patience', 'time', 'behind' (worse than the median of other trials), or 'round'
            (Hyperband gave it fewer than the full epochs).
        validation: the metrics of the best epoch over the validation rows of all folds.
        probabilities: (rows, outputs) out-of-fold answers for the validation rows, fold after fold.
    """

    history: list[dict[str, float]] = field(default_factory=list)
    best_epoch: int = 0
    stopped: str = "epochs"
    validation: dict[str, float] = field(default_factory=dict)
    probabilities: np.ndarray = field(default_factory=lambda: np.zeros((0, 0), np.float32))


def validation_rows(folds: Sequence[Fold]) -> np.ndarray:
    """Return the validation rows of all folds, fold after fold: the order of `Trained.probabilities`."""
    return np.concatenate([fold.validation for fold in folds])


def train(
    models: Sequence[Any],
    folds: Sequence[Fold],
    source: Rows,
    targets: np.ndarray,
    plan: Plan,
    *,
    deadline: float | None = None,
    convert: Convert | None = None,
    together: bool = True,
    costs: np.ndarray | None = None,
    predictors: Sequence[Callable[[Any], np.ndarray]] | None = None,
    predict_batch_size: int = 512,
    progress: Callable[[int, int], None] | None = None,
) -> Trained:
    """Train suffixes or whole models in place, one per fold.

    Args:
        targets: (all rows,), in the form of the plan's task.
        deadline: a time of `time.monotonic`, or None.
        together: True: train all models in one graph, many steps at a time, which is fast for small heads. False: one
            model after the other, step by step, for models whose activations do not fit into memory together.
        costs: (all rows,) for example lengths of texts; rows of similar cost share a batch.
        predictors: compiled models that predict the validation rows in place of `models`, or None.
        progress: called with (steps done, total steps).

    Raises:
        TrialError: the loss is NaN or infinite.
    """
    options, direction = plan.options, plan.task.objectives[plan.objective]
    prepared, weights = _prepare_targets(targets, folds, models[0].output_shape[-1], plan)
    steps = math.ceil(max(len(fold.train) for fold in folds) / plan.batch_size)
    batches = [Batches(fold.train, steps, (plan.seed, place), costs) for place, fold in enumerate(folds)]
    feed = Feed(source, prepared, convert, None if together else 1, options.modality_dropout)
    runners = _step_functions(models, plan, steps * plan.epochs, together)
    total = steps * len(runners) * plan.epochs
    result = Trained()
    best: list[list[np.ndarray]] = []
    best_score = math.nan
    for epoch in range(plan.epochs):
        epochs = [fold_batches.epoch(epoch) for fold_batches in batches]
        losses = []
        for number, (group, run_steps) in enumerate(runners):
            report_steps = partial(_report, progress, steps * (epoch * len(runners) + number), total)
            portions = feed.portions([epochs[place] for place in group], [weights[place] for place in group])
            losses.append(_train_epoch(run_steps, portions, deadline, report_steps))
        read = partial(predict, source=source, batch_size=predict_batch_size, convert=convert)
        probabilities, validation = _validate(predictors or models, read, folds, targets, plan.task)
        measured = {f"val_{name}": value for name, value in validation.items()}
        result.history.append({"loss": float(np.mean(losses)), **measured})
        value = score(validation, plan.objective)
        if not best or better(value, best_score, direction):
            best, best_score = [model.get_weights() for model in models], value
            result.best_epoch, result.validation, result.probabilities = epoch + 1, validation, probabilities
        if reason := _stop_reason(plan, epoch, result.best_epoch, best_score, deadline):
            result.stopped = reason
            break
    for model, best_weights in zip(models, best, strict=True):
        model.set_weights(best_weights)
    return result


def _step_functions(
    models: Sequence[Any], plan: Plan, steps: int, together: bool
) -> list[tuple[list[int], Callable[[list[Any], list[Any]], float]]]:
    """Return for each graph the indices of its models, and the function that runs some of their training steps."""
    places = list(range(len(models)))
    groups = [places] if together else [[place] for place in places]
    return [(group, steps_function([models[place] for place in group], plan, steps)) for group in groups]


def _validate(
    predictors: Sequence[Any], read: Callable[..., np.ndarray], folds: Sequence[Fold], targets: np.ndarray, task: Task
) -> tuple[np.ndarray, dict[str, float]]:
    """Return the answers for the validation rows of all folds, as in `Trained`, and their metrics.

    Args:
        read: `predict` without its arguments for the model and the rows.

    Raises:
        TrialError: a metric is NaN or infinite.
    """
    probabilities = np.concatenate(
        [read(predictor, rows=fold.validation) for predictor, fold in zip(predictors, folds, strict=True)]
    )
    validation = task.measure(targets[validation_rows(folds)], probabilities)
    if not all(math.isfinite(value) for value in validation.values()):
        raise TrialError(f"the validation loss {TOO_HIGH}")
    return probabilities, validation


def _prepare_targets(
    targets: np.ndarray, folds: Sequence[Fold], outputs: int, plan: Plan
) -> tuple[np.ndarray, list[np.ndarray]]:
    """Return the prepared targets, (all rows, ...) float32, and the row weights of each fold, (all rows,) float32."""
    loss = LOSSES[plan.task.loss]
    train_rows = np.concatenate([fold.train for fold in folds])
    weights = [loss.weights(targets, fold.train, outputs, plan.options) for fold in folds]
    return loss.prepare(targets, train_rows, outputs, plan.options), weights


def _stop_reason(plan: Plan, epoch: int, best_epoch: int, best_score: float, deadline: float | None) -> str:
    """Return why training stops after an epoch, as in `Trained`; '' if it continues."""
    if SCHEDULES[plan.options.schedule] is not None:
        return "time" if _is_past(deadline) else ""
    waited = epoch + 1 - best_epoch
    behind = epoch < len(plan.median_scores) and better(
        plan.median_scores[epoch], best_score, plan.task.objectives[plan.objective]
    )
    if waited >= plan.patience:
        return "patience"
    if behind and waited >= max(1, plan.patience // 2):
        return "behind"
    return "time" if _is_past(deadline) else ""


def predict(
    model: Any,
    source: Rows,
    rows: np.ndarray,
    *,
    batch_size: int = 512,
    convert: Convert | None = None,
) -> np.ndarray:
    """Predict some rows.

    Args:
        model: a Keras model, or the result of `models/whole.compiled`. A Keras model is called eagerly, which is faster
            for a suffix than tracing a graph, as Keras' `predict` does.

    Returns:
        (len(rows), outputs) float32 answers.
    """
    call = (lambda batch: model(batch, training=False)) if isinstance(model, keras.Model) else model
    answers, parts = in_halves(call), []
    for start in range(0, len(rows), batch_size):
        batch = source.batch(rows[start : start + batch_size])
        parts.append(np.asarray(answers(convert(batch) if convert else batch)))
    return np.concatenate(parts)


def _report(progress: Callable[[int, int], None] | None, before: int, total: int, done: int) -> None:
    if progress is not None:
        progress(before + done, total)


def _is_past(deadline: float | None) -> bool:
    return deadline is not None and time.monotonic() > deadline


def _train_epoch(
    run_steps: Callable[[list[Any], list[Any]], float],
    portions: Iterable[tuple[list[Any], list[dict[str, np.ndarray]]]],
    deadline: float | None,
    report_steps: Callable[[int], object],
) -> float:
    """Train some folds for one epoch, or until the deadline, and return the mean training loss."""
    total, done, models = 0.0, 0, 1
    for inputs, parts in portions:
        raise_if_interrupted()
        loss = run_steps(inputs, parts)
        if not math.isfinite(loss):
            raise TrialError(f"the training loss {TOO_HIGH}")
        total, done, models = total + loss, done + len(parts[0]["weights"]), len(parts)
        report_steps(done)
        if _is_past(deadline):
            break
    return total / done / models
