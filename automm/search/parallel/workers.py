"""The parent process of a search with workers: start and replace the workers, and write the record.

Only the parent writes trials.jsonl and MLflow, and counts the budgets. A worker writes a result file, its model and its
predictions, and reports the score to the oracle (`chief.py`). If a worker dies, its trial fails and the worker is
replaced.
"""

import os
import queue
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import grpc
import tensorflow as tf
from keras_tuner.src import protos

from automm.errors import ConfigError
from automm.models.devices import gpu_of_worker
from automm.search.budget import WORKER_DIED
from automm.search.interrupt import raise_if_interrupted
from automm.search.parallel.chief import Assignment, Chief
from automm.search.parallel.worker_options import (
    LOOPBACK,
    NO_ADDRESS,
    WorkerOptions,
    describe_exit,
    thread_limits,
    worker_command,
)
from automm.search.recorder import GiveUp
from automm.search.session import Search
from automm.tracking.run_folder import FAILED, Run

FOLDER = "workers"  # in the run folder: result files, and the logs of workers of this machine
REPLACEMENTS = 2  # per trial of the budget
MOST_EARLY_EXITS = 3  # workers in a row that end before they get a trial: the next one would too
SILENCE_SECONDS = 60.0  # until a silent worker of another machine is given up
FAREWELL_SECONDS = 3.0  # to tell workers of other machines that the search has ended
FILE_SECONDS = 10.0  # until a written file appears on a shared file system
POLL_SECONDS = 0.1


