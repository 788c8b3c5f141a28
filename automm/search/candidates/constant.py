"""The best answer that is the same for every review: what a model without any input can do."""

from dataclasses import dataclass

from automm.models import baselines
from automm.models.average import average
from automm.search.bench import Bench
from automm.search.candidates.estimator import Estimator, Fitted


@dataclass(frozen=True)
class Constant(Estimator):
    """`Task.constant` of each fold's training rows."""

    def fit(self, bench: Bench) -> Fitted:
        setup = bench.setup
        answers = [setup.task.constant(setup.arrays.targets[fold.train], setup.outputs) for fold in setup.folds]
        models = [baselines.constant(setup.shapes, answer) for answer in answers]
        return Fitted(average(models), bench.judge(models))
