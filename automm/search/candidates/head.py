"""A neural head on frozen features: all trials and most baselines."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, ClassVar

from automm.models.average import average
from automm.search.bench import LARGE_AT_ONCE, VECTORS_AT_ONCE, Bench, converter
from automm.search.candidates.estimator import Estimator, Fitted
from automm.search.features.encoded import Features
from automm.search.training.loop import train
from automm.tracking.run_folder import EPOCHS


@dataclass(frozen=True)
class Head(Estimator):
    """A suffix for each fold, trained by gradient descent.

    Attributes:
        build: returns a new suffix, or a whole model that trains a CNN on the pictures.
        median_scores: the median scores of earlier trials by epoch (`Ranking.median_scores`); () if there are none.
        limited: whether `budget.parameters` applies.
    """

    build: Callable[[], Any] = field(kw_only=True)
    median_scores: tuple[float, ...] = ()
    limited: bool = False
    in_batches: ClassVar[bool] = True

    def fit(self, bench: Bench) -> Fitted:
        plan = bench.plan(self.seed_on(bench), self.point)
        full = plan.epochs
        plan = replace(plan, epochs=self.point.get(EPOCHS, full), median_scores=self.median_scores)
        models = bench.fold_models(self.build, limited=self.limited)
        source = bench.input_rows(models[0])
        # Sequences and pixels are large: models are trained one after the other, step by step. If token sequences are
        # read, texts of similar length share a batch.
        features = source if isinstance(source, Features) else bench.setup.features
        large = features.large
        trained = train(
            models,
            bench.setup.folds,
            source,
            bench.setup.arrays.targets,
            plan,
            deadline=bench.deadline,
            together=not large,
            costs=features.lengths if features.sequences else None,
            predict_batch_size=LARGE_AT_ONCE if large else VECTORS_AT_ONCE,
            convert=converter(models[0]),
            progress=partial(bench.progress, f"training {self.name}") if large else None,
        )
        if trained.stopped == "epochs" and plan.epochs < full:
            trained.stopped = "round"
        return Fitted(average(models), trained)
