"""A trained head, trained further together with the upper layers of the encoders.

The fold models are copied, each gets its own upper halves, and all are trained at low rates on the states of the frozen
lower halves. They start from trained heads, which keeps the first steps from spoiling the encoders' weights (Kumar et
al. 2022, arXiv 2202.10054), and rates warm up. A CNN that tier 1 trained from pixels has no upper half: it is trained
further at the head's rate, beside the text's upper half.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, ClassVar

from automm.data.inputs.input_sources import source_of_input
from automm.models.average import average, members_of
from automm.models.encoders.layers import unfreeze
from automm.models.whole import compiled, fine_tunable
from automm.search.bench import Bench
from automm.search.candidates.estimator import Estimator, Fitted
from automm.search.training.loop import train

READ_AT_ONCE = 32


@dataclass(frozen=True)
class FineTuned(Estimator):
    """Of one candidate of tier 1, on the same folds and judged on the same rows.

    Attributes:
        start: the name of that candidate.
        deadline: on the clock of `time.monotonic`.
    """

    start: str = ""
    deadline: float | None = None
    tier: ClassVar[int] = 2

    def fit(self, bench: Bench) -> Fitted:
        setup, settings = bench.setup, bench.setup.experiment.tier2
        plan = replace(
            bench.plan(self.seed_on(bench), self.point),
            epochs=settings.epochs,
            encoder_rate=settings.encoder_rate,
            warm_up=settings.warm_up,
        )
        suffixes = members_of(bench.saved(self.start))
        states = bench.states(_reads_image_encoder(suffixes[0]))
        models = raised(bench, suffixes, states.shapes)
        trained = train(
            models,
            setup.folds,
            bench.source(models[0]),
            setup.arrays.targets,
            plan,
            deadline=self.deadline,
            together=False,
            costs=setup.features.lengths,  # else the short texts of a batch would be padded to its longest
            readers=[compiled(model) for model in models],
            reader_batch=READ_AT_ONCE,
            progress=partial(bench.progress, f"fine-tuning {self.start}"),
        )
        return Fitted(average(models), trained)


def raised(bench: Bench, suffixes: Sequence[Any], shapes: dict[str, Any]) -> list[Any]:
    """Return a fine-tunable model of each suffix, each with its own trainable upper halves."""
    pretrained = [encoder.halves()[1] for encoder in bench.layers.encoders]
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
