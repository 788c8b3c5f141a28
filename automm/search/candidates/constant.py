"""The best constant answer: the score that a model reaches without any input."""

from dataclasses import dataclass

from automm.models import baselines
from automm.models.average import average
from automm.search.bench import Bench
from automm.search.candidates.estimator import Estimator, Fitted


@dataclass(frozen=True)
class Constant(Estimator):
    """The answer of `Task.constant`, computed from the training rows of each fold."""

    def fit(self, bench: Bench) -> Fitted:
        setup = bench.setup
        answers = [setup.task.constant(setup.arrays.targets[fold.train], setup.outputs) for fold in setup.folds]
        models = [baselines.constant(setup.shapes, answer) for answer in answers]
        return Fitted(average(models), bench.evaluate_models(models))
