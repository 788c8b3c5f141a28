"""Runs the hand-built candidates: they are measured exactly like trials, before the first of them."""

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import keras
import numpy as np

from automm.config.experiment import FORMER_BASELINES
from automm.errors import TrialError
from automm.models import baselines
from automm.models.average import average, members_of
from automm.models.encoders.layers import unfreeze
from automm.models.heads import learn_statistics
from automm.models.whole import compiled, compose, rows_at_once
from automm.search.baselines.linear import PARTS, run_linear
from automm.search.session import Search
from automm.search.training.loop import Trained, train
from automm.tracking.runs import COMPLETED, PARTIAL

AVERAGED = ("text_only", "image_only")  # by the baseline `late_average`
# A seed is derived from a name. Two baselines take another name's seed.
SEED_NAMES = {
    "low_rank_bilinear": "bilinear",  # its former name, so that it trains to the same figures as before the renaming
    "packed_concatenation": "concatenation",  # the same candidate: the same initial weights and batches
}


def run_baselines(search: Search) -> None:
    """Every baseline of the experiment that has no line yet, in order, until the time is up."""
    done = {_present(candidate.name) for candidate in search.candidates if candidate.status != "KILLED"}
    wanted = search.setup.experiment.baselines
    manifest = search.setup.dataset.manifest
    names = wanted.names(manifest.columns, manifest.task) + (["end_to_end"] if wanted.end_to_end else [])
    for name in names:
        if name not in done and not search.budget.out_of_time():
            run_baseline(search, name)


def run_baseline(search: Search, name: str) -> None:
    """Train, measure and record one."""
    _RUNNERS.get(name, _trained)(search, name)


def _trained(search: Search, name: str) -> None:
    present = _present(name)
    build, values = baselines.TRAINED[present]
    if "fusion/operator" in values:
        values = baselines.with_columns(values, search.setup.dataset.manifest.columns)
    seed_name = SEED_NAMES.get(present, present)
    search.runner.train(name, "baseline", values, lambda: build(search.setup.shapes, values), seed_name=seed_name)


def _present(name: str) -> str:
    """Return a baseline's present name; a run from before a renaming has the former one."""
    return FORMER_BASELINES.get(name, name)


def _majority(search: Search, name: str) -> None:
    def work() -> tuple[Any, Trained]:
        labels, classes = search.setup.arrays.labels, len(search.setup.labels)
        shares = [np.bincount(labels[fold.train], minlength=classes) / len(fold.train) for fold in search.setup.folds]
        models = [baselines.majority(search.setup.shapes, share) for share in shares]
        return average(models), search.runner.judge(models)

    search.runner.record(name, "baseline", {}, work)


def _median(search: Search, name: str) -> None:
    def work() -> tuple[Any, Trained]:
        values = search.setup.arrays.labels
        medians = [np.median(values[fold.train], keepdims=True) for fold in search.setup.folds]
        models = [baselines.majority(search.setup.shapes, median) for median in medians]
        return average(models), search.runner.judge(models)

    search.runner.record(name, "baseline", {}, work)


def _late_average(search: Search, name: str) -> None:
    """The mean of the text-only and picture-only candidates' probabilities, as they stand."""

    def work() -> tuple[Any, Trained]:
        members, predictions = {}, []
        for member in AVERAGED:
            predicted = search.run.predictions(member)
            if not _completed(search, member) or predicted is None:
                raise TrialError(f"late_average needs the baseline {member}, which has not completed")
            predictions.append(predicted)
            members[member] = keras.saving.load_model(search.run.model_path(member), compile=False)
        return baselines.late_average(search.setup.shapes, members), search.runner.judged(np.mean(predictions, axis=0))

    search.runner.record(name, "baseline", {}, work)


def _end_to_end(search: Search, name: str) -> None:
    """The concatenation with CNN and BERT unfrozen, from the frozen candidate's weights where there are some.

    Starting from a trained head keeps the first steps from spoiling the encoders (Kumar et al. 2022, arXiv 2202.10054).
    Where candidates are judged on folds, this one is on the first alone: it costs a hundred times what a head does. It
    then ranks behind them, since its figure is of other rows, and reads the test split like every baseline.
    """
    setup, settings = search.setup, search.setup.experiment.baselines
    values = baselines.with_columns(baselines.CONCATENATION, setup.dataset.manifest.columns)
    values["training/learning_rate"] = settings.end_to_end_learning_rate
    fold = setup.folds[0]

    def build() -> Any:
        if _completed(search, "concatenation"):
            frozen = keras.saving.load_model(search.run.model_path("concatenation"), compile=False)
            suffix = members_of(frozen)[0]
        else:
            suffix = baselines.fused(setup.shapes, values)
            learn_statistics(suffix, setup.statistics[0])
        text, image = setup.text_source.build(), setup.image_source.build()
        unfreeze(text)
        unfreeze(image)
        return compose(
            suffix,
            replace(search.runner.layers, whole=lambda: (text, image)),
            sequence_length=setup.experiment.inputs.sequence_length,
            image_shape=setup.arrays.image_shape,
        )

    deadline = time.monotonic() + settings.end_to_end_time
    deadline = deadline if search.budget.deadline is None else min(deadline, search.budget.deadline)
    plan = replace(
        search.runner.plan(search.runner.seed_of(name), values),
        epochs=settings.end_to_end_epochs,
    )

    def work() -> tuple[Any, Trained]:
        model = build()
        trained = train(
            [model],
            [fold],
            setup.arrays,
            setup.arrays.labels,
            plan,
            deadline=deadline,
            readers=[compiled(model)],
            reader_batch=rows_at_once(setup.experiment.inputs.max_images),
        )
        return model, trained

    evaluation = None if len(setup.folds) == 1 else PARTIAL + setup.evaluation
    search.runner.record(name, "baseline", values, work, tier=2, evaluation=evaluation)


def _completed(search: Search, name: str) -> bool:
    return any(candidate.name == name and candidate.status == COMPLETED for candidate in search.candidates)


_RUNNERS: dict[str, Callable[[Search, str], None]] = {
    "majority": _majority,
    "median": _median,
    **{f"{kind}_{parts}": run_linear for kind in ("logistic", "ridge") for parts in PARTS},
    "late_average": _late_average,
    "end_to_end": _end_to_end,
}
