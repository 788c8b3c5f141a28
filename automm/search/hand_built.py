"""Runs the hand-built candidates: they are measured exactly like trials, before the first of them."""

import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import keras
import numpy as np

from automm.errors import TrialError
from automm.evaluate.metrics import better, measure, score
from automm.models import baselines
from automm.models.average import average, members_of
from automm.models.encoder_layers import unfreeze
from automm.models.heads import learn_statistics
from automm.models.whole import compiled, compose, rows_at_once
from automm.search.losses import row_weights
from automm.search.session import Search
from automm.search.train import Trained, predict, train
from automm.tracking.runs import COMPLETED

STRENGTHS = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)  # of a logistic regression: C, the best on the validation rows is kept
DESIGN_ROWS = 4096
NEVER = -1e3  # the logit of a class that a fold's training rows do not have
LOGISTIC: dict[str, tuple[str, ...]] = {
    "logistic_text": ("text",),
    "logistic_image": ("image",),
    "logistic_both": ("text", "image"),
    "logistic_columns": ("metadata", "history"),
    "logistic_all": ("text", "image", "metadata", "history"),
}


def run_baselines(search: Search) -> None:
    """Every baseline of the experiment that has no line yet, in order, until the time is up."""
    done = {candidate.name for candidate in search.candidates if candidate.status != "KILLED"}
    wanted = search.task.experiment.baselines
    names = wanted.names(search.task.dataset.manifest.columns) + (["end_to_end"] if wanted.end_to_end else [])
    for name in names:
        if name not in done and not search.out_of_time():
            _RUNNERS.get(name, _trained)(search, name)


def _trained(search: Search, name: str) -> None:
    build, values = baselines.TRAINED[name]
    if "fusion/operator" in values:
        values = baselines.with_columns(values, search.task.dataset.manifest.columns)
    # Packed or not, it is the same candidate: the same seed gives the same weights and batches.
    seed_name = name.removeprefix("packed_")
    search.train(name, "baseline", values, lambda: build(search.task.shapes, values), seed_name=seed_name)


def _majority(search: Search, name: str) -> None:
    def work() -> tuple[Any, Trained]:
        labels, classes = search.task.arrays.labels, len(search.task.labels)
        shares = [np.bincount(labels[fold.train], minlength=classes) / len(fold.train) for fold in search.task.folds]
        models = [baselines.majority(search.task.shapes, share) for share in shares]
        return average(models), search.judge(models)

    search.record(name, "baseline", {}, work)


def _logistic(search: Search, name: str) -> None:
    columns = search.task.dataset.manifest.columns
    modalities = tuple(one for one in LOGISTIC[name] if one in ("text", "image", *columns))
    values: dict[str, Any] = {"modalities": "+".join(modalities)}

    def work() -> tuple[Any, Trained]:
        models = search.members(lambda: baselines.linear(search.task.shapes, modalities))
        values["C"] = _fit_logistic(search, models)
        return average(models), search.judge(models)

    search.record(name, "baseline", values, work)


