"""What a task is: what a review is predicted to have, and everything that depends on it.

A task is one object in one file of this folder, named in `tasks/registry`. The rest of the package asks the manifest's
task and never a shape. What needs Keras, TensorFlow or a record is named here and defined where it belongs:

| attribute | names an entry of |
|---|---|
| target | TARGETS in `data/records/targets`: how a record's cell becomes a target |
| head | HEADS in `models/heads`: the last layers and their activation |
| loss | LOSSES in `search/training/losses`: what training minimizes, and the weight of each row |
| linear | REGRESSIONS in `search/candidates/linear`: the linear model on frozen features |
| figure | FIGURES in `evaluate/plots`: the picture of a candidate's answers for the test split |
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import numpy as np

LARGER, SMALLER = "max", "min"  # is better


@dataclass(frozen=True)
class Metric:
    """A figure of merit.

    Attributes:
        title: for people, such as "macro-F1".
        direction: LARGER or SMALLER is better.
        objective: whether a search may choose by it, as `val_` and its name.
    """

    title: str
    direction: str
    objective: bool = True


class Scorer(Protocol):
    """The objective of several candidates on any rows, computed many times over: see `evaluate/selection`."""

    def scores(self, rows: np.ndarray, candidate: int | None = None) -> np.ndarray:
        """The objective on some of the rows: (candidates,) float64, or (1,) of one candidate."""


class Task(ABC):
    """One kind of prediction.

    n is a number of reviews; outputs is how many numbers a model gives for a review.

    Attributes:
        name: in a manifest.
        targets: what is predicted, in words, such as "labels".
        model: what a model is called, such as "classifier".
        target, head, loss, linear, figure: see the module.
        has_labels: whether it has a label set, which `labels` of a manifest defines.
        scaled: whether the head scales its answers by mean and deviation of the training targets.
        metrics: by name, in the order in which they are shown; the first two are shown where there is little room.
            The first of those that are objectives is the default objective.
        smooth: the metric that changes with every small change of an answer; smaller is better.
        loss_unit, score_unit: axes of learning curves: the loss, and the first two metrics.
        score_range: the limits of the second axis; None where the data decides.
        options: training options (`search/training/options`) that need this task.
        checks: codes of the findings of `automm check` that need this task.
        baselines: names of baselines that are called differently here, by their general name.
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
        """Directions of the objectives that an experiment may name, the default first: {"val_macro_f1": "max"}."""
        return {f"val_{name}": metric.direction for name, metric in self.metrics.items() if metric.objective}

    @property
    def main_metrics(self) -> tuple[str, str]:
        """The two metrics that are shown where there is little room."""
        first, second, *_ = self.metrics
        return first, second

    def baseline(self, name: str) -> str:
        """What a baseline is called in this task."""
        return self.baselines.get(name, name)

    @abstractmethod
    def outputs(self, labels: Sequence[str]) -> int:
        """How many numbers a model gives for a review, `labels` being the label set (empty where there is none)."""

    @abstractmethod
    def measure(self, targets: np.ndarray, answers: np.ndarray) -> dict[str, float]:
        """Every metric, whatever the order of the rows.

        Args:
            targets: (n,), what `data/records/targets` made of the records.
            answers: (n, outputs) float, what a model gives.
        """

    @abstractmethod
    def scorer(self, targets: np.ndarray, answers: Sequence[np.ndarray], objective: str) -> Scorer:
        """The objective of several candidates; `answers` are those of each, (n, outputs)."""

    @abstractmethod
    def constant(self, targets: np.ndarray, outputs: int) -> np.ndarray:
        """The best answer that is the same for every review, (outputs,): the baseline without any input."""

    @abstractmethod
    def explained(self, answers: np.ndarray) -> np.ndarray:
        """Which of the outputs an explanation follows, (n,) int64: that of the prediction."""

    @abstractmethod
    def record(self, answer: np.ndarray, labels: Sequence[str]) -> dict[str, Any]:
        """A prediction as `automm predict` writes it, from one row of answers."""

    @property
    @abstractmethod
    def record_types(self) -> dict[str, type]:
        """The keys of `record`, null where a review cannot be predicted, and the type of each."""
