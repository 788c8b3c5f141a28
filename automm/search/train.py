"""The training loop of every candidate: same batches, same early stopping, same best epoch, same cap.

A candidate is judged on folds: one (train, validation) pair of the manifest's own splits, or several that take turns
over both. Its models, one a fold, are trained side by side, an epoch at a time, and measured together on the rows that
each has not seen: so the number of epochs, too, is chosen on all rows at once and not on each fold's luckiest moment.
Best weights are those of the epoch with the best objective; training stops when it has not got better for `patience`
epochs, when the time is up, or when the loss is no number (then the candidate has failed).
"""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol

import keras
import numpy as np

from automm.config import OBJECTIVES
from automm.errors import TrialError
from automm.evaluate.metrics import better, measure, score
from automm.models.encoder_layers import Encoder
from automm.search.interrupt import check

CHUNK_BYTES = 48 * 2**20  # inputs given to the graph at once: enough to be quick, little beside everything else
CHUNK_STEPS = 64
TOO_HIGH = "became NaN or infinite: the learning rate is too high"

Convert = Callable[[dict[str, np.ndarray]], Any]  # the last step to what a model takes: packing


class Rows(Protocol):
    """Anything that makes a model's inputs for some rows: raw arrays or features."""

    def batch(self, rows: np.ndarray) -> dict[str, np.ndarray]: ...


@dataclass(frozen=True)
class Fold:
    """Rows to learn from, and rows to be judged on: (n,) int64 each, disjoint."""

    train: np.ndarray
    validation: np.ndarray


@dataclass(frozen=True)
class Plan:
    """What every candidate of a tier is given."""

    objective: str
    epochs: int
    patience: int
    batch_size: int
    learning_rate: float
    seed: int
    class_weights: bool = True
    weight_decay: float = 1e-3
    encoder_rate: float = 0.0  # the learning rate of what of the encoders is trained
    warm_up: float = 0.0  # share of all steps in which rates rise from 0; then they fall to 0 at the end. 0: constant
    bars: tuple[float, ...] = ()  # of each epoch: patience is halved while the best score is worse (`stopping`)


@dataclass
class Trained:
    """What training left: the models have their best epoch's weights.

    Attributes:
        history: one entry an epoch: loss, val_...
        best_epoch: counted from 1.
        stopped: why: 'epochs', 'patience', 'time', 'behind' the others; 'round', where Hyperband gave it less than the
            full epochs.
        validation: the metrics of the best epoch over all folds' validation rows.
        probabilities: (rows, classes) of these rows, fold after fold, each by the model that has not seen it.
    """

    history: list[dict[str, float]] = field(default_factory=list)
    best_epoch: int = 0
    stopped: str = "epochs"
    validation: dict[str, float] = field(default_factory=dict)
    probabilities: np.ndarray = field(default_factory=lambda: np.zeros((0, 0), np.float32))


def judged_rows(folds: Sequence[Fold]) -> np.ndarray:
    """The validation rows of all folds, fold after fold: the order of `Trained.probabilities`."""
    return np.concatenate([fold.validation for fold in folds])


class Batches:
    """One fold's shuffled batches, their order fixed by the seed and the epoch.

    An epoch has `steps` batches of nearly equal size, so that no update hangs on the few rows that were left over.

    Args:
        costs: (all rows,) of each row, or None: rows of like cost come into one batch, and the batches in any order.
    """

    def __init__(self, rows: np.ndarray, steps: int, seed: Sequence[int], costs: np.ndarray | None = None):
        self._rows, self._steps, self._seed, self._costs = rows, steps, tuple(seed), costs
        self.size = math.ceil(len(rows) / steps)

    def epoch(self, number: int) -> tuple[np.ndarray, np.ndarray]:
        """(steps, size) rows, and (steps, size) float32 shares: 1 / rows of the batch, 0 where a row is a filler."""
        rng = np.random.default_rng((*self._seed, number))
        order = rng.permutation(self._rows)
        if self._costs is not None:
            order = order[np.argsort(self._costs[order], kind="stable")]
        parts = np.array_split(order, self._steps)
        if self._costs is not None:
            parts = [parts[place] for place in rng.permutation(self._steps)]
        rows = np.full((self._steps, self.size), self._rows[0])
        shares = np.zeros((self._steps, self.size), np.float32)
        for step, part in enumerate(parts):
            rows[step, : len(part)], shares[step, : len(part)] = part, 1.0 / max(1, len(part))
        return rows, shares


