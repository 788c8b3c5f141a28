"""The training loop of every candidate: same batches, same early stopping, same best epoch, same cap.

A candidate is judged on folds: one (train, validation) pair of the manifest's own splits, or several that take turns
over both. Its models, one a fold, are trained side by side, an epoch at a time, and measured together on the rows that
each has not seen: so the number of epochs, too, is chosen on all rows at once and not on each fold's luckiest moment.
Best weights are those of the epoch with the best objective; training stops when it has not got better for `patience`
epochs, when the time is up, or when the loss is no number (then the candidate has failed).
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
from automm.search.interrupt import check
from automm.search.training.batches import Batches, Convert, Feed, Rows
from automm.search.training.losses import LOSSES
from automm.search.training.options import Plan
from automm.search.training.step import steps_function
from automm.tasks.base import Task

TOO_HIGH = "became NaN or infinite: the learning rate is too high"


@dataclass(frozen=True)
class Fold:
    """Rows to learn from, and rows to be judged on: (n,) int64 each, disjoint."""

    train: np.ndarray
    validation: np.ndarray


@dataclass
class Trained:
    """What training left: the models have their best epoch's weights.

    Attributes:
        history: one entry an epoch: loss, val_...
        best_epoch: counted from 1.
        stopped: why: 'epochs', 'patience', 'time', 'behind' the others; 'round', where Hyperband gave it less than the
            full epochs.
        validation: the metrics of the best epoch over all folds' validation rows.
        probabilities: (rows, outputs), answers for these rows, fold after fold, each by the model that has not seen it.
    """

    history: list[dict[str, float]] = field(default_factory=list)
    best_epoch: int = 0
    stopped: str = "epochs"
    validation: dict[str, float] = field(default_factory=dict)
    probabilities: np.ndarray = field(default_factory=lambda: np.zeros((0, 0), np.float32))


def judged_rows(folds: Sequence[Fold]) -> np.ndarray:
    """The validation rows of all folds, fold after fold: the order of `Trained.probabilities`."""
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
    readers: Sequence[Callable[[Any], np.ndarray]] | None = None,
    reader_batch: int = 512,
    progress: Callable[[int, int], None] | None = None,
) -> Trained:
    """Train suffixes or whole models in place, one a fold.

    Args:
        targets: (all rows,), as the task of the plan has them.
        deadline: on the clock of `time.monotonic`, or None.
        together: all models in one graph, many steps at a time: what small heads want. Else one model after the other,
            step by step: what models with encoders in them want, whose activations would not fit side by side.
        costs: (all rows,) such as the lengths of texts, where like ones should share a batch.
        readers: read the validation rows in the models' place: whole models, compiled once.
        progress: told how many of all steps are done.

    Raises:
        TrialError: the loss is no number.
    """
    options, direction = plan.options, plan.task.objectives[plan.objective]
    prepared, weights = _prepared(targets, folds, models[0].output_shape[-1], plan)
    steps = math.ceil(max(len(fold.train) for fold in folds) / plan.batch_size)
    batches = [Batches(fold.train, steps, (plan.seed, place), costs, options.mixup) for place, fold in enumerate(folds)]
    feed = Feed(source, prepared, convert, None if together else 1, options.modality_dropout)
    runners = _runners(models, plan, steps * plan.epochs, together)
    total = steps * len(runners) * plan.epochs
    result = Trained()
    best: list[list[np.ndarray]] = []
    best_score = math.nan
    for epoch in range(plan.epochs):
        epochs = [one.epoch(epoch) for one in batches]
        losses = []
        for number, (group, run_steps) in enumerate(runners):
            tell = partial(_tell, progress, steps * (epoch * len(runners) + number), total)
            portions = feed.portions([epochs[place] for place in group], [weights[place] for place in group])
            losses.append(_pass(run_steps, portions, deadline, tell))
        read = partial(predict, source=source, batch_size=reader_batch, convert=convert)
        probabilities, validation = _judge(readers or models, read, folds, targets, plan.task)
        measured = {f"val_{name}": value for name, value in validation.items()}
        result.history.append({"loss": float(np.mean(losses)), **measured})
        value = score(validation, plan.objective)
        if not best or better(value, best_score, direction):
            best, best_score = [model.get_weights() for model in models], value
            result.best_epoch, result.validation, result.probabilities = epoch + 1, validation, probabilities
        if reason := _stops(plan, epoch, result.best_epoch, best_score, deadline):
            result.stopped = reason
            break
    for model, kept in zip(models, best, strict=True):
        model.set_weights(kept)
    return result


def _runners(
    models: Sequence[Any], plan: Plan, steps: int, together: bool
) -> list[tuple[list[int], Callable[[list[Any], list[Any]], float]]]:
    """For each graph: the places in `models` of those that are trained in it, and what runs some of their steps."""
    everyone = list(range(len(models)))
    groups = [everyone] if together else [[place] for place in everyone]
    return [(group, steps_function([models[place] for place in group], plan, steps)) for group in groups]


def _judge(
    readers: Sequence[Any], read: Callable[..., np.ndarray], folds: Sequence[Fold], targets: np.ndarray, task: Task
) -> tuple[np.ndarray, dict[str, float]]:
    """What the readers give for the validation rows of their folds, as in `Trained`, and its metrics.

    Args:
        read: `predict`, but for a reader and its rows.

    Raises:
        TrialError: a metric is no number.
    """
    probabilities = np.concatenate(
        [read(reader, rows=fold.validation) for reader, fold in zip(readers, folds, strict=True)]
    )
    validation = task.measure(targets[judged_rows(folds)], probabilities)
    if not all(math.isfinite(value) for value in validation.values()):
        raise TrialError(f"the validation loss {TOO_HIGH}")
    return probabilities, validation


def _prepared(
    targets: np.ndarray, folds: Sequence[Fold], outputs: int, plan: Plan
) -> tuple[np.ndarray, list[np.ndarray]]:
    """What the loss learns of each row, (all rows, ...) float32, and for each fold the weights, (all rows,) float32."""
    loss = LOSSES[plan.task.loss]
    everywhere = np.concatenate([fold.train for fold in folds])
    weights = [loss.weights(targets, fold.train, outputs, plan.options) for fold in folds]
    return loss.prepare(targets, everywhere, outputs, plan.options), weights


def _stops(plan: Plan, epoch: int, best_epoch: int, best_score: float, deadline: float | None) -> str:
    """Why training ends after an epoch, as in `Trained`; '' where it goes on."""
    waited = epoch + 1 - best_epoch
    behind = epoch < len(plan.bars) and better(plan.bars[epoch], best_score, plan.task.objectives[plan.objective])
    if waited >= plan.patience:
        return "patience"
    if behind and waited >= max(1, plan.patience // 2):
        return "behind"
    return "time" if _late(deadline) else ""


def predict(
    model: Any,
    source: Rows,
    rows: np.ndarray,
    *,
    batch_size: int = 512,
    convert: Convert | None = None,
) -> np.ndarray:
    """(len(rows), outputs) float32 answers, row for row.

    Args:
        model: a Keras model, or what `models/whole.compiled` made of one. A suffix is called eagerly: that is quicker
            than tracing a graph, as Keras' `predict` would.
    """
    call = (lambda batch: model(batch, training=False)) if isinstance(model, keras.Model) else model
    parts = []
    for start in range(0, len(rows), batch_size):
        batch = source.batch(rows[start : start + batch_size])
        parts.append(np.asarray(call(convert(batch) if convert else batch)))
    return np.concatenate(parts)


def _tell(progress: Callable[[int, int], None] | None, before: int, total: int, done: int) -> None:
    if progress is not None:
        progress(before + done, total)


def _late(deadline: float | None) -> bool:
    return deadline is not None and time.monotonic() > deadline


def _pass(
    run_steps: Callable[[list[Any], list[Any]], float],
    portions: Iterable[tuple[list[Any], list[dict[str, np.ndarray]]]],
    deadline: float | None,
    tell: Callable[[int], object],
) -> float:
    """One epoch of some folds, or what of it the deadline allows; the mean training loss."""
    total, done, models = 0.0, 0, 1
    for inputs, parts in portions:
        check()
        loss = run_steps(inputs, parts)
        if not math.isfinite(loss):
            raise TrialError(f"the training loss {TOO_HIGH}")
        total, done, models = total + loss, done + len(parts[0]["weights"]), len(parts)
        tell(done)
        if _late(deadline):
            break
    return total / done / models
