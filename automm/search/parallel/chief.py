"""KerasTuner's oracle as a server: what workers ask for proposals, and where they report.

The protocol is KerasTuner's own (`keras_tuner.distribute`), and so is the client in the workers. Its server is not
used: it never ends once a worker has died, and sleeps 20 s at the end. Two things travel beside the protocol, as
metadata of GetSpace calls: that a worker is alive, and what it must know of the search.
"""

import io
import queue
import secrets
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, redirect_stdout
from dataclasses import dataclass
from typing import Any

import grpc
import keras_tuner
from keras_tuner.src import protos
from keras_tuner.src.distribute.oracle_chief import OracleServicer
from keras_tuner.src.engine.trial import Trial, TrialStatus

from automm.search.autokeras.tuner import active_values
from automm.search.candidate_runner import trial_name
from automm.search.session import Search
from automm.tracking.run_folder import COMPLETED, EPOCHS, Candidate, now

IDLE_SECONDS = 0.25  # between two questions of a worker that has to wait
WORKER, LEAVING = "automm-worker", "automm-leaving"  # said by a worker
TOKEN, SECONDS_LEFT, FIRST_NUMBER = "automm-token", "automm-seconds-left", "automm-first-number"  # answered


@dataclass
class Hand:
    """A trial that a worker has in hand."""

    worker: str
    candidate: Candidate
    ended: bool = False