class Workers:
    """A context manager for the worker processes of a search; all of them have ended when it exits.

    Raises:
        ConfigError: `worker_options.chief` is not an address of this machine, or is in use.
    """

    def __init__(self, search: Search, worker_options: WorkerOptions):
        self._search, self._worker_options = search, worker_options
        self._allow_code = search.setup.experiment.allow_code
        self._folder = search.run.folder / FOLDER
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._started = 0
        self._served: set[str] = set()  # workers that were given a trial
        self._early_exits = 0
        self._deaths = 0
        # With SO_REUSEPORT, two searches could listen on one port and mix their trials.
        self._server = grpc.server(ThreadPoolExecutor(max_workers=32), options=[("grpc.so_reuseport", 0)])
        self._address = self._listen(worker_options.chief or f"{LOOPBACK}:0")
        self._chief: Chief | None = None

    def __enter__(self) -> "Workers":
        shutil.rmtree(self._folder, ignore_errors=True)
        self._folder.mkdir(exist_ok=True)
        self._search.budget.workers = max(1, self._worker_options.processes)
        for _ in range(self._worker_options.processes):  # workers import libraries while the parent builds its graph
            self._start()
        if self._worker_options.chief is not None:
            command = worker_command(self._search.run, self._address, self._allow_code)
            self._search.reporter.stage(f"workers of other machines join with: {command}")
        return self

    def __exit__(self, *exception: object) -> None:
        for process in self._processes.values():
            process.kill()  # safe: workers write their files atomically
        for process in self._processes.values():
            process.wait()
        self._server.stop(grace=None).wait()
        self._search.recorder.record_interrupted()  # none is being trained after a complete search

    def serve(self, tuner: Any) -> None:
        """Let the workers train the trials of a tuner's oracle until the budget or the space is used up.

        Raises:
            GiveUp: too many trials failed, or too many workers died.
            KeyboardInterrupt: Ctrl-C.
        """
        self._chief = chief = Chief(self._search, tuner)
        protos.get_service_grpc().add_OracleServicer_to_server(chief, self._server)
        self._server.start()
        try:
            while not chief.done():
                raise_if_interrupted()
                self._record(POLL_SECONDS)
                if chief.error is not None:
                    raise chief.error
                self._replace_dead_workers()
        except (KeyboardInterrupt, GiveUp):
            chief.closing = True
            with suppress(GiveUp):  # record ended trials first, otherwise they are recorded as interrupted
                self._record(0)
            raise
        self._wait_for_remote_workers(chief)

    # ---- the record

    def _record(self, patience: float) -> None:
        """Record the trials that workers have started or ended; wait up to `patience` seconds for the first event."""
        assert self._chief is not None
        while True:
            try:
                event, trial_id = (
                    self._chief.events.get(timeout=patience) if patience else self._chief.events.get_nowait()
                )
            except queue.Empty:
                return
            assignment = self._chief.assigned[trial_id]
            if event == "given":
                self._early_exits = 0
                self._served.add(assignment.worker)
                self._search.recorder.start(assignment.candidate)
            else:
                self._collect(trial_id, assignment)
            patience = 0

    def _collect(self, trial_id: str, assignment: Assignment) -> None:
        """Record the result file of a trial."""
        assert self._chief is not None
        path = self._folder / f"{assignment.candidate.name}.json"
        deadline = time.monotonic() + FILE_SECONDS
        while not path.is_file() and time.monotonic() < deadline:
            time.sleep(POLL_SECONDS)
        if path.is_file():
            candidate = Run.candidate(path.read_bytes())
            path.unlink()
        else:
            candidate = assignment.candidate
            candidate.status = FAILED
            candidate.error = f"{assignment.worker} wrote no {path}. Check that all machines share this folder"
        candidate.hyperparameters = assignment.candidate.hyperparameters
        candidate.proposed_by = assignment.candidate.proposed_by
        try:
            self._search.recorder.record(candidate)
        finally:
            self._chief.remove(trial_id)

    # ---- the processes

    def _listen(self, address: str) -> str:
        """Bind to an address, and return it with the actual port."""
        try:
            port = self._server.add_insecure_port(address)
        except RuntimeError as error:
            raise ConfigError(NO_ADDRESS.format(address)) from error
        return f"{address.rpartition(':')[0]}:{port}"

    def _start(self) -> None:
        self._started += 1
        # A new name each time: KerasTuner would give a known worker the trial that its predecessor died of.
        name = f"worker-{self._started}"
        gpus = len(tf.config.list_physical_devices("GPU"))
        with (self._folder / f"{name}.log").open("wb") as output:
            self._processes[name] = subprocess.Popen(
                [
                    *(sys.executable, "-P", "-m", "automm", "search", "--worker"),
                    *("--chief", self._address, "--resume", str(self._search.run.folder.resolve())),
                    *("--offline", "--worker-name", name, "--parent", str(os.getpid())),
                    *(("--allow-code",) if self._allow_code else ()),
                ],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env={
                    **os.environ,
                    **thread_limits(self._worker_options.processes),
                    **gpu_of_worker(self._started, gpus, os.environ),
                },
            )

    def _replace_dead_workers(self) -> None:
        """Record the trials of dead workers as failed, and replace the workers."""
        assert self._chief is not None
        for name, process in list(self._processes.items()):
            code = process.poll()
            if code is None:
                continue
            del self._processes[name]
            if code == 0 and name in self._chief.left:
                continue
            self._record_lost_trials(name, f"{WORKER_DIED}: {describe_exit(code)}{self._last_error_line(name)}")
            self._early_exits += name not in self._served
            self._deaths += 1
            if self._early_exits >= MOST_EARLY_EXITS:
                raise GiveUp(
                    f"{MOST_EARLY_EXITS} workers ended before they got a trial, the last one: {describe_exit(code)}"
                    f"{self._last_error_line(name)}. See {self._folder}"
                )
            if self._deaths > REPLACEMENTS * self._search.setup.experiment.budget.trials:
                raise GiveUp(
                    f"{self._deaths} workers have died, the last one: {describe_exit(code)}. See {self._folder}"
                )
            if not self._chief.done():
                self._start()
        for name, seen in list(self._chief.last_contact.items()):
            silent = time.monotonic() - seen > SILENCE_SECONDS
            if name not in self._processes and (silent or name in self._chief.left):
                how = f"{name} was silent for {SILENCE_SECONDS:.0f} s" if silent else f"{name} was ended"
                self._record_lost_trials(name, f"{WORKER_DIED}: {how}")
                del self._chief.last_contact[name]

    def _record_lost_trials(self, worker: str, cause: str) -> None:
        """Record the trials that were assigned to a lost worker as failed."""
        assert self._chief is not None
        lost = self._chief.give_up_worker(worker)
        self._record(0)  # the start of these trials may not be recorded yet
        for trial_id in lost:
            candidate = self._chief.assigned[trial_id].candidate
            candidate.status, candidate.error = FAILED, cause
            candidate.seconds = self._search.recorder.seconds_since_start(candidate)
            try:
                self._search.recorder.record(candidate)
            finally:
                self._chief.remove(trial_id)

    def _last_error_line(self, name: str) -> str:
        log = self._folder / f"{name}.log"
        lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines() if log.is_file() else []
        return f" ({lines[-1].strip()})" if lines and lines[-1].startswith("error") else ""

    def _wait_for_remote_workers(self, chief: Chief) -> None:
        own = {f"worker-{number}" for number in range(1, self._started + 1)}
        deadline = time.monotonic() + FAREWELL_SECONDS
        while set(chief.last_contact) - chief.left - own and time.monotonic() < deadline:
            time.sleep(POLL_SECONDS)
