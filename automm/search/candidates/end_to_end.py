"""CNN and BERT, concatenated and trained end to end."""

from dataclasses import dataclass, replace
from typing import Any, ClassVar

from automm.models import baselines
from automm.models.average import members_of
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
    the encoders (Kumar et al. 2022, arXiv 2202.10054). It costs a hundred times as much as a head and is therefore
    fitted on the first fold only. Candidates that are evaluated on all folds rank before it.

    Attributes:
        start: the candidate whose head it starts from, or "".
        epochs: the maximum number of epochs.
        deadline: a time of `time.monotonic`, or None.
    """

    start: str = ""
    epochs: int = 1
    deadline: float | None = None
    tier: ClassVar[int] = 2
    folds: ClassVar[int | None] = 1

    def fit(self, bench: Bench) -> Fitted:
        setup = bench.setup
        model = self._model(bench)
        trained = train(
            [model],
            [setup.folds[0]],
            bench.input_rows(model),
            setup.arrays.targets,
            replace(bench.plan(self.seed_on(bench), self.point), epochs=self.epochs),
            deadline=self.deadline,
            predictors=[compiled(model)],
            predict_batch_size=rows_at_once(setup.experiment.inputs.max_images),
        )
        return Fitted(model, trained)

    def _model(self, bench: Bench) -> Any:
        setup = bench.setup
        if self.start:
            suffix = members_of(bench.saved(self.start))[0]
        else:
            suffix = baselines.fused(setup.shapes, dict(self.point))
            learn_statistics(suffix, setup.statistics[0])
        encoders = [
            source.build() for source in setup.sources if setup.features.encoders[source.modality] == source.name
        ]
        for encoder in encoders:
            unfreeze(encoder)
        return compose(suffix, EncoderLayers.built(encoders, setup.arrays.sizes), setup.experiment.inputs.max_images)
