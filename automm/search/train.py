"""The training loop of every candidate: same batches, same early stopping, same best epoch, same cap.

Best weights are those of the epoch with the best objective on the validation rows; training stops when it has not got
better for `patience` epochs, when the time is up, or when the loss is no number (then the candidate has failed).
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

import keras
import numpy as np

from automm.config import OBJECTIVES
from automm.errors import TrialError
from automm.evaluate.metrics import better, measure, score


class Rows(Protocol):
    """Anything that makes a model's inputs for some rows: raw arrays or features."""

    def batch(self, rows: np.ndarray) -> dict[str, np.ndarray]: ...


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


@dataclass
class Trained:
    """What training left: the model has its best epoch's weights."""

    history: list[dict[str, float]] = field(default_factory=list)  # one entry an epoch: loss, val_...
    best_epoch: int = 0  # counted from 1
    stopped: str = "epochs"  # or "patience", "time"
    validation: dict[str, float] = field(default_factory=dict)


class Batches(keras.utils.PyDataset):
    """Shuffled training batches, their order fixed by the seed and the epoch.

    Args:
        source: makes inputs for rows.
        rows: (n,) the training rows.
        targets: (all rows, classes) float32 one-hot.
        weights: (all rows,) float32.
        convert: the last step to what the model takes (packing), or None.
    """

    def __init__(
        self,
        source: Rows,
        rows: np.ndarray,
        targets: np.ndarray,
        weights: np.ndarray,
        batch_size: int,
        seed: int,
        convert: Callable[[dict[str, np.ndarray]], Any] | None = None,
    ):
        super().__init__(workers=1, use_multiprocessing=False)
        self._source, self._rows, self._targets, self._weights = source, rows, targets, weights
        self._size, self._seed, self._convert = batch_size, seed, convert
        self._epoch = -1
        self.on_epoch_begin()

    def __len__(self) -> int:
        return math.ceil(len(self._rows) / self._size)

    def on_epoch_begin(self) -> None:
        self._epoch += 1
        self._order = np.random.default_rng((self._seed, self._epoch)).permutation(self._rows)

    def __getitem__(self, index: int) -> tuple[Any, np.ndarray, np.ndarray]:
        rows = np.sort(self._order[index * self._size : (index + 1) * self._size])
        batch = self._source.batch(rows)
        return self._convert(batch) if self._convert else batch, self._targets[rows], self._weights[rows]


class Watch(keras.callbacks.Callback):
    """Measures the validation rows after each epoch, keeps the best weights, and decides when to stop."""

    def __init__(self, plan: Plan, measure_validation: Callable[[], dict[str, float]], deadline: float | None):
        super().__init__()
        self.result = Trained()
        self._plan, self._measure, self._deadline = plan, measure_validation, deadline
        self._best: list[np.ndarray] = []
        self._best_score = math.nan

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        if not math.isfinite((logs or {}).get("loss", 0.0)):
            raise TrialError("the training loss became NaN or infinite: the learning rate is too high")
        if self._late():
            self._stop("time")

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        validation = self._measure()
        if not all(math.isfinite(value) for value in validation.values()):
            raise TrialError("the validation loss became NaN or infinite: the learning rate is too high")
        entry = {"loss": float(logs["loss"]), **{f"val_{name}": value for name, value in validation.items()}}
        self.result.history.append(entry)
        value = score(validation, self._plan.objective)
        if not self._best or better(value, self._best_score, OBJECTIVES[self._plan.objective]):
            self._best, self._best_score = self.model.get_weights(), value
            self.result.best_epoch, self.result.validation = epoch + 1, validation
        elif epoch + 1 - self.result.best_epoch >= self._plan.patience:
            self._stop("patience")
        if self._late():
            self._stop("time")

    def on_train_end(self, logs: Any = None) -> None:
        self.model.set_weights(self._best)

    def _late(self) -> bool:
        return self._deadline is not None and time.monotonic() > self._deadline

    def _stop(self, why: str) -> None:
        self.result.stopped = why
        self.model.stop_training = True


def train(
    model: Any,
    source: Rows,
    labels: np.ndarray,
    train_rows: np.ndarray,
    validation_rows: np.ndarray,
    plan: Plan,
    *,
    deadline: float | None = None,
    convert: Callable[[dict[str, np.ndarray]], Any] | None = None,
    reader: Callable[[Any], np.ndarray] | None = None,
    reader_batch: int = 512,
) -> Trained:
    """Train a suffix or a whole model in place.

    Args:
        labels: (all rows,) integers.
        deadline: on the clock of `time.monotonic`, or None.
        reader: reads the validation rows in the model's place: a whole model compiled once.

    Raises:
        TrialError: the loss is no number.
    """
    classes = model.output_shape[-1]
    targets = np.eye(classes, dtype=np.float32)[labels]
    weights = row_weights(labels, train_rows, classes) if plan.class_weights else np.ones(len(labels), np.float32)
    optimizer = keras.optimizers.AdamW(plan.learning_rate, weight_decay=plan.weight_decay)
    model.compile(optimizer=optimizer, loss=keras.losses.CategoricalCrossentropy())
    watch = Watch(
        plan,
        lambda: measure(
            labels[validation_rows],
            predict(reader or model, source, validation_rows, batch_size=reader_batch, convert=convert),
        ),
        deadline,
    )
    batches = Batches(source, train_rows, targets, weights, plan.batch_size, plan.seed, convert)
    model.fit(batches, epochs=plan.epochs, verbose=0, callbacks=[watch])
    return watch.result


def predict(
    model: Any,
    source: Rows,
    rows: np.ndarray,
    *,
    batch_size: int = 512,
    convert: Callable[[dict[str, np.ndarray]], Any] | None = None,
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