class Chief(OracleServicer):
    """Serves an oracle that is ready. The calls come in threads of gRPC's own; one at a time gets through.

    Attributes:
        in_hand: by the oracle's trial id, until the result was collected.
        events: ("given" or "ended", trial id), for the thread that keeps the record.
        seen: when each worker last spoke, on the clock of `time.monotonic`.
        left: workers that have been told to end, have said so, or were found dead.
        error: what went wrong in here. KerasTuner's oracle keeps its lock then, so that it is of no use any more.
    """

    def __init__(self, search: Search, tuner: Any):
        super().__init__(tuner.oracle)
        self.oracle.verbose = 0
        self._search, self._tuner = search, tuner
        self.lock = threading.RLock()
        self.in_hand: dict[str, Hand] = {}
        self.events: queue.SimpleQueue[tuple[str, str]] = queue.SimpleQueue()
        self.seen: dict[str, float] = {}
        self.left: set[str] = set()
        self.closing = False
        self.exhausted = False
        self.error: Exception | None = None
        self._token = secrets.token_hex(8)  # a search that goes on at the same address is another one to workers
        # Trial ids count up from the number of trials that the oracle knows.
        self._first_number = search.number + 1 - len(self.oracle.trials)

    # ---- the protocol

    def GetSpace(self, request: Any, context: Any) -> Any:
        said = dict(context.invocation_metadata())
        worker = said.get(WORKER)
        if worker is not None:
            with self.lock:
                self.seen[worker] = time.monotonic()
                if LEAVING in said:
                    self.left.add(worker)
            deadline = self._search.budget.deadline
            left = "" if deadline is None else str(deadline - time.monotonic())
            first = str(self._first_number)
            context.send_initial_metadata(((TOKEN, self._token), (SECONDS_LEFT, left), (FIRST_NUMBER, first)))
        return self._guarded(lambda: super(Chief, self).GetSpace(request, context))

    def UpdateSpace(self, request: Any, context: Any) -> Any:
        return self._guarded(lambda: super(Chief, self).UpdateSpace(request, context))

    def CreateTrial(self, request: Any, context: Any) -> Any:
        trial = self._guarded(lambda: self._next(request.tuner_id))
        if trial.status == TrialStatus.IDLE:
            time.sleep(IDLE_SECONDS)  # KerasTuner's client asks again at once
        return protos.get_service().CreateTrialResponse(trial=trial.to_proto())

    def UpdateTrial(self, request: Any, context: Any) -> Any:
        self._refuse_strangers(request.trial_id, context)
        return self._guarded(lambda: super(Chief, self).UpdateTrial(request, context))

    def EndTrial(self, request: Any, context: Any) -> Any:
        trial = Trial.from_proto(request.trial)
        self._refuse_strangers(trial.trial_id, context)
        self._guarded(lambda: self._end(trial))
        return protos.get_service().EndTrialResponse()

    def GetTrial(self, request: Any, context: Any) -> Any:
        return self._guarded(lambda: super(Chief, self).GetTrial(request, context))

    def GetBestTrials(self, request: Any, context: Any) -> Any:
        return self._guarded(lambda: super(Chief, self).GetBestTrials(request, context))

    # ---- what the record's thread asks

    def done(self) -> bool:
        """Whether nothing is in hand, and nothing will be."""
        with self.lock:
            return not self.in_hand and (self.exhausted or self._over())

    def abandon(self, worker: str) -> list[str]:
        """A worker that is gone: what it had in hand are failed points, and it is given no more.

        Returns:
            Their trial ids; they are in hand until they are forgotten.
        """
        with self.lock:
            self.left.add(worker)  # its last question may be on its way still
            lost = [key for key, hand in self.in_hand.items() if hand.worker == worker and not hand.ended]
            for trial_id in lost:
                self.in_hand[trial_id].ended = True
                trial = self.oracle.trials[trial_id]
                trial.status = TrialStatus.FAILED
                self.oracle.end_trial(trial)
            return lost

    def forget(self, trial_id: str) -> None:
        """Its result is in the record."""
        with self.lock:
            del self.in_hand[trial_id]

    # ---- inside

    def _guarded(self, work: Callable[[], Any]) -> Any:
        with self.lock:
            try:
                return work()
            except Exception as error:
                self.error = self.error or error  # the parent's to report: a worker would only know that a call failed
                raise

    def _refuse_strangers(self, trial_id: str, context: Any) -> None:
        with self.lock:
            hand = self.in_hand.get(trial_id)
        if hand is None or hand.ended:
            context.abort(
                grpc.StatusCode.FAILED_PRECONDITION, "this trial is no longer yours: you were silent too long"
            )

    def _over(self) -> bool:
        return self.closing or self._search.budget.is_used_up()

    def _next(self, worker: str) -> Trial:
        self.seen[worker] = time.monotonic()
        if self._over() or worker in self.left:
            return self._stop(worker)
        if len(self.in_hand) >= self._search.budget.trials_left():
            return _answer(TrialStatus.IDLE)  # one of those in hand may fail yet
        self._tuner.seed_proposal()
        # What is in hand is not in the record yet, and has its epochs.
        self.oracle.epochs_left -= sum(hand.candidate.hyperparameters.get(EPOCHS, 0) for hand in self.in_hand.values())
        trial = self.oracle.create_trial(worker)
        if trial.status == TrialStatus.STOPPED:
            if self.in_hand:
                return _answer(TrialStatus.IDLE)  # their results may open the space again
            self.exhausted = True
            return self._stop(worker)
        if trial.status == TrialStatus.RUNNING and trial.trial_id not in self.in_hand:
            self._search.begin_trial(trial.trial_id)
            candidate = Candidate(trial_name(self._search.number), "trial", COMPLETED, started=now())
            candidate.hyperparameters = active_values(trial.hyperparameters)
            candidate.objective = self._search.setup.experiment.objective
            candidate.evaluation = self._search.setup.evaluation
            candidate.seed = self._search.bench.seed_of(candidate.name)
            self.in_hand[trial.trial_id] = Hand(worker, candidate)
            self.events.put(("given", trial.trial_id))
        return trial

    def _stop(self, worker: str) -> Trial:
        self.left.add(worker)
        return _answer(TrialStatus.STOPPED)

    def _end(self, trial: Trial) -> None:
        self.oracle.end_trial(trial)
        self.in_hand[trial.trial_id].ended = True
        self.events.put(("ended", trial.trial_id))


def quiet() -> AbstractContextManager[Any]:
    """Swallows stdout: KerasTuner 1.4.8 prints a value of every condition that goes over the wire."""
    return redirect_stdout(io.StringIO())


def _answer(status: str) -> Trial:
    return Trial(keras_tuner.HyperParameters(), trial_id="", status=status)
