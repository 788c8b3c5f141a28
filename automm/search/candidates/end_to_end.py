"""CNN and BERT, concatenated and trained end to end."""

from dataclasses import dataclass, replace
from functools import partial
from typing import Any, ClassVar

from automm.models import baselines
from automm.models.average import average, members_of
from automm.models.encoders.layers import unfreeze
from automm.models.heads import learn_statistics
from automm.models.whole import EncoderLayers, compiled, compose, rows_at_once
from automm.search.bench import Bench
from automm.search.candidates.estimator import Estimator, Fitted
from automm.search.training.loop import train


@dataclass(frozen=True)
class EndToEnd(Estimator):
    """The concatenation with both encoders unfrozen.

    It starts from the trained head of the frozen candidate if there is one, which keeps the first steps from damaging
    the encoders (Kumar et al. 2022, arXiv 2202.10054). It costs a hundred times as much as a head, so a pilot on the
    first fold decides whether all folds are trained (`finalists/pilots`). Each fold has its own encoders.

    Attributes:
        start: the candidate whose head it starts from, or "".
        epochs: the maximum number of epochs.
        deadline: a time of `time.monotonic`, or None.
    """

    start: str = ""
    epochs: int = 1
    deadline: float | None = None
    tier: ClassVar[int] = 2
    in_batches: ClassVar[bool] = True

    def fit(self, bench: Bench) -> Fitted:
        setup = bench.setup
        folds = setup.folds[: self.folds]
        suffixes = self._suffixes(bench, len(folds))
        first = _with_encoders(bench, suffixes[0])
        bench.check_memory(first, len(folds))
        models = [first, *(_with_encoders(bench, suffix) for suffix in suffixes[1:])]
        trained = train(
            models,
            folds,
            bench.input_rows(first),
            setup.arrays.targets,
            replace(bench.plan(self.seed_on(bench), self.point), epochs=self.epochs),
            deadline=self.deadline,
            together=False,
            predictors=[compiled(model) for model in models],
            predict_batch_size=rows_at_once(setup.experiment.inputs.max_images),
            progress=partial(bench.progress, f"training {self.name}"),
        )
        return Fitted(average(models), trained)

    def _suffixes(self, bench: Bench, count: int) -> list[Any]:
        """Return a suffix for each of the first `count` folds, trained if the candidate has a start."""
        if self.start:
            return members_of(bench.saved(self.start))[:count]
        suffixes = [baselines.fused(bench.setup.shapes, dict(self.point)) for _ in range(count)]
        for suffix, statistics in zip(suffixes, bench.setup.statistics[:count], strict=True):
            learn_statistics(suffix, statistics)
        return suffixes


def _with_encoders(bench: Bench, suffix: Any) -> Any:
    """Return the whole model of a suffix, with encoders of its own that are trained: the first of each modality."""
    setup = bench.setup
    encoders = [source.build() for source in setup.sources if setup.features.encoders[source.modality] == source.name]
    for encoder in encoders:
        unfreeze(encoder)
    return compose(suffix, EncoderLayers.built(encoders, setup.arrays.sizes), setup.experiment.inputs.max_images)
