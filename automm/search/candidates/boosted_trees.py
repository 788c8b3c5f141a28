"""Boosted trees on principal components of the frozen features, on metadata and on history.

Each fold's trees are fitted once, with the most iterations. The number of iterations that is best over all folds is
kept, as the strength of the linear models is; of numbers, also the loss, and whether their logarithm is learned.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import keras
import numpy as np

from automm.errors import TrialError
from automm.evaluate.compare import better, score
from automm.models import baselines
from automm.models.average import average
from automm.models.trees.arrays import BoostedTrees
from automm.models.trees.layer import FromLogarithm
from automm.search.bench import Bench
from automm.search.candidates.estimator import Estimator, Fitted
from automm.search.candidates.linear import NEVER
from automm.search.candidates.sklearn_internals import centre_thresholds, start_of, trees_of
from automm.search.interrupt import raise_if_interrupted
from automm.search.setup.data import Setup
from automm.search.training.loop import Fold, predict

MOST_CLASSES = 30  # each class has trees of its own in each iteration
COMPONENTS, COMPONENT_ROWS = 64, 10_000  # principal components in all, and the most reviews that they are computed from
LEAST_VARIANCE = 1e-6  # of a component, as a share of the largest variance
ITERATIONS = (25, 50, 100, 200)
MOST_TREES = 2000  # of all classes together; many classes have fewer iterations
SETTINGS = {"learning_rate": 0.1, "max_leaf_nodes": 8, "max_depth": 4, "early_stopping": False}


@dataclass(frozen=True)
class Form:
    """What trees learn.

    Attributes:
        loss: as scikit-learn names it.
        offset: the logarithm of number + offset is learned; None: the number itself.
    """

    loss: str
    offset: float | None = None

    @property
    def point(self) -> dict[str, Any]:
        """The form as hyperparameters."""
        return {"loss": self.loss} | ({} if self.offset is None else {"logarithm_of": f"target + {self.offset:g}"})


class Boosting(ABC):
    """The boosted trees of one kind of answers."""

    @abstractmethod
    def forms(self, targets: np.ndarray) -> list[Form]:
        """Return the forms to choose from, given all targets of training rows, (n,)."""

    @abstractmethod
    def fit(self, setup: Setup, form: Form, features: np.ndarray, fold: Fold, settings: dict[str, Any]) -> BoostedTrees:
        """Fit trees to the training rows of a fold.

        Args:
            features: (training rows, features) float32.
            settings: arguments of scikit-learn.
        """

    @abstractmethod
    def last(self, form: Form) -> Any:
        """Return the layer from the sums of the trees to answers, (n, outputs) each."""


class Classes(Boosting):
    """Trees for each class, with a softmax; for two classes, trees of the second alone."""

    def forms(self, targets: np.ndarray) -> list[Form]:
        return [Form("log_loss")]

    def fit(self, setup: Setup, form: Form, features: np.ndarray, fold: Fold, settings: dict[str, Any]) -> BoostedTrees:
        from sklearn.ensemble import HistGradientBoostingClassifier

        labels = setup.arrays.targets
        if len(np.unique(labels[fold.train])) < 2:
            raise TrialError("the training reviews of a fold have one label only")
        model = HistGradientBoostingClassifier(loss=form.loss, **settings)
        model.fit(features, labels[fold.train], sample_weight=setup.row_weights(fold.train))
        centre_thresholds(model, features)
        classes = [int(label) for label in model.classes_]
        columns = classes if len(classes) > 2 else classes[1:]
        start = np.full(setup.outputs, NEVER)
        start[classes], start[columns] = 0.0, start_of(model)
        return BoostedTrees.of(trees_of(model), columns, start)

    def last(self, form: Form) -> Any:
        return keras.layers.Activation("softmax", name="label")


class Number(Boosting):
    """Trees for one number, or for its logarithm if no number is negative."""

    def forms(self, targets: np.ndarray) -> list[Form]:
        plain = [Form("squared_error"), Form("absolute_error")]
        if targets.min() < 0:
            return plain
        return [*plain, Form("squared_error", 0.0 if targets.min() > 0 else 1.0)]

    def fit(self, setup: Setup, form: Form, features: np.ndarray, fold: Fold, settings: dict[str, Any]) -> BoostedTrees:
        from sklearn.ensemble import HistGradientBoostingRegressor

        targets = setup.arrays.targets[fold.train].astype(np.float64)
        if form.offset is not None:
            targets = np.log(targets + form.offset)
        model = HistGradientBoostingRegressor(loss=form.loss, **settings).fit(features, targets)
        centre_thresholds(model, features)
        return BoostedTrees.of(trees_of(model), [0], start_of(model))

    def last(self, form: Form) -> Any:
        if form.offset is None:
            return keras.layers.Activation("linear", name="label")
        return FromLogarithm(form.offset, name="label")


BOOSTINGS: dict[str, Boosting] = {"softmax": Classes(), "number": Number()}  # by the head of the task


@dataclass(frozen=True)
class Trees(Estimator):
    """Boosted trees of the task on the features of some modalities, of all their encoders.

    Attributes:
        modalities: in the order of fusion.
    """

    modalities: tuple[str, ...] = field(kw_only=True)

    def fit(self, bench: Bench) -> Fitted:
        from threadpoolctl import threadpool_limits

        setup = bench.setup
        if setup.outputs > MOST_CLASSES:
            raise TrialError(f"trees are fitted for at most {MOST_CLASSES} classes, and there are {setup.outputs}")
        boosting = BOOSTINGS[setup.task.head]
        build = partial(baselines.tree_features, setup.shapes, self.modalities, COMPONENTS)
        models = bench.fold_models(build)
        settings = {**SETTINGS, "max_iter": _iterations(setup.outputs)[-1], "random_state": self.seed_on(bench)}
        targets = np.concatenate([setup.arrays.targets[fold.train] for fold in setup.folds])
        # One thread: the result does not depend on the number of cores, and on cores that other processes use, several
        # threads take a hundred times as long, because each waits actively for the others after each small step.
        with threadpool_limits(1):
            features = [_features(bench, model, fold) for model, fold in zip(models, setup.folds, strict=True)]
            fitted = {
                form: [
                    boosting.fit(setup, form, learn, fold, settings)
                    for (learn, _), fold in zip(features, setup.folds, strict=True)
                ]
                for form in boosting.forms(targets)
            }
        form, count = _best(setup, boosting, fitted, [judge for _, judge in features])
        whole = [
            baselines.with_trees(model, trees.first(count), boosting.last(form))
            for model, trees in zip(models, fitted[form], strict=True)
        ]
        return Fitted(average(whole), bench.evaluate_models(whole), {**form.point, "iterations": count})


def _iterations(outputs: int) -> list[int]:
    """Return the numbers of iterations to choose from."""
    return [count for count in ITERATIONS if count * outputs <= MOST_TREES]


def _features(bench: Bench, model: Any, fold: Fold) -> tuple[np.ndarray, np.ndarray]:
    """Compute the components from the training rows, and return what the trees read: of training and of judged rows.

    The trees are fitted to the very float32 numbers of the model's layers, because a threshold is a step.
    """
    raise_if_interrupted()
    some = fold.train[:: -(-len(fold.train) // COMPONENT_ROWS)]
    for layer, before in baselines.component_layers(model):
        vectors = predict(before, bench.input_rows(before), some)
        baselines.set_components(layer, *principal_components(vectors, layer.units))
    source = bench.input_rows(model)
    return predict(model, source, fold.train), predict(model, source, fold.validation)


def principal_components(vectors: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean, (features,), and the first principal components, (count, features) float64.

    Components of rounding errors are zeros: trees would learn these errors where reviews are few or features repeat.
    Not scikit-learn's: it divides by the variance, which is 0 where no training review has a picture.

    Args:
        vectors: (rows, features), at least `count` features.
    """
    from scipy.linalg import eigh

    mean = vectors.mean(axis=0, dtype=np.float64)
    centred, features = vectors - mean, vectors.shape[1]
    variances, columns = eigh(centred.T @ centred, subset_by_index=(features - count, features - 1))
    columns[:, variances <= LEAST_VARIANCE * variances[-1]] = 0.0
    return mean, columns.T[::-1]


def _best(
    setup: Setup, boosting: Boosting, fitted: dict[Form, list[BoostedTrees]], features: Sequence[np.ndarray]
) -> tuple[Form, int]:
    """Return the form and the number of iterations that are best over all folds."""
    counts = _iterations(setup.outputs)
    best: tuple[float, Form, int] | None = None
    for form, trees in fitted.items():
        sums = [one.sums(given, counts) for one, given in zip(trees, features, strict=True)]
        for count, of_all in zip(counts, np.concatenate(sums, axis=1), strict=True):
            answers = np.asarray(boosting.last(form)(of_all))
            value = score(setup.task.measure(setup.validation_targets, answers), setup.experiment.objective)
            if best is None or better(value, best[0], setup.experiment.direction):
                best = (value, form, count)
    assert best is not None
    return best[1:]
