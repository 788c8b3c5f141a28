"""Tier 2: the best heads go on training together with the upper layers of both encoders.

A finalist's fold models are copied, each gets upper halves of its own, and all are trained at low rates on the states
of the frozen lower halves. They start from trained heads, which keeps the first steps from spoiling what the encoders
know (Kumar et al. 2022, arXiv 2202.10054), and rates warm up. A fine-tuned candidate is judged on the very rows that
tier 1 was judged on, and ranked with it: it is kept where it is better, and else is one more line. A CNN that tier 1
trained from pixels has no upper half: it goes on training, at the head's rate, beside the text's.
"""

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import keras

from automm.models.average import average, members_of
from automm.models.cnn.pixels import FROZEN
from automm.models.encoders.layers import unfreeze
from automm.models.readouts import of_modality
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
    """Train the finalists of tier 1 that have not been, as long as this tier's share of the time lasts."""
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
    """The best `count` trained candidates of tier 1, those left out that have been fine-tuned already.

    A candidate that reads nothing of the encoders' upper parts has nothing there to fine-tune, which is said.
    """
    trained: list[Candidate] = []
    for candidate in search.ranking.trained():
        if candidate.name in LEFT_OUT:
            continue
        if not _reads_upper_parts(candidate.point):
            if len(trained) < count:
                log.info("%s is not fine-tuned: it reads nothing of the encoders that tier 2 trains", candidate.name)
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
        states = search.runner.states(bool(of_modality("image", [tensor.name for tensor in suffixes[0].inputs])))
        models = raised(search, suffixes, states.shapes)
        trained = train(
            models,
            setup.folds,
            search.runner.source(models[0]),
            setup.arrays.targets,
            plan,
            deadline=deadline,
            together=False,
            costs=search.setup.features.lengths,  # or the short texts of a batch would be padded to its longest
            readers=[compiled(model) for model in models],
            reader_batch=READ_AT_ONCE,
            progress=lambda done, total: search.reporter.step(f"fine-tuning {candidate.name}", done, total),
        )
        return average(models), trained

    search.runner.record(name, KIND, values, work, tier=2)


def raised(search: Search, suffixes: Sequence[Any], shapes: dict[str, Any]) -> list[Any]:
    """Fine-tunable models of suffixes, each with trainable upper halves of its own."""
    _, text_upper, _, image_upper = search.runner.layers.halves()
    models = []
    for suffix in suffixes:
        names = [tensor.name for tensor in suffix.inputs]
        text, image = _copy(text_upper.reading(names)), _copy(image_upper.reading(names))
        unfreeze(text)
        unfreeze(image)
        models.append(fine_tunable(suffix, text, image, shapes))
    return models


def _copy(layer: Any) -> Any:
    copy = type(layer).from_config(layer.get_config())
    copy.set_weights(layer.get_weights())
    return copy
