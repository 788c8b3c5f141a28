"""Linear baselines on frozen features: a logistic regression of labels, a ridge regression of numbers.

Both are fitted with several penalty strengths, one model per fold; the strength that is best over all folds is kept.
"""

import tempfile
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, ClassVar

import numpy as np

from automm.evaluate.compare import better, score
from automm.models import baselines
from automm.models.average import average
from automm.search.bench import Bench
from automm.search.candidates.estimator import Estimator, Fitted
from automm.search.setup.data import Setup
from automm.search.training.loop import Fold, predict
from automm.tasks.classification import MANY

PARTS = {  # the modalities of each baseline; those that the manifest lacks are left out
    "text": ("text",),
    "image": ("image",),
    "both": ("text", "image"),
    "columns": ("metadata", "history"),
    "all": ("text", "image", "metadata", "history"),
    "all_encoders": ("text", "image", "metadata", "history"),  # and all encoders of a modality
}
DESIGN_ROWS = 4096
SOLVER_BYTES = 340  # of L-BFGS per coefficient: ten pairs of float64 vectors, and copies
NEVER = -1e3  # the logit of a class that is not in the training rows of a fold

Weights = tuple[np.ndarray, np.ndarray]  # coefficients (outputs, features) and intercepts (outputs,)


class Regression(ABC):
    """A linear model that is fitted with several penalty strengths.

    Attributes:
        key: the name of the strength in scikit-learn.
        strengths: the values of `key`, from strong to weak regularization.
    """

    key: ClassVar[str]
    strengths: ClassVar[tuple[float, ...]]

    @abstractmethod
    def fit(self, setup: Setup, learn: Any, fold: Fold) -> Iterator[tuple[float, Weights]]:
        """Yield each strength with its weights.

        Args:
            learn: (training rows, features) float32, dense or sparse.
        """

    @abstractmethod
    def answers(self, sums: np.ndarray) -> np.ndarray:
        """Return the answers, (rows, outputs), from the sums of coefficients times features plus intercepts."""


class Logistic(Regression):
    """A softmax regression of labels."""

    key = "C"  # the inverse of the penalty
    strengths: ClassVar[tuple[float, ...]] = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)
    strength_of_many: ClassVar[float] = 1e-1  # for more than MANY classes, because each strength takes minutes
    tolerance: ClassVar[float] = 1e-3

    def fit(self, setup: Setup, learn: Any, fold: Fold) -> Iterator[tuple[float, Weights]]:
        from sklearn.linear_model import LogisticRegression

        labels, classes = setup.arrays.targets, setup.outputs
        weights = setup.row_weights(fold.train)
        regression = LogisticRegression(max_iter=1000, tol=self.tolerance, warm_start=True)
        strengths = self.strengths if classes <= MANY else (self.strength_of_many,)
        for strength in strengths:  # each starts from the solution of the previous one
            regression.set_params(C=strength).fit(learn, labels[fold.train], sample_weight=weights)
            yield strength, _all_classes(regression, classes)

    def answers(self, sums: np.ndarray) -> np.ndarray:
        from sklearn.utils.extmath import softmax

        return np.asarray(softmax(sums))


class Ridge(Regression):
    """A ridge regression of numbers."""

    key, strengths = "alpha", (1e4, 1e3, 1e2, 1e1, 1.0)

    def fit(self, setup: Setup, learn: Any, fold: Fold) -> Iterator[tuple[float, Weights]]:
        from sklearn.linear_model import Ridge as Model

        values = setup.arrays.targets[fold.train].astype(np.float64)
        for penalty in self.strengths:
            regression = Model(alpha=penalty, solver="lsqr").fit(learn, values)
            coefficients = regression.coef_.reshape(1, -1).astype(np.float32)
            yield penalty, (coefficients, np.array([regression.intercept_], np.float32))

    def answers(self, sums: np.ndarray) -> np.ndarray:
        return sums


