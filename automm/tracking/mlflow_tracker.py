"""Record a search in MLflow: a parent run per search, a child run per baseline and per trial.

Only this module writes to MLflow. The run folder is the authority: records that the store has missed are sent again
when the store answers, at the latest by the next `begin` on the same run (a resume, or `automm sync`).

MLflow 3.17 refuses `file:` stores, so the default is SQLite. Its autolog mixes the trials of a tuner into one run, so
every record is written here with an explicit run id. One call per epoch costs four times one batch per run.
"""

import json
import logging
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from automm.paths import runs_flag
from automm.tracking.mlflow_flavor import model_arguments, without_example_warning
from automm.tracking.mlflow_server import quiet
from automm.tracking.protocol import Curves
from automm.tracking.run_folder import COMPLETED, FAILED, KILLED, MISSING_FIGURE, Candidate, Run

STATUS = {COMPLETED: "FINISHED", FAILED: "FAILED", KILLED: "KILLED"}
RETRY_SECONDS = 30.0
PARENT = "mlflow.parentRunId"
BATCH_METRICS, BATCH_PARAMS = 1000, 100  # limits of one log_batch
LONGEST_PARAM, LONGEST_TAG = 6000, 8000

log = logging.getLogger("automm")


class MlflowTracker:
    """A `Tracker` that writes to MLflow.

    A failure of the store is never raised. It is logged, and the record is kept and sent again later.

    Args:
        uri: of the store.
        artifacts: the folder for the files of a new experiment, if the store is local.

    Attributes:
        rejected: number of records that a working store rejected.
    """

    def __init__(self, uri: str, artifacts: Path):
        self.uri = uri
        self._artifacts = artifacts
        self._waiting: list[Callable[[], None]] = []
        self._down_since: float | None = None
        self._parent = ""
        self._experiment = ""
        self._children: dict[str, str] = {}
        self._begun: dict[str, str] = {}  # run ids of children that may be incomplete
        self._client: Any = None
        self._run: Run | None = None
        self.rejected = 0

    # ---- the protocol

    def begin(self, run: Run, parameters: dict[str, Any], dataset: dict[str, Any]) -> None:
        self._run = run
        self._send(lambda: self._begin(run, parameters, dataset))

    def candidate(self, candidate: Candidate) -> None:
        self._send(lambda: self._candidate(candidate))

    def test(self, name: str, metrics: dict[str, float], pictures: dict[str, Path], curves: Curves) -> None:
        self._send(lambda: self._test(name, metrics, pictures, curves))

    def model(self, name: str, bundle: Path, code: Path) -> None:
        self._send(lambda: self._model(name, bundle, code))

    def end(self, status: str, summary: dict[str, Any]) -> None:
        self._down_since = None  # try once more, even if the last try was seconds ago
        self._send(lambda: self._end(status, summary))

    @property
    def pending(self) -> int:
        """The number of records that wait until the store answers."""
        return len(self._waiting)

    # ---- outages

    def _send(self, record: Callable[[], None]) -> None:
        """Send the waiting records, then `record`. Stop at the first failure and keep the rest in order."""
        self._waiting.append(record)
        if self._down_since is not None and time.monotonic() - self._down_since < RETRY_SECONDS:
            return
        while self._waiting:
            try:
                self._waiting[0]()
            # Stores raise errors of SQL, HTTP and disks; none of them may end a search.
            except Exception as error:
                if not self._answers():
                    if self._down_since is None:
                        log.warning(
                            "MLflow does not answer; the search continues and sends its records later: %s",
                            _first_line(error),
                        )
                    self._down_since = time.monotonic()
                    return
                # The store answers, so it rejects this record, and would reject it again.
                log.warning(
                    "MLflow rejected a record, which is missing there; the run folder has it: %s",
                    _first_line(error),
                    exc_info=True,
                )
                self.rejected += 1
            self._waiting.pop(0)
        if self._down_since is not None:
            log.warning("MLflow answers again; the waiting records were sent")
            self._down_since = None

    def _answers(self) -> bool:
        try:
            self._client.search_experiments(max_results=1)
        except Exception:  # noqa: BLE001 - as above
            return False
        return True

    # ---- records

    def _begin(self, run: Run, parameters: dict[str, Any], dataset: dict[str, Any]) -> None:
        import mlflow
        from mlflow.tracking import MlflowClient

        quiet()
        mlflow.set_tracking_uri(self.uri)
        self._client = MlflowClient(self.uri)
        self._experiment = self._experiment_id(run.experiment)
        recorded = run.read("tracking.json")
        if recorded.get("uri") == self.uri and self._has(str(recorded.get("run_id", ""))):
            self._parent = str(recorded["run_id"])
        else:
            self._parent = self._unrecorded_parent(run) or self._new_parent(run)
            run.write("tracking.json", {"uri": self.uri, "run_id": self._parent})
        self._client.update_run(self._parent, status="RUNNING")
        self._read_children()
        if not self._client.get_run(
            self._parent
        ).data.params:  # params are written last: without them the parent is incomplete
            self._log_dataset(dataset)
            for name in ("config.yaml", "environment.json", "manifest.json"):
                if (run.folder / name).is_file():
                    self._client.log_artifact(self._parent, str(run.folder / name))
            self._write(self._parent, params=parameters)
        for candidate in run.candidates():
            self._candidate(candidate)

    def _new_parent(self, run: Run) -> str:
        tags = {"automm.kind": "search", "automm.run": run.name, "automm.folder": str(run.folder)}
        environment = run.read("environment.json")
        if environment.get("commit"):
            tags["mlflow.source.git.commit"] = str(environment["commit"])
        return str(self._client.create_run(self._experiment, run_name=run.name, tags=tags).info.run_id)

    def _unrecorded_parent(self, run: Run) -> str:
        """Return the parent of a search that was killed before it wrote tracking.json; '' if there is none."""
        parents = self._client.search_runs([self._experiment], f"tags.`automm.run` = '{run.name}'")
        same = [parent.info.run_id for parent in parents if parent.data.tags.get("automm.folder") == str(run.folder)]
        return str(same[0]) if same else ""

    def _has(self, run_id: str) -> bool:
        """Return whether the store still has this parent; its database may have been deleted."""
        if not run_id:
            return False
        parents = self._client.search_runs([self._experiment], f"attributes.run_id = '{run_id}'", max_results=1)
        return len(parents) == 1

    def _experiment_id(self, name: str) -> str:
        experiment = self._client.get_experiment_by_name(name)
        if experiment is not None:
            if experiment.lifecycle_stage == "deleted":
                self._client.restore_experiment(experiment.experiment_id)
            return str(experiment.experiment_id)
        local = self.uri.startswith("sqlite:")
        location = self._artifacts.resolve().as_uri() if local else None
        return str(self._client.create_experiment(name, artifact_location=location))

    def _read_children(self) -> None:
        for child in self._search_children():
            if child.info.run_id in self._begun.values():  # of this process; `_candidate` completes it
                continue
            if child.info.status == "RUNNING":  # its process was killed while it wrote
                self._client.set_terminated(child.info.run_id, "KILLED")
                self._client.set_tag(child.info.run_id, "automm.name", "")
                continue
            self._children[child.data.tags.get("automm.name", "")] = child.info.run_id

    def _search_children(self) -> Iterator[Any]:
        token = None
        while True:
            page = self._client.search_runs(
                [self._experiment], f"tags.`{PARENT}` = '{self._parent}'", max_results=1000, page_token=token
            )
            yield from page
            token = page.token
            if not token:
                return

    def _candidate(self, candidate: Candidate) -> None:
        from mlflow.entities import Metric

        name = _unique_name(candidate)
        if name in self._children:
            return
        started = _milliseconds(candidate.started)
        if name not in self._begun:  # an outage within a record must not create a second run
            created = self._client.create_run(
                self._experiment,
                start_time=started,
                run_name=name,
                tags={
                    PARENT: self._parent,
                    "automm.name": name,
                    "automm.kind": candidate.kind,
                    "automm.tier": str(candidate.tier),
                    "automm.evaluation": candidate.evaluation,
                    "automm.stopped": candidate.stopped,
                    "automm.proposed_by": candidate.proposed_by,
                },
            )
            self._begun[name] = created.info.run_id
        run_id = self._begun[name]
        ended = started + int(candidate.seconds * 1000)
        epochs = len(candidate.history)
        metrics = [
            Metric(f"epoch/{key}", value, started + (ended - started) * (step + 1) // epochs, step + 1)
            for step, entry in enumerate(candidate.history)
            for key, value in entry.items()
        ]
        final = {f"validation/{key}": value for key, value in candidate.validation.items()}
        final |= {
            "parameters": candidate.parameters,
            "trainable_parameters": candidate.trainable_parameters,
            "seconds": candidate.seconds,
            "peak_memory_mib": candidate.peak_memory / 2**20,
            "best_epoch": candidate.best_epoch,
        }
        metrics += [Metric(key, float(value), ended, 0) for key, value in final.items()]
        self._write(run_id, params={**candidate.hyperparameters, "seed": candidate.seed}, metrics=metrics)
        if candidate.error:
            self._client.log_text(run_id, candidate.error, "error.txt")
            self._client.set_tag(run_id, "automm.error", candidate.error.splitlines()[0][:LONGEST_TAG])
        self._client.set_terminated(run_id, STATUS[candidate.status], ended)
        self._children[name] = run_id

    def _test(self, name: str, metrics: dict[str, float], pictures: dict[str, Path], curves: Curves) -> None:
        from mlflow.entities import Metric

        run_id = self._children[name]
        at = int(time.time() * 1000)
        points = [Metric(f"test/{key}", value, at, 0) for key, value in metrics.items()]
        points += [Metric(key, value, at, step) for key, steps in curves.items() for step, value in steps.items()]
        self._write(run_id, metrics=points)
        for artifact, path in pictures.items():
            if not path.is_file():  # its temporary folder was removed during an outage
                log.warning("%s of %s is missing from MLflow: the store did not answer in time", artifact, name)
                continue
            self._client.log_artifact(run_id, str(path), str(Path(artifact).parent).removeprefix("."))

    def _model(self, name: str, bundle: Path, code: Path) -> None:
        import mlflow

        if not bundle.is_dir():  # its temporary folder was removed during an outage
            log.warning(
                "The model of %s is missing from MLflow: the store did not answer in time. Export it: automm export %s "
                "--trial %s --to DIR",
                name,
                self._run.name + runs_flag(self._run.folder.parents[1]) if self._run else "RUN",
                name,
            )
            return
        run_id = self._children[name]
        ended = self._client.get_run(run_id).info.end_time
        try:
            with without_example_warning(), mlflow.start_run(run_id=run_id):
                mlflow.pyfunc.log_model(name="model", **model_arguments(bundle, code))
        finally:
            # Leaving the block ends the run at this moment: its duration would include the time since its training, and
            # a completed candidate could become FAILED.
            self._client.set_terminated(run_id, "FINISHED", ended)

    def _end(self, status: str, summary: dict[str, Any]) -> None:
        numbers = {key: value for key, value in summary.items() if isinstance(value, int | float)}
        words = {f"automm.{key}": str(value)[:LONGEST_TAG] for key, value in summary.items() if key not in numbers}
        from mlflow.entities import Metric

        at = int(time.time() * 1000)
        self._write(self._parent, metrics=[Metric(key, float(value), at, 0) for key, value in numbers.items()])
        for key, value in words.items():
            self._client.set_tag(self._parent, key, value)
        if self._run is not None:
            for name in ("trials.jsonl", "result.json", MISSING_FIGURE):
                if (self._run.folder / name).is_file():
                    self._client.log_artifact(self._parent, str(self._run.folder / name))
        self._client.set_terminated(self._parent, status)

    # ---- helpers

    def _write(self, run_id: str, params: dict[str, Any] | None = None, metrics: Any = ()) -> None:
        from mlflow.entities import Param

        entries = [Param(key, str(value)[:LONGEST_PARAM]) for key, value in (params or {}).items()]
        metrics = list(metrics)
        while entries or metrics:
            self._client.log_batch(run_id, metrics=metrics[:BATCH_METRICS], params=entries[:BATCH_PARAMS])
            metrics, entries = metrics[BATCH_METRICS:], entries[BATCH_PARAMS:]

    def _log_dataset(self, dataset: dict[str, Any]) -> None:
        from mlflow.entities import Dataset, DatasetInput, InputTag

        # Built by hand: mlflow.data would compute a digest of a table, without texts and pixels.
        entity = Dataset(
            name=dataset["name"],
            digest=dataset["fingerprint"][:32],
            source_type="local",
            source=json.dumps({"uri": dataset["source"]}),
            profile=json.dumps({"reviews": dataset["rows"], "fingerprint": dataset["fingerprint"]}),
        )
        self._client.log_inputs(self._parent, [DatasetInput(entity, [InputTag("mlflow.data.context", "search")])])


def flatten(nested: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return {"a": {"b": 1}} as {"a.b": 1}: MLflow's params are flat."""
    flat: dict[str, Any] = {}
    for key, value in nested.items():
        if isinstance(value, dict) and value:
            flat |= flatten(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def _unique_name(candidate: Candidate) -> str:
    """Return a unique name: a killed candidate is trained again under the same name."""
    return f"{candidate.name} killed {candidate.started}" if candidate.status == KILLED else candidate.name


def _milliseconds(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp() * 1000) if text else int(time.time() * 1000)


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0] if lines else ''}"
