"""Runs the hand-built candidates: they are measured exactly like trials, before the first of them."""

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import keras
import numpy as np

from automm.errors import TrialError
from automm.evaluate.metrics import better, measure, score
from automm.models import baselines
from automm.models.heads import learn_statistics
from automm.models.whole import compiled, compose, rows_at_once
from automm.search.session import Search
from automm.search.train import predict, row_weights, train
from automm.tracking.runs import COMPLETED

STRENGTHS = (
    1e-4,
    1e-3,
    1e-2,
    1e-1,
    1.0,
)  # of a logistic regression: C, the best on the validation rows is kept
LOGISTIC: dict[str, tuple[str, ...]] = {
    "logistic_text": ("text",),
    "logistic_image": ("image",),
    "logistic_both": ("text", "image"),
}


def run_baselines(search: Search) -> None:
    """Every baseline of the experiment that has no line yet, in order, until the time is up."""
    done = {candidate.name for candidate in search.candidates if candidate.status != "KILLED"}
    wanted = search.task.experiment.baselines
    names = wanted.names() + (["end_to_end"] if wanted.end_to_end else [])
    for name in names:
        if name not in done and not search.out_of_time():
            _RUNNERS.get(name, _trained)(search, name)


def _trained(search: Search, name: str) -> None:
    build, values = baselines.TRAINED[name]
    values = dict(values)
    # Packed or not, it is the same candidate: the same seed gives the same weights and batches.
    seed_name = name.removeprefix("packed_")
    search.train(name, "baseline", values, lambda: build(search.task.shapes, values), seed_name=seed_name)


def _majority(search: Search, name: str) -> None:
    counts = np.bincount(search.task.targets("train"), minlength=len(search.task.labels))
    shares = counts / counts.sum()
    search.record(name, "baseline", {}, lambda: baselines.majority(search.task.shapes, shares), lambda model: None)


def _logistic(search: Search, name: str) -> None:
    modalities = LOGISTIC[name]
    values: dict[str, Any] = {"modalities": "+".join(modalities)}

    def fit(model: Any) -> None:
        learn_statistics(model, search.task.statistics)
        values["C"] = _fit_logistic(search, model)

    search.record(name, "baseline", values, lambda: baselines.linear(search.task.shapes, modalities), fit)


def _fit_logistic(search: Search, model: Any) -> float:
    from sklearn.linear_model import LogisticRegression

    task, objective = search.task, search.task.experiment.objective
    design = baselines.design_matrix(model)
    train_x, validation_x = (predict(design, task.features, task.rows(split)) for split in ("train", "validation"))
    # The same weights as every trained candidate has, or a difference in macro-F1 would be one of weights.
    weights = None
    if task.experiment.training.class_weights:
        weights = row_weights(task.arrays.labels, task.rows("train"), len(task.labels))[task.rows("train")]
    best: tuple[float, float, Any] | None = None
    for strength in STRENGTHS:
        fitted = LogisticRegression(C=strength, max_iter=1000, tol=1e-3)
        fitted.fit(train_x, task.targets("train"), sample_weight=weights)
        probabilities = fitted.predict_proba(validation_x)  # every class is in the training split
        value = score(measure(task.targets("validation"), probabilities), objective)
        if best is None or better(value, best[0], task.experiment.direction):
            best = (value, strength, fitted)
    assert best is not None
    coefficients, intercepts = best[2].coef_, best[2].intercept_
    if len(task.labels) == 2:  # scikit-learn keeps one row for two classes
        coefficients = np.concatenate([np.zeros_like(coefficients), coefficients])
        intercepts = np.concatenate([np.zeros_like(intercepts), intercepts])
    baselines.set_linear(model, coefficients, intercepts)
    return best[1]


def _late_average(search: Search, name: str) -> None:
    """The mean of the text-only and picture-only candidates' probabilities, as they stand."""

    def build() -> Any:
        members = {}
        for member in ("text_only", "image_only"):
            if not _completed(search, member):
                raise TrialError(f"late_average needs the baseline {member}, which has not completed")
            members[member] = keras.saving.load_model(search.run.model_path(member), compile=False)
        return baselines.late_average(search.task.shapes, members)

    search.record(name, "baseline", {}, build, lambda model: None)


def _end_to_end(search: Search, name: str) -> None:
    """The concatenation with CNN and BERT unfrozen, from the frozen candidate's weights where there are some.

    Starting from a trained head keeps the first steps from spoiling the encoders (Kumar et al. 2022, arXiv 2202.10054).
    Batch norm statistics stay those of pre-training: zero pictures that fill a review up would spoil them.
    """
    task, settings = search.task, search.task.experiment.baselines
    values = {**baselines.CONCATENATION, "training/learning_rate": settings.end_to_end_learning_rate}
    frozen = search.run.model_path("concatenation")

    def build() -> Any:
        if _completed(search, "concatenation"):
            suffix = keras.saving.load_model(frozen, compile=False)
        else:
            suffix = baselines.fused(task.shapes, values)
            learn_statistics(suffix, task.statistics)
        text, image = task.text_source.build(), task.image_source.build()
        text.trainable = image.trainable = True
        for layer in image._flatten_layers(include_self=False, recursive=True):
            if isinstance(layer, keras.layers.BatchNormalization):
                layer.trainable = False
        for layer in text._flatten_layers(include_self=False, recursive=True):
            if layer.name == "pooled_dense":  # BERT's own read-out, which the mean of token states passes by
                layer.trainable = False
        return compose(
            suffix,
            text,
            image,
            sequence_length=task.experiment.inputs.sequence_length,
            image_shape=task.arrays.image_shape,
        )

    deadline = time.monotonic() + settings.end_to_end_time
    deadline = deadline if search.deadline is None else min(deadline, search.deadline)
    plan = replace(
        search.plan(search.seed_of(name), settings.end_to_end_learning_rate),
        epochs=settings.end_to_end_epochs,
    )
    search.record(
        name,
        "baseline",
        values,
        build,
        lambda model: train(
            model,
            task.arrays,
            task.arrays.labels,
            task.rows("train"),
            task.rows("validation"),
            plan,
            deadline=deadline,
            reader=compiled(model),
            reader_batch=rows_at_once(task.experiment.inputs.max_images),
        ),
        tier=2,
        source=task.arrays,
    )


def _completed(search: Search, name: str) -> bool:
    return any(candidate.name == name and candidate.status == COMPLETED for candidate in search.candidates)


_RUNNERS: dict[str, Callable[[Search, str], None]] = {
    "majority": _majority,
    "logistic_text": _logistic,
    "logistic_image": _logistic,
    "logistic_both": _logistic,
    "late_average": _late_average,
    "end_to_end": _end_to_end,
}