REGRESSIONS: dict[str, Regression] = {"logistic": Logistic(), "ridge": Ridge()}  # a task names its own


@dataclass(frozen=True)
class LinearModel(Estimator):
    """The regression of the task on the features of some modalities.

    Attributes:
        modalities: in the order of fusion.
        all_encoders: whether it reads all encoders of a modality, not the first alone.
    """

    modalities: tuple[str, ...] = field(kw_only=True)
    all_encoders: bool = False

    def fit(self, bench: Bench) -> Fitted:
        setup = bench.setup
        regression = REGRESSIONS[setup.task.linear]
        build = partial(baselines.linear, setup.shapes, self.modalities, all_encoders=self.all_encoders)
        models = bench.fold_models(build)
        strength = fit_linear(bench, models, regression, _design)
        return Fitted(average(models), bench.evaluate_models(models), {regression.key: strength})


def fit_linear(
    bench: Bench,
    models: Sequence[Any],
    regression: Regression,
    design: Callable[[Bench, Any, np.ndarray], AbstractContextManager[Any]],
) -> float:
    """Fit the models, one per fold, with the strength that is best over all folds, and return this strength.

    Args:
        design: provides the design matrix of a model for some reviews, (rows, features), dense or sparse.
    """
    bench.check_memory(models[0], len(models), SOLVER_BYTES)
    setup, objective = bench.setup, bench.setup.experiment.objective
    by_strength: dict[float, list[tuple[Weights, np.ndarray]]] = {}
    for model, fold in zip(models, setup.folds, strict=True):
        with design(bench, model, fold.train) as learn, design(bench, model, fold.validation) as judge:
            for strength, (coefficients, intercepts) in regression.fit(setup, learn, fold):
                answers = judge @ coefficients.T + intercepts
                by_strength.setdefault(strength, []).append(((coefficients, intercepts), answers))
    best: tuple[float, float] | None = None
    for strength, fitted in by_strength.items():
        answers = regression.answers(np.concatenate([part[1] for part in fitted]))
        value = score(setup.task.measure(setup.validation_targets, answers), objective)
        if best is None or better(value, best[0], setup.experiment.direction):
            best = (value, strength)
    assert best is not None
    for model, (weights, _) in zip(models, by_strength[best[1]], strict=True):
        baselines.set_linear(model, *weights)
    return best[1]


@contextmanager
def _design(bench: Bench, model: Any, rows: np.ndarray) -> Iterator[np.ndarray]:
    """Provide the design matrix of a `linear` suffix for some reviews, (rows, features) float32.

    It is a memory-mapped file, which scikit-learn reads directly: 50,000 reviews would take 330 MB of memory.
    """
    design = baselines.design_matrix(model)
    source = bench.input_rows(design)
    with tempfile.TemporaryFile(dir=bench.run.folder) as file:
        size = (len(rows), int(design.output_shape[-1]))
        values: np.ndarray = np.memmap(file, np.float32, "w+", shape=size)
        for start in range(0, len(rows), DESIGN_ROWS):
            part = rows[start : start + DESIGN_ROWS]
            values[start : start + len(part)] = predict(design, source, part)
        yield values


def _all_classes(regression: Any, classes: int) -> Weights:
    """Return the weights of a fitted logistic regression with one row for each class.

    scikit-learn has a single row for two classes, and no row for a class that is not in the training rows.
    """
    coefficients, intercepts = regression.coef_, regression.intercept_
    if len(regression.classes_) == 2:
        coefficients = np.concatenate([np.zeros_like(coefficients), coefficients])
        intercepts = np.concatenate([np.zeros_like(intercepts), intercepts])
    all_coefficients = np.zeros((classes, coefficients.shape[1]), np.float32)
    all_intercepts = np.full(classes, NEVER, np.float32)
    all_coefficients[regression.classes_], all_intercepts[regression.classes_] = coefficients, intercepts
    return all_coefficients, all_intercepts
