"""The chief: a server for KerasTuner's oracle, from which workers get proposals and to which they report scores.

The protocol (`keras_tuner.distribute`) and the client in the workers are KerasTuner's. Its server is not used: it never
ends after a worker has died, and it sleeps 20 s at the end. The metadata of GetSpace calls carry two additions: that a
worker is alive, and facts about the search that a worker needs.
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
from automm.tracking.run_folder import COMPLETED, EPOCHS, PROPOSED_BY, Candidate, now

IDLE_SECONDS = 0.25  # between two requests of a worker that has to wait
WORKER, LEAVING = "automm-worker", "automm-leaving"  # metadata sent by a worker
TOKEN, SECONDS_LEFT, FIRST_NUMBER = "automm-token", "automm-seconds-left", "automm-first-number"  # sent by the chief


@dataclass
class Assignment:
    """A trial that is assigned to a worker."""

    worker: str
    candidate: Candidate
    ended: bool = False


class Chief(OracleServicer):
    """Serves a prepared oracle. Calls arrive in threads of gRPC and are handled one at a time.

    Attributes:
        assigned: assignments by the oracle's trial id, until their results are collected.
        events: ("given" or "ended", trial id), for the thread that writes the record.
        last_contact: the time of each worker's last call (`time.monotonic`).
        left: workers that were told to end, said that they leave, or were found dead.
        error: the first error inside the chief. KerasTuner's oracle then keeps its lock and cannot be used any more.
    """

    def __init__(self, search: Search, tuner: Any):
        super().__init__(tuner.oracle)
        self.oracle.verbose = 0
        self._search, self._tuner = search, tuner
        self.lock = threading.RLock()
        self.assigned: dict[str, Assignment] = {}
        self.events: queue.SimpleQueue[tuple[str, str]] = queue.SimpleQueue()
        self.last_contact: dict[str, float] = {}
        self.left: set[str] = set()
        self.closing = False
        self.exhausted = False
        self.error: Exception | None = None
        self._token = secrets.token_hex(8)  # lets workers recognise that another search uses the address
        # Trial ids count up from the number of trials that the oracle knows.
        self._first_number = search.number + 1 - len(self.oracle.trials)

    # ---- the protocol

    def GetSpace(self, request: Any, context: Any) -> Any:
        metadata = dict(context.invocation_metadata())
        worker = metadata.get(WORKER)
        if worker is not None:
            with self.lock:
                self.last_contact[worker] = time.monotonic()
                if LEAVING in metadata:
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
        self._refuse_unassigned(request.trial_id, context)
        return self._guarded(lambda: super(Chief, self).UpdateTrial(request, context))

    def EndTrial(self, request: Any, context: Any) -> Any:
        trial = Trial.from_proto(request.trial)
        self._refuse_unassigned(trial.trial_id, context)
        self._guarded(lambda: self._end(trial))
        return protos.get_service().EndTrialResponse()

    def GetTrial(self, request: Any, context: Any) -> Any:
        return self._guarded(lambda: super(Chief, self).GetTrial(request, context))

    def GetBestTrials(self, request: Any, context: Any) -> Any:
        return self._guarded(lambda: super(Chief, self).GetBestTrials(request, context))

    # ---- called by the thread that writes the record

    def done(self) -> bool:
        """Return whether no trial is assigned and none will be."""
        with self.lock:
            return not self.assigned and (self.exhausted or self._is_over())

    def give_up_worker(self, worker: str) -> list[str]:
        """Mark the trials of a lost worker as failed, and assign it no more.

        Returns:
            The ids of these trials; they stay assigned until `remove` is called.
        """
        with self.lock:
            self.left.add(worker)  # its last request may still arrive
            lost = [
                key for key, assignment in self.assigned.items() if assignment.worker == worker and not assignment.ended
            ]
            for trial_id in lost:
                self.assigned[trial_id].ended = True
                trial = self.oracle.trials[trial_id]
                trial.status = TrialStatus.FAILED
                self.oracle.end_trial(trial)
            return lost

    def remove(self, trial_id: str) -> None:
        """Remove the assignment of a recorded trial."""
        with self.lock:
            del self.assigned[trial_id]

    # ---- inside

    def _guarded(self, work: Callable[[], Any]) -> Any:
        with self.lock:
            try:
                return work()
            except Exception as error:
                self.error = self.error or error  # the parent reports it; a worker only learns that its call failed
                raise

    def _refuse_unassigned(self, trial_id: str, context: Any) -> None:
        with self.lock:
            assignment = self.assigned.get(trial_id)
        if assignment is None or assignment.ended:
            context.abort(
                grpc.StatusCode.FAILED_PRECONDITION, "the trial was taken from this worker, which was silent too long"
            )

    def _is_over(self) -> bool:
        return self.closing or self._search.budget.is_used_up()

    def _next(self, worker: str) -> Trial:
        self.last_contact[worker] = time.monotonic()
        if self._is_over() or worker in self.left:
            return self._stop(worker)
        if len(self.assigned) >= self._search.budget.trials_left():
            return _answer(TrialStatus.IDLE)  # one of the assigned trials may still fail
        self._tuner.seed_proposal()
        # Assigned trials are not in the record yet, but their epochs are reserved.
        self.oracle.epochs_left -= sum(
            assignment.candidate.hyperparameters.get(EPOCHS, 0) for assignment in self.assigned.values()
        )
        trial = self.oracle.create_trial(worker)
        if trial.status == TrialStatus.STOPPED:
            if self.assigned:
                return _answer(TrialStatus.IDLE)  # the results of assigned trials may allow new proposals
            self.exhausted = True
            return self._stop(worker)
        if trial.status == TrialStatus.RUNNING and trial.trial_id not in self.assigned:
            self._search.begin_trial(trial.trial_id)
            candidate = Candidate(trial_name(self._search.number), "trial", COMPLETED, started=now())
            candidate.hyperparameters = active_values(trial.hyperparameters)
            candidate.proposed_by = candidate.hyperparameters.pop(PROPOSED_BY)
            candidate.objective = self._search.setup.experiment.objective
            candidate.evaluation = self._search.setup.evaluation
            candidate.seed = self._search.bench.seed_of(candidate.name)
            self.assigned[trial.trial_id] = Assignment(worker, candidate)
            self.events.put(("given", trial.trial_id))
        return trial

    def _stop(self, worker: str) -> Trial:
        self.left.add(worker)
        return _answer(TrialStatus.STOPPED)

    def _end(self, trial: Trial) -> None:
        self.oracle.end_trial(trial)
        self.assigned[trial.trial_id].ended = True
        self.events.put(("ended", trial.trial_id))


def without_stdout() -> AbstractContextManager[Any]:
    """Discard stdout: KerasTuner 1.4.8 prints a value of every condition that it sends or receives."""
    return redirect_stdout(io.StringIO())


def _answer(status: str) -> Trial:
    return Trial(keras_tuner.HyperParameters(), trial_id="", status=status)