def _fit_logistic(search: Search, models: Sequence[Any]) -> float:
    """Fit a regression a fold at each strength, and set the models to the strength that is best over all folds."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.utils.extmath import softmax

    task, objective = search.task, search.task.experiment.objective
    labels, classes = task.arrays.labels, len(task.labels)
    by_strength: dict[float, list[tuple[np.ndarray, np.ndarray, np.ndarray]]] = {C: [] for C in STRENGTHS}
    for model, fold in zip(models, task.folds, strict=True):
        # The same weights as every trained candidate has, or a difference in macro-F1 would be one of weights.
        weights = row_weights(labels, fold.train, classes, task.experiment.training.class_weights)[fold.train]
        regression = LogisticRegression(max_iter=1000, tol=1e-3, warm_start=True)
        with _design(search, model, fold.train) as learn, _design(search, model, fold.validation) as judge:
            for strength in STRENGTHS:  # from strong regularisation to weak, each from where the last one ended
                regression.set_params(C=strength).fit(learn, labels[fold.train], sample_weight=weights)
                coefficients, intercepts = _all_classes(regression, classes)
                by_strength[strength].append((coefficients, intercepts, judge @ coefficients.T + intercepts))
    best: tuple[float, float] | None = None
    for strength, fitted in by_strength.items():
        logits = np.concatenate([part[2] for part in fitted])
        value = score(measure(task.judged, softmax(logits)), objective)
        if best is None or better(value, best[0], task.experiment.direction):
            best = (value, strength)
    assert best is not None
    for model, (coefficients, intercepts, _) in zip(models, by_strength[best[1]], strict=True):
        baselines.set_linear(model, coefficients, intercepts)
    return best[1]


@contextmanager
def _design(search: Search, model: Any, rows: np.ndarray) -> Iterator[np.ndarray]:
    """What the regression of a `linear` suffix sees of some reviews, (rows, features) float32.

    On disk: of 50,000 reviews it would take 330 MB of memory, and scikit-learn reads a memory map as it is.
    """
    design = baselines.design_matrix(model)
    with tempfile.TemporaryFile(dir=search.run.folder) as file:
        size = (len(rows), int(design.output_shape[-1]))
        values: np.ndarray = np.memmap(file, np.float32, "w+", shape=size)
        for start in range(0, len(rows), DESIGN_ROWS):
            part = rows[start : start + DESIGN_ROWS]
            values[start : start + len(part)] = predict(design, search.task.features, part)
        yield values


def _all_classes(regression: Any, classes: int) -> tuple[np.ndarray, np.ndarray]:
    """(classes, features) and (classes,) of a fitted regression.

    scikit-learn keeps one row for two classes, and none for a class that the fold's training rows do not have.
    """
    coefficients, intercepts = regression.coef_, regression.intercept_
    if len(regression.classes_) == 2:
        coefficients = np.concatenate([np.zeros_like(coefficients), coefficients])
        intercepts = np.concatenate([np.zeros_like(intercepts), intercepts])
    all_coefficients = np.zeros((classes, coefficients.shape[1]), np.float32)
    all_intercepts = np.full(classes, NEVER, np.float32)
    all_coefficients[regression.classes_], all_intercepts[regression.classes_] = coefficients, intercepts
    return all_coefficients, all_intercepts


def _late_average(search: Search, name: str) -> None:
    """The mean of the text-only and picture-only candidates' probabilities, as they stand."""

    def work() -> tuple[Any, Trained]:
        members, predictions = {}, []
        for member in ("text_only", "image_only"):
            predicted = search.run.predictions(member)
            if not _completed(search, member) or predicted is None:
                raise TrialError(f"late_average needs the baseline {member}, which has not completed")
            predictions.append(predicted)
            members[member] = keras.saving.load_model(search.run.model_path(member), compile=False)
        return baselines.late_average(search.task.shapes, members), search.judged(np.mean(predictions, axis=0))

    search.record(name, "baseline", {}, work)


def _end_to_end(search: Search, name: str) -> None:
    """The concatenation with CNN and BERT unfrozen, from the frozen candidate's weights where there are some.

    Starting from a trained head keeps the first steps from spoiling the encoders (Kumar et al. 2022, arXiv 2202.10054).
    Where candidates are judged on folds, this one is on the first alone: it costs a hundred times what a head does.
    """
    task, settings = search.task, search.task.experiment.baselines
    values = baselines.with_columns(baselines.CONCATENATION, task.dataset.manifest.columns)
    values["training/learning_rate"] = settings.end_to_end_learning_rate
    fold = task.folds[0]

    def build() -> Any:
        if _completed(search, "concatenation"):
            frozen = keras.saving.load_model(search.run.model_path("concatenation"), compile=False)
            suffix = members_of(frozen)[0]
        else:
            suffix = baselines.fused(task.shapes, values)
            learn_statistics(suffix, task.statistics[0])
        text, image = task.text_source.build(), task.image_source.build()
        unfreeze(text)
        unfreeze(image)
        return compose(
            suffix,
            replace(search.layers, whole=lambda: (text, image)),
            sequence_length=task.experiment.inputs.sequence_length,
            image_shape=task.arrays.image_shape,
        )

    deadline = time.monotonic() + settings.end_to_end_time
    deadline = deadline if search.deadline is None else min(deadline, search.deadline)
    plan = replace(
        search.plan(search.seed_of(name), values),
        epochs=settings.end_to_end_epochs,
    )

    def work() -> tuple[Any, Trained]:
        model = build()
        trained = train(
            [model],
            [fold],
            task.arrays,
            task.arrays.labels,
            plan,
            deadline=deadline,
            readers=[compiled(model)],
            reader_batch=rows_at_once(task.experiment.inputs.max_images),
        )
        return model, trained

    evaluation = None if len(task.folds) == 1 else f"1 of {task.evaluation}"
    search.record(name, "baseline", values, work, tier=2, evaluation=evaluation)


def _completed(search: Search, name: str) -> bool:
    return any(candidate.name == name and candidate.status == COMPLETED for candidate in search.candidates)


_RUNNERS: dict[str, Callable[[Search, str], None]] = {
    "majority": _majority,
    "logistic_text": _logistic,
    "logistic_image": _logistic,
    "logistic_both": _logistic,
    "logistic_columns": _logistic,
    "logistic_all": _logistic,
    "late_average": _late_average,
    "end_to_end": _end_to_end,
}
