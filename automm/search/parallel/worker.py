"""A worker: one process that trains trials which the chief of a search proposes. `workers.py` is the other side."""

import os
import secrets
import threading
import time
from contextlib import suppress
from dataclasses import asdict
from typing import Any

import grpc
import keras_tuner
from keras_tuner.src import protos

from automm.config.experiment import Experiment
from automm.errors import AutommError, DataError
from automm.search.autokeras.tune import tune
from automm.search.interrupt import interruptible
from automm.search.memory import settle
from automm.search.parallel.chief import FIRST_NUMBER, LEAVING, SECONDS_LEFT, TOKEN, WORKER, quiet
from automm.search.parallel.crew import past_proxies
from automm.search.parallel.workers import FOLDER
from automm.search.session import Reporter, Search, trial_name
from automm.search.setup.data import Task, load, prepare, same_data, sources
from automm.tracking.runs import Candidate, Run
from automm.tracking.tracker import NoTracker

HEARTBEAT = 5.0  # seconds between two signs of life
PATIENCE = 4  # signs of life that the chief may miss
ANSWER = 120.0  # seconds for the chief's first answer


def work(run: Run, experiment: Experiment, chief: str, reporter: Reporter, name: str | None = None) -> None:
    """Train trials until the chief has no more.

    Args:
        chief: 'HOST:PORT'.
        name: in the chief's books; a new one where none is given, because KerasTuner hands an old one its old trial.

    Raises:
        DataError: this machine sees other data, encoder weights or engines than the search.
        AutommError: the chief does not answer, or has given this worker up.
    """
    # KerasTuner takes every worker for a chief whose name has 'chief' in it, as that of a host may.
    name = name or f"remote-{secrets.token_hex(4)}"
    settle()
    reporter.stage("reading reviews")
    loaded = load(experiment, reporter.step)
    encoders = sources(experiment, loaded)
    same_data(run, loaded, encoders)
    task = prepare(experiment, loaded, encoders, reporter.step)
    _same_engines(run, task)
    host, _, port = chief.rpartition(":")
    past_proxies(host)
    line = Line(chief, name)
    answer = line.hello(ANSWER)
    left = answer.get(SECONDS_LEFT)
    deadline = time.monotonic() + float(left) if left else None
    search = WorkerSearch(task, run, reporter, deadline, line, int(answer[FIRST_NUMBER]))
    os.environ |= {"KERASTUNER_ORACLE_IP": host, "KERASTUNER_ORACLE_PORT": port, "KERASTUNER_TUNER_ID": name}
    threading.Thread(target=line.keep_alive, daemon=True).start()
    try:
        with interruptible(), quiet():
            tune(search, f"tuner/{name}")
    except grpc.RpcError as error:
        raise Dismissed(f"{chief}: {error.details()}") from error
    finally:
        line.goodbye()


def _same_engines(run: Run, task: Task) -> None:
    """Scores are compared, so that features must be the same numbers."""
    for kind, recorded in run.read("manifest.json")["encoders"].items():
        if recorded["engine"] != task.features.engines[kind]:
            raise DataError(
                f"this machine reads {kind} by {task.features.engines[kind]}, and the search by {recorded['engine']}. "
                "Install the same versions, with or without automm[fast] on both"
            )


class Dismissed(keras_tuner.errors.FatalError, AutommError):
    """Ends a worker from inside the tuner, which goes on after every other exception."""


class WorkerSearch(Search):
    """The part of a search that trains: what is finished goes into a file for the parent, and not into the record."""

    def __init__(
        self, task: Task, run: Run, reporter: Reporter, deadline: float | None, line: "Line", first_number: int
    ):
        super().__init__(task, run, NoTracker(), reporter, deadline)
        self._line, self._first_number = line, first_number

    def begin_trial(self, trial_id: str) -> None:
        self.number = int(trial_id) + self._first_number  # as the chief counts: see `Chief`
        self.candidates[:] = self.run.candidates()  # what other workers have finished meanwhile: see `bars`
        self.reporter.stage(trial_name(self.number))

    def keep(self, candidate: Candidate) -> None:
        self._in_hand.pop(candidate.name, None)
        self._line.confirm()
        self.run.write(f"{FOLDER}/{candidate.name}.json", asdict(candidate))
        self.reporter.finished(candidate, None, None)


class Line:
    """Says to the chief that this worker is alive, and hears of the search."""

    def __init__(self, chief: str, name: str):
        self._chief, self._name = chief, name
        channel = grpc.insecure_channel(chief, options=[("grpc.max_reconnect_backoff_ms", 1000)])
        self._stub = protos.get_service_grpc().OracleStub(channel)
        self._token = ""

    def hello(self, timeout: float) -> dict[str, str]:
        """Raises AutommError where nobody answers."""
        try:
            answer = self._say(timeout=timeout, wait_for_ready=True)
            self._token = answer[TOKEN]
            return answer
        except grpc.RpcError as error:
            raise AutommError(
                f"{self._chief}: no search listens there ({error.code().name}). Begin it with --chief {self._chief}"
            ) from error

    def confirm(self) -> None:
        """Raises Dismissed where the search has ended, or goes on as another: its trials have the same names."""
        try:
            token = self._say(timeout=ANSWER, wait_for_ready=True)[TOKEN]
        except grpc.RpcError as error:
            raise Dismissed(f"{self._chief}: the search has ended ({error.code().name})") from error
        if token != self._token:
            raise Dismissed(f"{self._chief}: the search was begun anew. Join it again")

    def keep_alive(self) -> None:
        """Ends the process where the chief is gone: KerasTuner's client would wait for an hour."""
        missed = 0
        while missed < PATIENCE:
            time.sleep(HEARTBEAT)
            try:
                missed = 0 if self._say(timeout=HEARTBEAT)[TOKEN] == self._token else PATIENCE
            except grpc.RpcError:
                missed += 1
        os.write(2, b"error: the search has ended, or its machine cannot be reached\n")
        os._exit(1)

    def goodbye(self) -> None:
        """A chief that is gone need not be told."""
        with suppress(grpc.RpcError):
            self._say((LEAVING, "1"), timeout=HEARTBEAT)

    def _say(self, *more: tuple[str, str], **how: Any) -> dict[str, str]:
        request = protos.get_service().GetSpaceRequest()
        _, call = self._stub.GetSpace.with_call(request, metadata=((WORKER, self._name), *more), **how)
        return dict(call.initial_metadata())
