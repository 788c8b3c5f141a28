"""A neural head on frozen features: what trials and most baselines are."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

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
        build: gives a fresh suffix, or a whole model that trains a CNN on the pictures.
        bars: what it should have reached by each epoch: see `Ranking.bars`.
        limited: whether `budget.parameters` holds for it.
    """

    build: Callable[[], Any] = lambda: None
    bars: tuple[float, ...] = ()
    limited: bool = False

    def fit(self, bench: Bench) -> Fitted:
        plan = bench.plan(self.seed_on(bench), self.point)
        full = plan.epochs
        plan = replace(plan, epochs=self.point.get(EPOCHS, full), bars=self.bars)
        models = bench.members(self.build, limited=self.limited)
        source = bench.source(models[0])
        # Sequences and pixels are large: one model after the other, step by step. Texts of like length share a batch
        # where their sequences are read.
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
            reader_batch=LARGE_AT_ONCE if large else VECTORS_AT_ONCE,
            convert=converter(models[0]),
            progress=partial(bench.progress, f"training {self.name}") if large else None,
        )
        if trained.stopped == "epochs" and plan.epochs < full:
            trained.stopped = "round"
        return Fitted(average(models), trained)
