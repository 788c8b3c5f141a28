"""Fit one candidate, save its model and predictions, and pass its record to a recorder."""

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
from automm.models.devices import is_out_of_memory
from automm.models.whole import parameters_of
from automm.search.autokeras.tuner import TrialFailed
from automm.search.bench import Bench
from automm.search.candidates.estimator import Estimator, Fitted
from automm.search.candidates.head import Head
from automm.search.features.suffix import extract_suffix
from automm.search.memory import peak_memory, release_memory
from automm.tracking.run_folder import COMPLETED, EPOCHS, FAILED, PARTIAL, PROPOSED_BY, Candidate, now, point_of

log = logging.getLogger("automm")


class CandidateRecorder(Protocol):
    """Receives the candidates of a runner."""

    def start(self, candidate: Candidate) -> None:
        """Note that the fit of a candidate starts."""

    def record(self, candidate: Candidate) -> None:
        """Record a candidate that is finished or has failed."""


class CandidateRunner:
    """Fits candidates on one bench, one at a time, and saves their models and predictions in the run folder.

    Args:
        median_scores: returns the median scores of earlier trials by epoch (`Ranking.median_scores`).
    """

    def __init__(self, bench: Bench, recorder: CandidateRecorder, median_scores: Callable[[], tuple[float, ...]]):
        self.bench, self._recorder, self._median_scores = bench, recorder, median_scores

    def trial(self, number: int, values: dict[str, Any], build: Callable[[], Any]) -> float:
        """Fit and record one trial, and return its score on the objective.

        Raises:
            TrialFailed: the trial failed; it is recorded as FAILED.
        """
        name = trial_name(number)
        # A trial that Hyperband promotes must start with the same weights and batches as before. Its seed is therefore
        # derived from its point, which every worker knows.
        seed_name = json.dumps(point_of(values), sort_keys=True) if EPOCHS in values else name
        head = Head(
            name,
            "trial",
            {key: value for key, value in values.items() if key != PROPOSED_BY},
            seed_name,
            proposed_by=values.get(PROPOSED_BY, ""),
            build=lambda: extract_suffix(build()),
            median_scores=self._median_scores(),
            limited=True,
        )
        candidate = self.run(head)
        if candidate.status != COMPLETED:
            raise TrialFailed(candidate.error)
        assert candidate.score is not None
        return candidate.score

    def run(self, estimator: Estimator) -> Candidate:
        """Fit a candidate, and record it even if it fails."""
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
            proposed_by=estimator.proposed_by or estimator.kind,
        )
        self._recorder.start(candidate)
        started = time.monotonic()
        try:
            estimator.prepare(self.bench)
            started = time.monotonic()
            fitted = self._fit(estimator, candidate)
            self._describe(candidate, fitted)
            fitted.model.save(run.model_path(name))
            run.save_predictions(name, fitted.trained.probabilities)
        except Exception as error:  # noqa: BLE001 - any error of a candidate fails this candidate, not the search
            candidate.status = FAILED
            candidate.error = f"{cause_of(error)}\n\n{traceback.format_exc()}"
            log.warning("%s failed: %s", name, cause_of(error))
        candidate.seconds = time.monotonic() - started
        candidate.peak_memory = peak_memory()
        self._recorder.record(candidate)
        release_memory()
        return candidate

    def _fit(self, estimator: Estimator, candidate: Candidate) -> Fitted:
        """Fit a candidate; if memory is short, fit it again from its start with half the batch size, and again."""
        bench, full = self.bench, self.bench.batch_size
        try:
            while True:
                keras.utils.set_random_seed(candidate.seed)  # KerasTuner seeds proposals only, not weights
                try:
                    return estimator.fit(bench)
                except Exception as error:
                    if not is_out_of_memory(error) or not estimator.in_batches or bench.batch_size == 1:
                        raise
                    log.warning(
                        "%s: out of memory with %d reviews in a batch: training it again with %d",
                        *(candidate.name, bench.batch_size, bench.batch_size // 2),
                    )
                release_memory()
                bench.batch_size //= 2
                candidate.batch_size = bench.batch_size
        finally:
            bench.batch_size = full

    def _describe(self, candidate: Candidate, fitted: Fitted) -> None:
        model, trained = fitted.model, fitted.trained
        candidate.hyperparameters |= fitted.point
        candidate.validation = trained.validation
        candidate.score = score(trained.validation, candidate.objective)
        candidate.comparable, candidate.decision = fitted.comparable, list(fitted.decision)
        candidate.history, candidate.best_epoch = trained.history, trained.best_epoch
        candidate.stopped = trained.stopped
        candidate.parameters = parameters_of(model, self.bench.layers)
        candidate.trainable_parameters = int(sum(np.prod(v.shape) for v in model.trainable_variables))


def _evaluation(estimator: Estimator, bench: Bench) -> str:
    """Return how the candidate is evaluated (`Setup.evaluation`), marked if only on some of the folds."""
    partial = estimator.folds is not None and estimator.folds < len(bench.setup.folds)
    return PARTIAL + bench.setup.evaluation if partial else bench.setup.evaluation


def trial_name(number: int) -> str:
    return f"trial-{number:03d}"


def cause_of(error: BaseException) -> str:
    """Return why a candidate failed, in one line for errors other than TrialError."""
    if isinstance(error, TrialError):
        return str(error)
    if is_out_of_memory(error):
        return "out of memory"
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0] if lines else ''}"
