"""Runs one candidate: fits it, keeps its model and predictions, and hands its record to a keeper."""

import json
import logging
import time
import traceback
from collections.abc import Callable
from typing import Any, Protocol

import keras
import numpy as np

from automm.errors import TrialError
from automm.evaluate.compare import score
from automm.models.whole import parameters_of
from automm.search.autokeras.tuner import TrialFailed
from automm.search.bench import Bench
from automm.search.candidates.estimator import Estimator, Fitted
from automm.search.candidates.head import Head
from automm.search.features.cut import cut
from automm.search.memory import give_back, peak_memory
from automm.tracking.run_folder import COMPLETED, EPOCHS, FAILED, PARTIAL, Candidate, now, point_of

log = logging.getLogger("automm")


class Keeper(Protocol):
    """What a runner hands its candidates to."""

    def take_in_hand(self, candidate: Candidate) -> None:
        """It is being fitted, from now on."""

    def keep(self, candidate: Candidate) -> None:
        """It is finished, or has failed."""


class CandidateRunner:
    """Fits candidates on one bench, one at a time; their models and predictions go into the run's folder.

    Args:
        bars: what a trial that begins should have reached by each epoch: see `Ranking.bars`.
    """

    def __init__(self, bench: Bench, keeper: Keeper, bars: Callable[[], tuple[float, ...]]):
        self.bench, self._keeper, self._bars = bench, keeper, bars

    def trial(self, number: int, values: dict[str, Any], build: Callable[[], Any]) -> float:
        """Fit and record one trial; its objective.

        Raises:
            TrialFailed: it is recorded as FAILED.
        """
        name = trial_name(number)
        # A trial that Hyperband promotes begins as it began before, with the same weights and batches: its seed is its
        # point's, which every worker knows.
        seed_name = json.dumps(point_of(values), sort_keys=True) if EPOCHS in values else name
        head = Head(name, "trial", values, seed_name, build=lambda: cut(build()), bars=self._bars(), limited=True)
        candidate = self.run(head)
        if candidate.status != COMPLETED:
            raise TrialFailed(candidate.error)
        assert candidate.score is not None
        return candidate.score

    def run(self, estimator: Estimator) -> Candidate:
        """Fit a candidate, and record it whatever becomes of it."""
        setup, run, name = self.bench.setup, self.bench.run, estimator.name
        candidate = Candidate(
            name,
            estimator.kind,
            COMPLETED,
            estimator.tier,
            dict(estimator.point),
            seed=estimator.seed_on(self.bench),
            objective=setup.experiment.objective,
            evaluation=_evaluation(estimator, self.bench),
            started=now(),
        )
        self._keeper.take_in_hand(candidate)
        begun = time.monotonic()
        try:
            keras.utils.set_random_seed(candidate.seed)  # KerasTuner seeds proposals only, not weights
            fitted = estimator.fit(self.bench)
            self._describe(candidate, fitted)
            fitted.model.save(run.model_path(name))
            run.save_predictions(name, fitted.trained.probabilities)
        except Exception as error:  # noqa: BLE001 - whatever a candidate dies of is its own failure, not the search's
            candidate.status = FAILED
            candidate.error = f"{cause_of(error)}\n\n{traceback.format_exc()}"
            log.warning("%s failed: %s", name, cause_of(error))
        candidate.seconds = time.monotonic() - begun
        candidate.peak_memory = peak_memory()
        self._keeper.keep(candidate)
        give_back()
        return candidate

    def _describe(self, candidate: Candidate, fitted: Fitted) -> None:
        model, trained = fitted.model, fitted.trained
        candidate.hyperparameters |= fitted.point
        candidate.validation = trained.validation
        candidate.score = score(trained.validation, candidate.objective)
        candidate.history, candidate.best_epoch = trained.history, trained.best_epoch
        candidate.stopped = trained.stopped
        candidate.parameters = parameters_of(model, self.bench.layers)
        candidate.trainable_parameters = int(sum(np.prod(v.shape) for v in model.trainable_variables))


def _evaluation(estimator: Estimator, bench: Bench) -> str:
    """On what it is judged, as `Setup.evaluation` has it."""
    every = len(bench.setup.folds)
    partial = estimator.folds is not None and estimator.folds < every
    return PARTIAL + bench.setup.evaluation if partial else bench.setup.evaluation


def trial_name(number: int) -> str:
    return f"trial-{number:03d}"


def cause_of(error: BaseException) -> str:
    """One line: why a candidate failed."""
    if isinstance(error, TrialError):
        return str(error)
    if isinstance(error, MemoryError) or "ResourceExhausted" in type(error).__name__:
        return "out of memory"
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0] if lines else ''}"
