"""A worker: one process that trains trials which the chief of a search proposes. `workers.py` is the other side."""

import os
import secrets
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from typing import Any

import grpc
import keras_tuner
from keras_tuner.src import protos

from automm.config.experiment import Experiment
from automm.errors import AutommError, DataError
from automm.search.autokeras.tune import tune
from automm.search.bench import Bench
from automm.search.candidate_runner import CandidateRunner, trial_name
from automm.search.interrupt import interruptible
from automm.search.memory import settle
from automm.search.parallel.chief import FIRST_NUMBER, LEAVING, SECONDS_LEFT, TOKEN, WORKER, quiet
from automm.search.parallel.worker_options import past_proxies
from automm.search.parallel.workers import FOLDER
from automm.search.ranking import Ranking
from automm.search.reporter import Reporter
from automm.search.setup.data import Setup, load, prepare, same_data, sources
from automm.tracking.run_folder import Candidate, Run

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
    setup = prepare(experiment, loaded, encoders, reporter.step)
    _same_engines(run, setup)
    host, _, port = chief.rpartition(":")
    past_proxies(host)
    line = Line(chief, name)
    answer = line.hello(ANSWER)
    left = answer.get(SECONDS_LEFT)
    deadline = time.monotonic() + float(left) if left else None
    results = ResultFiles(run, line, reporter)
    trials = WorkerTrials(setup, run, reporter, results, deadline, int(answer[FIRST_NUMBER]))
    os.environ |= {"KERASTUNER_ORACLE_IP": host, "KERASTUNER_ORACLE_PORT": port, "KERASTUNER_TUNER_ID": name}
    threading.Thread(target=line.keep_alive, daemon=True).start()
    try:
        with interruptible(), quiet():
            tune(trials.runner.bench, trials, f"tuner/{name}")
    except grpc.RpcError as error:
        raise Dismissed(f"{chief}: {error.details()}") from error
    finally:
        line.goodbye()


def _same_engines(run: Run, setup: Setup) -> None:
    """Scores are compared, so that features must be the same numbers."""
    for kind, recorded in run.read("manifest.json")["encoders"].items():
        engine = setup.features.engines[kind, recorded["name"]]
        if recorded["engine"] != engine:
            raise DataError(
                f"this machine reads {kind} by {engine}, and the search by {recorded['engine']}. "
                "Install the same versions, with or without automm[fast] on both"
            )


class Dismissed(keras_tuner.errors.FatalError, AutommError):
    """Ends a worker from inside the tuner, which goes on after every other exception."""


class WorkerTrials:
    """What the tuner asks in a worker (`tuner.Trials`)."""

    def __init__(
        self, setup: Setup, run: Run, reporter: Reporter, results: "ResultFiles", deadline: float | None, first: int
    ):
        """
        Args:
            first: the number of the oracle's trial 0, as the chief counts: see `Chief`.
        """
        self._run, self._reporter, self._first = run, reporter, first
        self._number = 0
        self._candidates: list[Candidate] = []
        ranking = Ranking(setup.experiment, self._candidates)
        self.runner = CandidateRunner(Bench(setup, run, reporter.step, deadline), results, ranking.bars)

    def begin_trial(self, trial_id: str) -> None:
        self._number = int(trial_id) + self._first
        self._candidates[:] = self._run.candidates()  # what other workers have finished meanwhile: see `bars`
        self._reporter.stage(trial_name(self._number))

    def run_trial(self, values: dict[str, Any], build: Callable[[], Any]) -> float:
        return self.runner.trial(self._number, values, build)


class ResultFiles:
    """Leaves what is finished in a file for the parent, which alone writes the record (`candidate_runner.Keeper`)."""

    def __init__(self, run: Run, line: "Line", reporter: Reporter):
        self._run, self._line, self._reporter = run, line, reporter

    def take_in_hand(self, candidate: Candidate) -> None:
        self._reporter.started(candidate.name)

    def keep(self, candidate: Candidate) -> None:
        """Raises Dismissed where the search has ended: its parent reads no file any more."""
        self._line.confirm()
        self._run.write(f"{FOLDER}/{candidate.name}.json", asdict(candidate))
        self._reporter.finished(candidate, None, None)


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
