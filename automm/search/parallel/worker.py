"""A worker: a process that trains the trials which the chief of a search assigns. `workers.py` is the other side."""

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
from automm.search.memory import freeze_loaded_objects
from automm.search.parallel.chief import FIRST_NUMBER, LEAVING, SECONDS_LEFT, TOKEN, WORKER, without_stdout
from automm.search.parallel.worker_options import bypass_proxies
from automm.search.parallel.workers import FOLDER
from automm.search.ranking import Ranking
from automm.search.reporter import Reporter
from automm.search.setup.data import Setup, encoder_sources, load, prepare
from automm.search.setup.folds import with_recorded_evaluation
from automm.search.setup.same import check_same_data, check_same_rows
from automm.tracking.encoder_records import records_of
from automm.tracking.run_folder import Candidate, Run

HEARTBEAT_SECONDS = 5.0  # between two heartbeats
MOST_MISSED = 4  # unanswered heartbeats until the chief counts as lost
ANSWER_SECONDS = 120.0  # for the chief's first answer


def run_worker(run: Run, experiment: Experiment, chief: str, reporter: Reporter, name: str | None = None) -> None:
    """Train trials until the chief has no more.

    Args:
        chief: 'HOST:PORT'.
        name: the name of this worker; None: a new one. KerasTuner gives a known worker its earlier trial again.

    Raises:
        DataError: data, encoder weights or engines on this machine differ from those of the search.
        AutommError: the chief does not answer, or has given up this worker.
    """
    # KerasTuner takes a worker for a chief if its name contains 'chief', and a host name may contain it.
    name = name or f"remote-{secrets.token_hex(4)}"
    freeze_loaded_objects()
    reporter.stage("reading reviews")
    loaded = load(experiment, reporter.step)
    encoders = encoder_sources(experiment, loaded)
    check_same_data(run, experiment, loaded, encoders)
    judged = with_recorded_evaluation(experiment, run, loaded)
    setup = prepare(judged, loaded, encoders, reporter.step)
    check_same_rows(run, setup)
    _check_same_engines(run, setup)
    host, _, port = chief.rpartition(":")
    bypass_proxies(host)
    connection = ChiefConnection(chief, name)
    answer = connection.connect(ANSWER_SECONDS)
    left = answer.get(SECONDS_LEFT)
    deadline = time.monotonic() + float(left) if left else None
    results = ResultFiles(run, connection, reporter)
    trials = WorkerTrials(setup, run, reporter, results, deadline, int(answer[FIRST_NUMBER]))
    os.environ |= {"KERASTUNER_ORACLE_IP": host, "KERASTUNER_ORACLE_PORT": port, "KERASTUNER_TUNER_ID": name}
    threading.Thread(target=connection.keep_alive, daemon=True).start()
    try:
        with interruptible(), without_stdout():
            tune(trials.runner.bench, trials, f"tuner/{name}")
    except grpc.RpcError as error:
        raise Dismissed(f"{chief}: {error.details()}") from error
    finally:
        connection.leave()


def _check_same_engines(run: Run, setup: Setup) -> None:
    """Check that encoders run on the same engines as in the search, so that scores are comparable."""
    for record in records_of(run.read("manifest.json")["encoders"], setup.experiment.inputs.model_dump()):
        engine = setup.features.engines[record.modality, record.name].version
        if record.engine != engine:
            raise DataError(
                f"the {record.modality} encoder {record.name} runs on {engine} on this machine, and on {record.engine} "
                "in the search. Install the same versions on both"
            )


class Dismissed(keras_tuner.errors.FatalError, AutommError):
    """Ends a worker from inside the tuner, which continues after all exceptions but FatalError."""


class WorkerTrials:
    """Trains trials in a worker (`tuner.Trials`)."""

    def __init__(
        self, setup: Setup, run: Run, reporter: Reporter, results: "ResultFiles", deadline: float | None, first: int
    ):
        """
        Args:
            first: the trial number of the oracle's trial 0, from the chief.
        """
        self._run, self._reporter, self._first = run, reporter, first
        self._number = 0
        self._candidates: list[Candidate] = []
        ranking = Ranking(setup.experiment, self._candidates)
        self.runner = CandidateRunner(Bench(setup, run, reporter.step, deadline), results, ranking.median_scores)

    def begin_trial(self, trial_id: str) -> None:
        self._number = int(trial_id) + self._first
        self._candidates[:] = self._run.candidates()  # with trials of other workers, for `median_scores`
        self._reporter.stage(trial_name(self._number))

    def run_trial(self, values: dict[str, Any], build: Callable[[], Any]) -> float:
        return self.runner.trial(self._number, values, build)


class ResultFiles:
    """A `CandidateRecorder` that writes finished candidates to files; only the parent writes the record."""

    def __init__(self, run: Run, connection: "ChiefConnection", reporter: Reporter):
        self._run, self._connection, self._reporter = run, connection, reporter

    def start(self, candidate: Candidate) -> None:
        self._reporter.started(candidate.name)

    def record(self, candidate: Candidate) -> None:
        """Write a finished candidate to a file. Raises Dismissed if the search has ended and no longer reads files."""
        self._connection.confirm()
        self._run.write(f"{FOLDER}/{candidate.name}.json", asdict(candidate))
        self._reporter.finished(candidate, None, None)


class ChiefConnection:
    """Tells the chief that this worker is alive, and receives facts about the search."""

    def __init__(self, chief: str, name: str):
        self._chief, self._name = chief, name
        channel = grpc.insecure_channel(chief, options=[("grpc.max_reconnect_backoff_ms", 1000)])
        self._stub = protos.get_service_grpc().OracleStub(channel)
        self._token = ""

    def connect(self, timeout: float) -> dict[str, str]:
        """Register with the chief, and return its answer. Raises AutommError if it does not answer."""
        try:
            answer = self._call(timeout=timeout, wait_for_ready=True)
            self._token = answer[TOKEN]
            return answer
        except grpc.RpcError as error:
            raise AutommError(
                f"{self._chief}: no search listens there ({error.code().name}). Start the search with "
                f"--chief {self._chief}"
            ) from error

    def confirm(self) -> None:
        """Raise Dismissed if the search has ended, or was restarted: its new trials have the same names."""
        try:
            token = self._call(timeout=ANSWER_SECONDS, wait_for_ready=True)[TOKEN]
        except grpc.RpcError as error:
            raise Dismissed(f"{self._chief}: the search has ended ({error.code().name})") from error
        if token != self._token:
            raise Dismissed(f"{self._chief}: the search was restarted. Start this worker again")

    def keep_alive(self) -> None:
        """Send heartbeats, and end the process if the chief is lost: KerasTuner's client would wait for an hour."""
        missed = 0
        while missed < MOST_MISSED:
            time.sleep(HEARTBEAT_SECONDS)
            try:
                missed = 0 if self._call(timeout=HEARTBEAT_SECONDS)[TOKEN] == self._token else MOST_MISSED
            except grpc.RpcError:
                missed += 1
        os.write(2, b"error: the search has ended, or its machine cannot be reached\n")
        os._exit(1)

    def leave(self) -> None:
        """Tell the chief that this worker leaves, if the chief still answers."""
        with suppress(grpc.RpcError):
            self._call((LEAVING, "1"), timeout=HEARTBEAT_SECONDS)

    def _call(self, *more: tuple[str, str], **how: Any) -> dict[str, str]:
        request = protos.get_service().GetSpaceRequest()
        _, call = self._stub.GetSpace.with_call(request, metadata=((WORKER, self._name), *more), **how)
        return dict(call.initial_metadata())