def train(
    models: Sequence[Any],
    folds: Sequence[Fold],
    source: Rows,
    labels: np.ndarray,
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
        labels: (all rows,) integers.
        deadline: on the clock of `time.monotonic`, or None.
        together: all models in one graph, many steps at a time: what small heads want. Else one model after the other,
            step by step: what models with encoders in them want, whose activations would not fit side by side.
        costs: (all rows,) such as the lengths of texts, where like ones should share a batch.
        readers: read the validation rows in the models' place: whole models, compiled once.
        progress: told how many of all steps are done.

    Raises:
        TrialError: the loss is no number.
    """
    classes = models[0].output_shape[-1]
    targets = np.eye(classes, dtype=np.float32)[labels]
    weights = [
        row_weights(labels, fold.train, classes) if plan.class_weights else np.ones(len(labels), np.float32)
        for fold in folds
    ]
    steps = math.ceil(max(len(fold.train) for fold in folds) / plan.batch_size)
    batches = [Batches(fold.train, steps, (plan.seed, place), costs) for place, fold in enumerate(folds)]
    feed = _Feed(source, targets, convert, deadline, None if together else 1)
    everyone = list(range(len(models)))
    groups = [everyone] if together else [[place] for place in everyone]
    runners = [_steps_function([models[place] for place in group], plan, steps * plan.epochs) for group in groups]
    total = steps * len(groups) * plan.epochs
    result = Trained()
    best: list[list[np.ndarray]] = []
    best_score = math.nan
    for epoch in range(plan.epochs):
        orders = [one.epoch(epoch) for one in batches]
        losses = []
        for number, (group, run_steps) in enumerate(zip(groups, runners, strict=True)):
            tell = partial(_tell, progress, steps * (epoch * len(groups) + number), total)
            given = [orders[place] for place in group], [weights[place] for place in group]
            losses.append(_pass(run_steps, feed, *given, tell))
        probabilities = np.concatenate(
            [
                predict(reader, source, fold.validation, batch_size=reader_batch, convert=convert)
                for reader, fold in zip(readers or models, folds, strict=True)
            ]
        )
        validation = measure(labels[judged_rows(folds)], probabilities)
        if not all(math.isfinite(value) for value in validation.values()):
            raise TrialError(f"the validation loss {TOO_HIGH}")
        result.history.append(
            {"loss": float(np.mean(losses)), **{f"val_{name}": value for name, value in validation.items()}}
        )
        value = score(validation, plan.objective)
        if not best or better(value, best_score, OBJECTIVES[plan.objective]):
            best, best_score = [model.get_weights() for model in models], value
            result.best_epoch, result.validation, result.probabilities = epoch + 1, validation, probabilities
        waited = epoch + 1 - result.best_epoch
        if waited >= plan.patience:
            result.stopped = "patience"
            break
        behind = epoch < len(plan.bars) and better(plan.bars[epoch], best_score, OBJECTIVES[plan.objective])
        if behind and waited >= max(1, plan.patience // 2):
            result.stopped = "behind"
            break
        if _late(deadline):
            result.stopped = "time"
            break
    for model, kept in zip(models, best, strict=True):
        model.set_weights(kept)
    return result


def predict(
    model: Any,
    source: Rows,
    rows: np.ndarray,
    *,
    batch_size: int = 512,
    convert: Convert | None = None,
) -> np.ndarray:
    """(len(rows), classes) float32 probabilities, row for row.

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


def row_weights(labels: np.ndarray, train: np.ndarray, classes: int) -> np.ndarray:
    """(all rows,) float32: inverse class frequency in the training rows, its mean over them 1.

    The square root of it is taken: full inverse frequency lets three rows of a rare class drown a hundred others.
    """
    counts = np.bincount(labels[train], minlength=classes).astype(np.float64)
    by_class = np.sqrt(len(train) / (classes * np.maximum(counts, 1.0)))
    weights = by_class[labels]
    return (weights / weights[train].mean()).astype(np.float32)


def _tell(progress: Callable[[int, int], None] | None, before: int, total: int, done: int) -> None:
    if progress is not None:
        progress(before + done, total)


def _late(deadline: float | None) -> bool:
    return deadline is not None and time.monotonic() > deadline


@dataclass(frozen=True)
class _Feed:
    """What every pass over training rows is given.

    Attributes:
        targets: (all rows, classes) float32.
        portion: steps that are given to the graph at once; None: as many as fit in CHUNK_BYTES.
    """

    source: Rows
    targets: np.ndarray
    convert: Convert | None
    deadline: float | None
    portion: int | None


def _pass(
    run_steps: Callable[[list[Any], list[Any]], float],
    feed: _Feed,
    orders: Sequence[tuple[np.ndarray, np.ndarray]],
    weights: Sequence[np.ndarray],
    tell: Callable[[int], object],
) -> float:
    """One epoch of some folds, or what of it the deadline allows; the mean training loss."""
    total, done = 0.0, 0
    for chunk in _chunks(feed, orders):
        check()
        inputs, parts = [], []
        for (rows, shares), weight in zip(orders, weights, strict=True):
            inputs.append(_batch(feed, rows[chunk]))
            parts.append((feed.targets[rows[chunk]], weight[rows[chunk]] * shares[chunk]))
        loss = run_steps(inputs, parts)
        if not math.isfinite(loss):
            raise TrialError(f"the training loss {TOO_HIGH}")
        total, done = total + loss, done + len(orders[0][0][chunk])
        tell(done)
        if _late(feed.deadline):
            break
    return total / done / len(orders)


def _chunks(feed: _Feed, orders: Sequence[tuple[np.ndarray, np.ndarray]]) -> list[slice]:
    """The steps of an epoch in portions."""
    (steps, size), models = orders[0][0].shape, len(orders)
    portion = feed.portion
    if portion is None:
        one = feed.source.batch(orders[0][0][0, :1])
        arrays = feed.convert(one) if feed.convert else one
        row_bytes = sum(array.nbytes for array in (arrays.values() if isinstance(arrays, dict) else [arrays]))
        portion = int(np.clip(CHUNK_BYTES // max(1, row_bytes * size * models), 1, CHUNK_STEPS))
    return [slice(start, start + portion) for start in range(0, steps, portion)]


def _batch(feed: _Feed, rows: np.ndarray) -> Any:
    """The inputs of (steps, size) rows: arrays (steps, size, ...)."""
    flat = feed.source.batch(rows.reshape(-1))
    if feed.convert is not None:
        packed = feed.convert(flat)
        return packed.reshape(*rows.shape, *packed.shape[1:])
    return {name: array.reshape(*rows.shape, *array.shape[1:]) for name, array in flat.items()}


def _steps_function(models: Sequence[Any], plan: Plan, total_steps: int) -> Callable[[list[Any], list[Any]], float]:
    """A graph that takes inputs (steps, size, ...), makes an update a step, and gives the sum of the losses.

    One graph for all models and many steps: a small head's update takes less time than Python needs to ask for it.
    """
    import tensorflow as tf

    from automm.search.adam import AdamW

    variables = [variable for model in models for variable in model.trainable_variables]
    optimizer = AdamW(variables, _rates(models, plan), plan.weight_decay)
    step_number = tf.Variable(0.0)

    def factor() -> Any:
        """Times every learning rate: up in a straight line, then down to nothing."""
        if not plan.warm_up:
            return 1.0
        done = step_number.assign_add(1.0) / total_steps
        return tf.minimum(done / plan.warm_up, tf.maximum(0.0, (1.0 - done) / (1.0 - plan.warm_up)))

    def update(inputs: list[Any], parts: list[Any]) -> Any:
        with tf.GradientTape() as tape:
            losses = []
            for model, batch, (targets, weights) in zip(models, inputs, parts, strict=True):
                probabilities = tf.clip_by_value(model(batch, training=True), 1e-7, 1.0)
                cross_entropy = -tf.reduce_sum(targets * tf.math.log(probabilities), axis=-1)
                losses.append(tf.reduce_sum(cross_entropy * weights))
            total = tf.add_n(losses)
        optimizer.apply(tape.gradient(total, variables), factor())
        return total

    def all_steps(inputs: list[Any], parts: list[Any]) -> Any:
        count = tf.shape(parts[0][0])[0]

        def body(step: Any, total: Any) -> tuple[Any, Any]:
            now = tf.nest.map_structure(lambda array: array[step], (inputs, parts))
            return step + 1, total + update(*now)

        return tf.while_loop(lambda step, total: step < count, body, (0, 0.0), parallel_iterations=1)[1]

    traced: dict[str, Any] = {}

    def run(inputs: list[Any], parts: list[Any]) -> float:
        if not traced:  # the number of steps stays free, or the last portion would be traced again
            given = [_specs(model, batch) for model, batch in zip(models, inputs, strict=True)]
            rest = tf.nest.map_structure(lambda array: tf.TensorSpec((None, *array.shape[1:]), array.dtype), parts)
            specs = (given, rest)
            traced["function"] = tf.function(all_steps, input_signature=specs, autograph=False)
        return float(traced["function"](*tf.nest.map_structure(tf.constant, (inputs, parts))))

    return run


def _specs(model: Any, batch: Any) -> Any:
    """Of many steps' inputs: sizes that the model leaves free stay free, such as the length of texts."""
    import tensorflow as tf

    free = {tensor.name: tensor.shape[1:] for tensor in model.inputs}
    if not isinstance(batch, dict):
        return tf.TensorSpec((None, *batch.shape[1:]), batch.dtype)
    return {name: tf.TensorSpec((None, array.shape[1], *free[name]), array.dtype) for name, array in batch.items()}


def _rates(models: Sequence[Any], plan: Plan) -> list[float]:
    """A learning rate for each trainable variable, in the order of the models."""
    if not plan.encoder_rate:
        return [plan.learning_rate for model in models for _ in model.trainable_variables]
    encoders = {
        id(variable)
        for model in models
        for layer in model._flatten_layers(include_self=False, recursive=True)
        if isinstance(layer, Encoder)
        for variable in layer.trainable_variables
    }
    return [
        plan.encoder_rate if id(variable) in encoders else plan.learning_rate
        for model in models
        for variable in model.trainable_variables
    ]
