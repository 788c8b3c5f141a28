"""Tier 2: the best heads are trained further, together with the upper layers of the encoders.

A finalist's fold models are copied, each gets its own upper halves, and all are trained at low rates on the states of
the frozen lower halves. They start from trained heads, which keeps the first steps from spoiling the encoders' weights
(Kumar et al. 2022, arXiv 2202.10054), and rates warm up. A fine-tuned candidate is judged on the same rows as tier 1,
and ranked with it. A CNN that tier 1 trained from pixels has no upper half: it is trained further at the head's rate,
beside the text's upper half.
"""

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import keras

from automm.data.inputs.input_sources import source_of_input
from automm.models.average import average, members_of
from automm.models.cnn.pixels import FROZEN
from automm.models.encoders.layers import unfreeze
from automm.models.whole import compiled, fine_tunable
from automm.search.session import Search
from automm.search.training.loop import Trained, train
from automm.search.training.options import OF_SUFFIXES
from automm.tracking.runs import KILLED, Candidate

KIND = "fine-tuned"
LEFT_OUT = ("packed_concatenation",)  # the concatenation again
READ_AT_ONCE = 32
SUFFIX = "-tuned"

log = logging.getLogger("automm")


def fine_tune(search: Search) -> None:
    """Fine-tune finalists of tier 1 until this tier's share of the time is used up."""
    settings = search.setup.experiment.tier2
    finalists = chosen(search, settings.finalists)
    if not finalists or search.budget.out_of_time():
        return
    search.reporter.stage("fine-tuning")
    deadline = None
    if search.budget.deadline is not None:
        now = time.monotonic()
        deadline = now + settings.share * (search.budget.deadline - now)
    for candidate in finalists:
        if deadline is None or time.monotonic() < deadline:
            _fine_tune(search, candidate, deadline)


def chosen(search: Search, count: int) -> list[Candidate]:
    """Return those of the best `count` trained candidates of tier 1 that are not fine-tuned yet.

    A candidate that does not use the encoders' upper layers has nothing to fine-tune: it is left out and logged.
    """
    trained: list[Candidate] = []
    for candidate in search.ranking.trained():
        if candidate.name in LEFT_OUT:
            continue
        if not _reads_upper_parts(candidate.point):
            if len(trained) < count:
                log.info("%s is not fine-tuned: it does not use the upper layers of an encoder", candidate.name)
            continue
        trained.append(candidate)
    done = {candidate.name for candidate in search.candidates if candidate.status != KILLED}
    return [candidate for candidate in trained[:count] if candidate.name + SUFFIX not in done]


def _reads_upper_parts(point: Mapping[str, Any]) -> bool:
    frozen = point.get("image/source", FROZEN) == FROZEN
    return point.get("text/layer", "last") == "last" or (frozen and point.get("image/stage", "last") == "last")


def _fine_tune(search: Search, candidate: Candidate, deadline: float | None) -> None:
    setup, settings = search.setup, search.setup.experiment.tier2
    name = candidate.name + SUFFIX
    values = {
        **{key: value for key, value in candidate.point.items() if key not in OF_SUFFIXES},
        "training/learning_rate": settings.learning_rate,
        "training/encoder_rate": settings.encoder_rate,
    }
    plan = replace(
        search.runner.plan(search.runner.seed_of(name), values),
        epochs=settings.epochs,
        encoder_rate=settings.encoder_rate,
        warm_up=settings.warm_up,
    )

    def work() -> tuple[Any, Trained]:
        saved = keras.saving.load_model(search.run.model_path(candidate.name), compile=False)
        suffixes = members_of(saved)
        states = search.runner.states(_reads_image_encoder(suffixes[0]))
        models = raised(search, suffixes, states.shapes)
        trained = train(
            models,
            setup.folds,
            search.runner.source(models[0]),
            setup.arrays.targets,
            plan,
            deadline=deadline,
            together=False,
            costs=search.setup.features.lengths,  # else the short texts of a batch would be padded to its longest
            readers=[compiled(model) for model in models],
            reader_batch=READ_AT_ONCE,
            progress=lambda done, total: search.reporter.step(f"fine-tuning {candidate.name}", done, total),
        )
        return average(models), trained

    search.runner.record(name, KIND, values, work, tier=2)


def raised(search: Search, suffixes: Sequence[Any], shapes: dict[str, Any]) -> list[Any]:
    """Return a fine-tunable model of each suffix, each with its own trainable upper halves."""
    pretrained = [encoder.halves()[1] for encoder in search.runner.layers.encoders]
    models = []
    for suffix in suffixes:
        names = [tensor.name for tensor in suffix.inputs]
        uppers = [_copy(upper.reading(names)) for upper in pretrained]
        for upper in uppers:
            unfreeze(upper)
        models.append(fine_tunable(suffix, uppers, shapes))
    return models


def _reads_image_encoder(suffix: Any) -> bool:
    sources = [source_of_input(tensor.name) for tensor in suffix.inputs]
    return any(source.modality == "image" and not source.is_array for source in sources)


def _copy(layer: Any) -> Any:
    copy = type(layer).from_config(layer.get_config())
    copy.set_weights(layer.get_weights())
    return copy
