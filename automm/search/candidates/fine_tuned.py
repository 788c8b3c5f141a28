"""Tier 2: train a trained head further, together with the upper layers of the encoders.

Each fold model is copied and gets its own upper halves. It is trained with low learning rates on the stored states of
the frozen lower halves. Starting from a trained head and warming up the rates keep the first steps from damaging the
encoders' weights (Kumar et al. 2022, arXiv 2202.10054). A CNN that tier 1 trained from pixels has no upper half: it is
trained further with the learning rate of the head.
"""

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, ClassVar

from automm.models.average import average, members_of
from automm.models.encoders.layers import unfreeze
from automm.models.whole import compiled, fine_tunable
from automm.search.bench import Bench
from automm.search.candidates.estimator import Estimator, Fitted
from automm.search.training.loop import train

READ_AT_ONCE = 32

log = logging.getLogger("automm")


@dataclass(frozen=True)
class FineTuned(Estimator):
    """A fine-tuned candidate of tier 1, trained and evaluated on the same folds, or on the first of them.

    Attributes:
        start: the name of the tier-1 candidate.
        deadline: a time of `time.monotonic`, or None.
    """

    start: str = field(kw_only=True)
    deadline: float | None = None
    tier: ClassVar[int] = 2
    in_batches: ClassVar[bool] = True

    def prepare(self, bench: Bench) -> None:
        """Encode the states, which all fine-tuned candidates and all of their folds share."""
        began = time.monotonic()
        bench.states(bench.encoders_of(members_of(bench.saved(self.start))[0]))
        log.info("%s: states of the encoders read or encoded in %.0f s", self.name, time.monotonic() - began)

    def fit(self, bench: Bench) -> Fitted:
        setup, settings = bench.setup, bench.setup.experiment.tier2
        plan = replace(
            bench.plan(self.seed_on(bench), self.point),
            epochs=settings.epochs,
            encoder_rate=settings.encoder_rate,
            warm_up=settings.warm_up,
        )
        suffixes = members_of(bench.saved(self.start))[: self.folds]
        states = bench.states(bench.encoders_of(suffixes[0]))
        models = fine_tunable_models(bench, suffixes, states.shapes)
        trained = train(
            models,
            setup.folds[: self.folds],
            bench.input_rows(models[0]),
            setup.arrays.targets,
            plan,
            deadline=self.deadline,
            together=False,
            costs=setup.features.lengths,  # without costs, short texts would be padded to the longest of their batch
            predictors=[compiled(model) for model in models],
            predict_batch_size=READ_AT_ONCE,
            progress=partial(bench.progress, f"fine-tuning {self.start}"),
        )
        return Fitted(average(models), trained)


def fine_tunable_models(bench: Bench, suffixes: Sequence[Any], shapes: dict[str, Any]) -> list[Any]:
    """Return a fine-tunable model of each suffix, each with its own trainable upper halves."""
    read = bench.encoders_of(suffixes[0])
    pretrained = [encoder.halves()[1] for encoder in bench.layers.encoders if encoder.key in read]
    models = []
    for suffix in suffixes:
        names = [tensor.name for tensor in suffix.inputs]
        uppers = [_copy(upper.reading(names)) for upper in pretrained]
        for upper in uppers:
            unfreeze(upper)
        models.append(fine_tunable(suffix, uppers, shapes))
    return models


def _copy(layer: Any) -> Any:
    copy = type(layer).from_config(layer.get_config())
    copy.set_weights(layer.get_weights())
    return copy
