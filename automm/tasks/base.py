"""The base class of tasks: what is predicted for a review, and everything that depends on it.

A task is one object in one file of this folder, named in `tasks/registry`. The rest of the package uses the task of the
manifest and never inspects the shape of an array instead. Parts that need Keras, TensorFlow or a record are only named
here:

| attribute | names an entry of |
|---|---|
| target | TARGETS in `data/records/targets`: how a record's cell becomes a target |
| head | HEADS in `models/heads`: the last layers and their activation |
| loss | LOSSES in `search/training/losses`: the training loss, and the weight of each row |
| linear | REGRESSIONS in `search/candidates/linear`: the linear model on frozen features |
| figure | FIGURES in `evaluate/plots`: the plot of a candidate's answers for the test split |
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import numpy as np

LARGER, SMALLER = "max", "min"  # directions: larger or smaller is better


@dataclass(frozen=True)
class Metric:
    """A metric.

    Attributes:
        title: its name for people, for example "macro-F1".
        direction: LARGER or SMALLER.
        objective: whether it may be the objective of a search, under the name `val_<name>`.
    """

    title: str
    direction: str
    objective: bool = True


class Scorer(Protocol):
    """Computes the objective of several candidates on many selections of rows, for `evaluate/selection`."""

    def scores(self, rows: np.ndarray, candidate: int | None = None) -> np.ndarray:
        """Return the objective on the rows: (candidates,) float64, or (1,) for one candidate."""


class Task(ABC):
    """One kind of prediction.

    Below, n is the number of reviews, and outputs the number of values that a model returns for a review (its answer).

    Attributes:
        name: its name in a manifest.
        targets: what is predicted, in words, for example "labels".
        model: the word for a model, for example "classifier".
        target, head, loss, linear, figure: see the module.
        has_labels: whether it has a label set, which `labels` of a manifest defines.
        scaled: whether the head scales its answers by mean and standard deviation of the training targets.
        metrics: by name, in display order; short summaries show the first two. The first metric that may be an
            objective is the default objective.
        smooth: a metric that changes with every small change of an answer; smaller is better.
        loss_unit, score_unit: axis labels of learning curves, for the loss and for the first two metrics.
        score_range: the limits of the second axis; None to fit the data.
        options: training options (`search/training/options`) that need this task.
        checks: codes of the findings of `automm check` that need this task.
        baselines: this task's names of baselines, by their general name, where they differ.
    """

    name: ClassVar[str]
    targets: ClassVar[str]
    model: ClassVar[str]
    target: ClassVar[str]
    head: ClassVar[str]
    loss: ClassVar[str]
    linear: ClassVar[str]
    figure: ClassVar[str]
    has_labels: ClassVar[bool] = True
    scaled: ClassVar[bool] = False
    metrics: ClassVar[Mapping[str, Metric]]
    smooth: ClassVar[str]
    loss_unit: ClassVar[str]
    score_unit: ClassVar[str]
    score_range: ClassVar[tuple[float, float] | None] = None
    options: ClassVar[frozenset[str]] = frozenset()
    checks: ClassVar[frozenset[str]] = frozenset()
    baselines: ClassVar[Mapping[str, str]] = {}

    @property
    def objectives(self) -> dict[str, str]:
        """The direction of each objective that an experiment may name, the default first: {"val_macro_f1": "max"}."""
        return {f"val_{name}": metric.direction for name, metric in self.metrics.items() if metric.objective}

    @property
    def main_metrics(self) -> tuple[str, str]:
        """The two metrics of short summaries."""
        first, second, *_ = self.metrics
        return first, second

    def baseline(self, name: str) -> str:
        """Return this task's name of a baseline."""
        return self.baselines.get(name, name)

    @abstractmethod
    def outputs(self, labels: Sequence[str]) -> int:
        """Return the number of values that a model returns for a review.

        Args:
            labels: the label set, empty if there is none.
        """

    @abstractmethod
    def measure(self, targets: np.ndarray, answers: np.ndarray) -> dict[str, float]:
        """Compute every metric. The order of the rows does not matter.

        Args:
            targets: (n,), from `data/records/targets`.
            answers: (n, outputs) float, from a model.
        """

    @abstractmethod
    def scorer(self, targets: np.ndarray, answers: Sequence[np.ndarray], objective: str) -> Scorer:
        """Return a scorer of several candidates.

        Args:
            targets: (n,).
            answers: of each candidate, (n, outputs).
            objective: one of `objectives`.
        """

    @abstractmethod
    def constant(self, targets: np.ndarray, outputs: int) -> np.ndarray:
        """Return the best constant answer, (outputs,): the baseline that uses no input."""

    @abstractmethod
    def explained_output(self, answers: np.ndarray) -> np.ndarray:
        """Return the index of the output that an explanation follows: the prediction's, (n,) int64."""

    @abstractmethod
    def record(self, answer: np.ndarray, labels: Sequence[str]) -> dict[str, Any]:
        """Return one row of answers as `automm predict` writes it."""

    @property
    @abstractmethod
    def record_types(self) -> dict[str, type]:
        """The type of each key of `record`. The values are null if a review cannot be predicted."""
