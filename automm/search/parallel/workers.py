"""The parent's side of a search whose trials run in other processes: starts them, replaces them, keeps the record.

The parent alone writes trials.jsonl and MLflow, and owns both budgets. A worker leaves a result file beside its model
and its predictions, and reports the score to the oracle (`chief.py`). One that dies costs its trial, and is replaced.
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
from keras_tuner.src import protos

from automm.errors import ConfigError
from automm.search.budget import WORKER_DIED
from automm.search.interrupt import check
from automm.search.parallel.chief import Chief, Hand
from automm.search.parallel.worker_options import (
    LOOPBACK,
    NO_ADDRESS,
    WorkerOptions,
    how_it_ended,
    threads,
    worker_command,
)
from automm.search.recorder import GiveUp
from automm.search.session import Search
from automm.tracking.run_folder import FAILED, Run

FOLDER = "workers"  # in the run: result files, and what the workers of this machine say
REPLACEMENTS = 2  # for each trial of the budget
STILLBORN = 3  # workers in a row that end before they take a trial: the next would, too
SILENCE = 60.0  # seconds after which a worker of another machine is given up
FAREWELL = 3.0  # seconds at the end in which workers of other machines are told that it is over
VISIBLE = 10.0  # seconds in which a file appears on a shared file system
TICK = 0.1


class Workers:
    """Processes that train the trials of a search. A context: none of them outlives it.

    Raises:
        ConfigError: `worker_options.chief` is no address of this machine, or is taken.
    """

    def __init__(self, search: Search, worker_options: WorkerOptions):
        self._search, self._worker_options = search, worker_options
        self._allow_code = search.setup.experiment.allow_code
        self._folder = search.run.folder / FOLDER
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._started = 0
        self._served: set[str] = set()  # workers that were given a trial
        self._stillborn = 0
        self._deaths = 0
        # SO_REUSEPORT would let two searches listen on one port, and mix their trials.
        self._server = grpc.server(ThreadPoolExecutor(max_workers=32), options=[("grpc.so_reuseport", 0)])
        self._address = self._listen(worker_options.chief or f"{LOOPBACK}:0")
        self._chief: Chief | None = None

    def __enter__(self) -> "Workers":
        shutil.rmtree(self._folder, ignore_errors=True)
        self._folder.mkdir(exist_ok=True)
        self._search.budget.workers = max(1, self._worker_options.processes)
        for _ in range(self._worker_options.processes):  # they import while the parent builds its own graph
            self._start()
        if self._worker_options.chief is not None:
            command = worker_command(self._search.run, self._address, self._allow_code)
            self._search.reporter.stage(f"workers of other machines join with: {command}")
        return self

    def __exit__(self, *exception: object) -> None:
        for process in self._processes.values():
            process.kill()  # it has nothing to lose: what counts is written whole or not at all
        for process in self._processes.values():
            process.wait()
        self._server.stop(grace=None).wait()
        self._search.recorder.interrupted()  # nothing is in hand after a whole search

    def serve(self, tuner: Any) -> None:
        """Have the trials of a tuner's oracle trained, until the budget is used up or the space is.

        Raises:
            GiveUp: one cause too often, or workers died too often.
            KeyboardInterrupt: Ctrl-C.
        """
        self._chief = chief = Chief(self._search, tuner)
        protos.get_service_grpc().add_OracleServicer_to_server(chief, self._server)
        self._server.start()
        try:
            while not chief.done():
                check()
                self._record(TICK)
                if chief.error is not None:
                    raise chief.error
                self._bury()
        except (KeyboardInterrupt, GiveUp):
            chief.closing = True
            with suppress(GiveUp):  # what is ended is ended: it shall not be recorded as interrupted
                self._record(0)
            raise
        self._say_farewell(chief)

    # ---- the record

    def _record(self, patience: float) -> None:
        """What workers have begun and ended since; waits for the first of it."""
        assert self._chief is not None
        while True:
            try:
                what, trial_id = (
                    self._chief.events.get(timeout=patience) if patience else self._chief.events.get_nowait()
                )
            except queue.Empty:
                return
            hand = self._chief.in_hand[trial_id]
            if what == "given":
                self._stillborn = 0
                self._served.add(hand.worker)
                self._search.recorder.take_in_hand(hand.candidate)
            else:
                self._collect(trial_id, hand)
            patience = 0

    def _collect(self, trial_id: str, hand: Hand) -> None:
        """Take over what a worker has left of a trial."""
        assert self._chief is not None
        path = self._folder / f"{hand.candidate.name}.json"
        deadline = time.monotonic() + VISIBLE
        while not path.is_file() and time.monotonic() < deadline:
            time.sleep(TICK)
        if path.is_file():
            candidate = Run.candidate(path.read_bytes())
            path.unlink()
        else:
            candidate = hand.candidate
            candidate.status = FAILED
            candidate.error = f"{hand.worker} left no {path}. Do all machines share this folder?"
        candidate.hyperparameters = hand.candidate.hyperparameters
        try:
            self._search.recorder.keep(candidate)
        finally:
            self._chief.forget(trial_id)

    # ---- the processes

    def _listen(self, address: str) -> str:
        """Bind; the address with the port that it has got."""
        try:
            port = self._server.add_insecure_port(address)
        except RuntimeError as error:
            raise ConfigError(NO_ADDRESS.format(address)) from error
        return f"{address.rpartition(':')[0]}:{port}"

    def _start(self) -> None:
        self._started += 1
        name = f"worker-{self._started}"  # never an old one: KerasTuner would hand it the trial that its owner died of
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
                env={**os.environ, **threads(self._worker_options.processes)},
            )

    def _bury(self) -> None:
        """Record the trials of workers that have died, and start others in their place."""
        assert self._chief is not None
        for name, process in list(self._processes.items()):
            code = process.poll()
            if code is None:
                continue
            del self._processes[name]
            if code == 0 and name in self._chief.left:
                continue
            self._lose(name, f"{WORKER_DIED}: {how_it_ended(code)}{self._last_words(name)}")
            self._stillborn += name not in self._served
            self._deaths += 1
            if self._stillborn >= STILLBORN:
                raise GiveUp(
                    f"{STILLBORN} workers ended before they took a trial, the last one: {how_it_ended(code)}"
                    f"{self._last_words(name)}. See {self._folder}"
                )
            if self._deaths > REPLACEMENTS * self._search.setup.experiment.budget.trials:
                raise GiveUp(f"{self._deaths} workers have died, the last one: {how_it_ended(code)}")
            if not self._chief.done():
                self._start()
        for name, seen in list(self._chief.seen.items()):
            silent = time.monotonic() - seen > SILENCE
            if name not in self._processes and (silent or name in self._chief.left):
                how = f"{name} was not heard of for {SILENCE:.0f} s" if silent else f"{name} was ended"
                self._lose(name, f"{WORKER_DIED}: {how}")
                del self._chief.seen[name]

    def _lose(self, worker: str, cause: str) -> None:
        """Record what a worker that is gone had in hand as failed."""
        assert self._chief is not None
        lost = self._chief.abandon(worker)
        self._record(0)  # that it was given them may not have been looked at yet
        for trial_id in lost:
            candidate = self._chief.in_hand[trial_id].candidate
            candidate.status, candidate.error = FAILED, cause
            candidate.seconds = self._search.recorder.seconds_in_hand(candidate)
            try:
                self._search.recorder.keep(candidate)
            finally:
                self._chief.forget(trial_id)

    def _last_words(self, name: str) -> str:
        log = self._folder / f"{name}.log"
        lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines() if log.is_file() else []
        return f" ({lines[-1].strip()})" if lines and lines[-1].startswith("error") else ""

    def _say_farewell(self, chief: Chief) -> None:
        own = {f"worker-{number}" for number in range(1, self._started + 1)}
        deadline = time.monotonic() + FAREWELL
        while set(chief.seen) - chief.left - own and time.monotonic() < deadline:
            time.sleep(TICK)
