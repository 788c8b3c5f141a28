"""The base class of tasks: what is predicted for a review, and everything that depends on it.

A task is one object in one file of this folder, named in `tasks/registry`. The rest of the package uses the task of the
manifest and never inspects the shape of an array instead. Parts that need Keras, TensorFlow or a record are only named
here:

| attribute | names an entry of |
|---|---|
| target | TARGETS in `data/records/targets`: how a record's cell becomes a target |
| head | HEADS in `models/heads`: the last layers; BOOSTINGS in `search/candidates/boosted_trees`: the boosted trees |
| loss | LOSSES in `search/training/losses`: the training loss, and the weight of each row |
| linear | REGRESSIONS in `search/candidates/linear`: the linear model on frozen features |
| figure | FIGURES in `evaluate/plots`: the plot of a candidate's answers for the test split |
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

LARGER, SMALLER = "max", "min"  # directions: larger or smaller is better


@dataclass(frozen=True)
class Metric:
    """A metric.

    Attributes:
        title: its name for people, for example "macro-F1".
        direction: LARGER or SMALLER.
        objective: whether it may be the objective of a search, under the name `val_<name>`.
        of_labels: whether it depends on the predicted labels only, and not on the probabilities.
        by_class: whether all classes count equally, however many reviews they have.
    """

    title: str
    direction: str
    objective: bool = True
    of_labels: bool = False
    by_class: bool = False


@dataclass(frozen=True)
class Terms:
    """What each of n reviews adds to the sums that a metric is computed from; each changes only a few of the sums.

    Attributes:
        columns: (n, t) int64, the sums that a review changes.
        values: (n, t) float64, by how much.
        size: the number of sums.
    """

    columns: np.ndarray
    values: np.ndarray
    size: int

    @classmethod
    def of_mean(cls, values: np.ndarray) -> "Terms":
        """Return the terms of a mean of values, (n,): the number of reviews, and the sum of the values."""
        ones = np.ones(len(values))
        return cls(np.tile([0, 1], (len(values), 1)), np.stack([ones, values], axis=1), 2)


@dataclass(frozen=True)
class Detailed:
    """All published metrics of a candidate on some reviews.

    Attributes:
        values: by name, those of `Task.published`; None where one is not defined.
        few_positives: the labels with too few reviews for AUROC and average precision, which do not include them.
        by_label: by name, a value for each label of the label set; {} without labels, or if they were not asked for.
    """

    values: dict[str, float | None]
    few_positives: list[str] = field(default_factory=list)
    by_label: dict[str, list[Any]] = field(default_factory=dict)


class Task(ABC):
    """One kind of prediction.

    Below, n is the number of reviews, and outputs the number of values that a model returns for a review (its answer).

    Attributes:
        name: its name in a manifest.
        targets: what is predicted, in words, for example "labels".
        model: the word for a model, for example "classifier".
        target, head, loss, linear, figure: see the module.
        linear_title: the linear model in words.
        has_labels: whether it has a label set, which `labels` of a manifest defines.
        has_probabilities: whether an answer is a probability for each label of the set, with sum 1.
        metrics: by name, in display order; short summaries show the first two. The first metric that may be an
            objective is the default objective. A name means the same metric in every task, and no two tasks have the
            same set of names.
        published: the metrics of `detailed`, in display order. They include those of `metrics` under the same names,
            except for a loss that is clipped for training.
        smooth: a metric that changes with every small change of an answer; smaller is better.
        loss_unit, score_unit: axis labels of learning curves, for the loss and for the first two metrics.
        score_range: the limits of the second axis; None to fit the data.
        options: those training options that need a task to list them (`of_task` in `search/space/table`).
        checks: those checks that need a task to list them (OF_TASKS in `data/quality/checks/registry`).
        baselines: this task's names of baselines, by their general name, where they differ; None: it has none.
    """

    name: ClassVar[str]
    targets: ClassVar[str]
    model: ClassVar[str]
    target: ClassVar[str]
    head: ClassVar[str]
    loss: ClassVar[str]
    linear: ClassVar[str]
    figure: ClassVar[str]
    linear_title: ClassVar[str]
    has_labels: ClassVar[bool] = True
    has_probabilities: ClassVar[bool] = False
    metrics: ClassVar[Mapping[str, Metric]]
    published: ClassVar[Mapping[str, Metric]]
    smooth: ClassVar[str]
    loss_unit: ClassVar[str]
    score_unit: ClassVar[str]
    score_range: ClassVar[tuple[float, float] | None] = None
    options: ClassVar[frozenset[str]] = frozenset()
    checks: ClassVar[frozenset[str]] = frozenset()
    baselines: ClassVar[Mapping[str, str | None]] = {}

    @property
    def objectives(self) -> dict[str, str]:
        """The direction of each objective that an experiment may name, the default first: {"val_macro_f1": "max"}."""
        return {f"val_{name}": metric.direction for name, metric in self.metrics.items() if metric.objective}

    @property
    def main_metrics(self) -> tuple[str, str]:
        """The two metrics of short summaries."""
        first, second, *_ = self.metrics
        return first, second

    def baseline(self, name: str) -> str | None:
        """Return the name of a baseline in this task, given its general name; None if this task has none."""
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
    def detailed(
        self,
        targets: np.ndarray,
        answers: np.ndarray,
        decided: np.ndarray,
        labels: Sequence[str],
        *,
        each_label: bool = True,
    ) -> Detailed:
        """Compute every metric of `published`, with scikit-learn where it has one. The order of the rows is irrelevant.

        Args:
            targets: (n,).
            answers: (n, outputs).
            decided: (n, outputs), of which the largest is the label (`evaluate/decision`); else the answers.
            labels: the label set, empty if there is none.
            each_label: whether to compute what is computed label by label, which takes long for many labels.
        """

    @abstractmethod
    def terms(self, metric: str, targets: np.ndarray, answers: np.ndarray) -> Terms:
        """Return what each review adds to the sums of a metric, for intervals and for scores of parts of the reviews.

        Args:
            metric: the name of one of `metrics`.
            targets: (n,).
            answers: (n, outputs).
        """

    @abstractmethod
    def from_sums(self, metric: str, sums: np.ndarray) -> np.ndarray:
        """Compute a metric from sums of `terms`: (size, ...) to (...) float64."""

    @abstractmethod
    def smooth_inputs(self, targets: np.ndarray, answers: np.ndarray) -> np.ndarray:
        """Return the part of the answers that `smooth_loss` needs, (n,): without probabilities, the errors.

        A weighted mean of answers has the weighted mean of their parts.
        """

    @abstractmethod
    def smooth_loss(self, inputs: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
        """Return a loss that ranks as the metric `smooth` does: means of `smooth_inputs`, (..., n) to (...).

        Args:
            weights: (n,), of the reviews; None: all the same.
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
