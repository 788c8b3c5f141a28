"""What a run leaves on disk: the record that MLflow and the leaderboard are made from.

runs/<experiment>/<time>-<hash>/
    config.yaml         the resolved experiment
    environment.json    versions, host, commit
    manifest.json       fingerprints of the data
    trials.jsonl        a line per finished baseline and trial, flushed to disk before MLflow is told
    result.json         written at the end: finalists, test metrics, what is left of them where modalities are missing
    folds/              where the manifest has cross-validation folds: what finalists scored on those after the first
    missing.png         the last of it, drawn
    log.txt
    candidates/         the weights of what may still be exported, and what each candidate predicted out of fold
    tuner/              scratch files of KerasTuner
    workers/            what worker processes say, and results that are not yet in trials.jsonl
"""

import fcntl
import json
import math
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from automm.errors import ConfigError, DataError, NotFoundError
from automm.tasks.classification import MANY

COMPLETED, FAILED, KILLED = "COMPLETED", "FAILED", "KILLED"
BOOKKEEPING = "tuner/"  # how the names begin that a tuner notes beside a candidate's hyperparameters
MISSING_FIGURE = "missing.png"
EPOCHS = BOOKKEEPING + "epochs"  # what Hyperband gave a trial
PARTIAL = "1 of "  # how an `evaluation` begins that is the first fold's alone


@dataclass
class Candidate:
    """One baseline or trial: a line of trials.jsonl.

    Attributes:
        name: unique in its run: 'concatenation', 'trial-003'.
        kind: 'baseline', 'trial', 'fine-tuned' or 'ensemble'.
        tier: 1 for frozen encoders, 2 where some of them was trained.
        evaluation: what it was judged on: 'holdout' (the validation split), '5 folds', '1 of 5 folds'.
        score: the objective on the validation rows, or None where it failed.
        validation: accuracy, macro_f1, loss on the validation rows: of the split, or out of fold.
        parameters: of the whole model, encoders included; trainable_parameters of what was trained.
        peak_memory: of the process so far, in bytes.
        stopped: why training ended: 'epochs', 'patience', 'time', 'behind' the other trials, 'round' where Hyperband
            gave it less than the full epochs, or '' where nothing was trained.
        history: an entry an epoch.
        error: the cause in words, then the traceback; '' where it completed.
    """

    name: str
    kind: str
    status: str
    tier: int = 1
    hyperparameters: dict[str, Any] = field(default_factory=dict)
    seed: int = 0
    objective: str = ""
    evaluation: str = ""
    score: float | None = None
    validation: dict[str, float] = field(default_factory=dict)
    parameters: int = 0
    trainable_parameters: int = 0
    seconds: float = 0.0
    peak_memory: int = 0
    best_epoch: int = 0
    stopped: str = ""
    history: list[dict[str, float]] = field(default_factory=list)
    error: str = ""
    started: str = ""

    @property
    def point(self) -> dict[str, Any]:
        """The hyperparameters without what a tuner has noted beside them."""
        return point_of(self.hyperparameters)


def point_of(values: Mapping[str, Any]) -> dict[str, Any]:
    """`values` without what a tuner has noted beside them."""
    return {name: value for name, value in values.items() if not name.startswith(BOOKKEEPING)}


def now() -> str:
    """The time in UTC, ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def rank(candidates: Sequence[Candidate], direction: str) -> list[Candidate]:
    """Completed candidates, best first; ties: fewer parameters, then the earlier one.

    Those that were judged on a part of the rows come after all others: their figures are not comparable. A trial that
    a round cut short and that was promoted is left out: its longer training holds the same epochs.
    """
    sign = -1.0 if direction == "max" else 1.0
    done = [c for c in candidates if c.status == COMPLETED and c.score is not None]
    longest: dict[str, int] = {}
    for candidate in done:
        key, epochs = json.dumps(candidate.point, sort_keys=True), candidate.hyperparameters.get(EPOCHS, 0)
        longest[key] = max(epochs, longest.get(key, 0))
    done = [
        candidate
        for candidate in done
        if candidate.stopped != "round"
        or candidate.hyperparameters[EPOCHS] == longest[json.dumps(candidate.point, sort_keys=True)]
    ]
    return sorted(done, key=lambda one: (is_partial(one.evaluation), sign * float(one.score or 0.0), one.parameters))


def is_partial(evaluation: str) -> bool:
    """Whether a candidate was judged on a part of the rows that the others were judged on."""
    return evaluation.startswith(PARTIAL)


def wall_seconds(candidates: Sequence[Candidate]) -> float:
    """The time in which any of them was in hand. Several at a time spend it once."""
    spans = sorted((datetime.fromisoformat(c.started).timestamp(), c.seconds) for c in candidates)
    total, reached = 0.0, -math.inf
    for begun, seconds in spans:
        ended = begun + seconds
        total += max(0.0, ended - max(begun, reached))
        reached = max(reached, ended)
    return total


class Run:
    """A run folder."""

    def __init__(self, folder: Path):
        self.folder = folder

    @property
    def name(self) -> str:
        return self.folder.name

    @property
    def experiment(self) -> str:
        return self.folder.parent.name

    @property
    def candidates_folder(self) -> Path:
        return self.folder / "candidates"

    def model_path(self, name: str) -> Path:
        """Where the trained suffix (or, end to end, the whole model) of a candidate lies."""
        return self.candidates_folder / f"{name}.keras"

    def predictions_path(self, name: str) -> Path:
        """Where a candidate's answers for the rows that it was judged on lie: (rows, outputs), as in `stored`."""
        return self.candidates_folder / f"{name}.npy"

    def save_predictions(self, name: str, probabilities: np.ndarray) -> None:
        np.save(self.predictions_path(name), stored(probabilities), allow_pickle=False)

    def predictions(self, name: str) -> np.ndarray | None:
        """None where they are gone, or were cut by a crash."""
        try:
            return np.asarray(np.load(self.predictions_path(name), allow_pickle=False)).astype(np.float32, copy=False)
        except (OSError, ValueError, EOFError):
            return None

    def append(self, candidate: Candidate) -> None:
        """Add a line, and wait until it is on disk."""
        line = json.dumps(_plain(asdict(candidate)), ensure_ascii=False) + "\n"
        with (self.folder / "trials.jsonl").open("a", encoding="utf-8") as file:
            file.write(line)
            file.flush()
            os.fsync(file.fileno())

    def candidates(self) -> list[Candidate]:
        """Every finished candidate, in order. A last line that was cut by a crash is not finished, and is left out."""
        path = self.folder / "trials.jsonl"
        if not path.is_file():
            return []
        lines = path.read_bytes().split(b"\n")  # bytes: a crash may cut a letter in two
        candidates = []
        for number, line in enumerate(lines[:-1], 1):
            try:
                candidates.append(self.candidate(line))
            except (ValueError, TypeError) as error:
                raise DataError(f"{path}:{number}: not a candidate of this automm ({error})") from error
        return candidates

    @staticmethod
    def candidate(line: bytes) -> Candidate:
        """From a line of trials.jsonl, or a file of that form. Raises ValueError or TypeError where it is not one."""
        return Candidate(**json.loads(line))

    def repair(self) -> None:
        """Take away a last line that a crash left unfinished, so that the next one begins on a line of its own."""
        path = self.folder / "trials.jsonl"
        if path.is_file():
            content = path.read_bytes()
            whole = content[: content.rfind(b"\n") + 1]
            if whole != content:
                write_atomically(path, whole)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the folder for one process; the lock goes with the process, however it ends.

        Raises:
            ConfigError: another process works on it.
        """
        with (self.folder / "lock").open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise ConfigError(f"run {self.name} is in use by another process. Wait for it, or end it") from error
            yield

    def reopen(self) -> None:
        """A run that goes on is not finished: its result is set aside, and says how often the test split was read."""
        result = self.read("result.json")
        if result:
            self.write("result-before.json", result)
            (self.folder / "result.json").unlink()

    def test_reads(self) -> int:
        """How often the test split of this run has been read."""
        return int((self.read("result.json") or self.read("result-before.json")).get("test_reads", 0))

    def read(self, name: str) -> dict[str, Any]:
        """A JSON file of the run; {} where it is not there yet."""
        path = self.folder / name
        return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}

    def write(self, name: str, content: dict[str, Any]) -> None:
        """A JSON file of the run, whole or not at all."""
        text = json.dumps(_plain(content), indent=2, ensure_ascii=False)
        write_atomically(self.folder / name, text.encode())


def stored(answers: np.ndarray) -> np.ndarray:
    """Return answers, (rows, outputs), as they are stored: float32, and float16 for more than MANY classes."""
    return answers.astype(np.float16 if answers.shape[1] > MANY else np.float32)


def write_atomically(path: Path, content: bytes) -> None:
    """Under a temporary name, to disk, then renamed."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(0o644)
        Path(name).replace(path)
    finally:
        Path(name).unlink(missing_ok=True)


def create_run(runs_dir: Path, experiment: str, digest: str) -> Run:
    """A new folder runs_dir/experiment/<time>-<hash>."""
    stamp = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")  # no clock change reorders runs
    for number in range(1000):
        suffix = digest[:6] if number == 0 else f"{digest[:6]}-{number}"
        folder = runs_dir / experiment / f"{stamp}-{suffix}"
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            continue
        (folder / "candidates").mkdir()
        return Run(folder)
    raise NotFoundError(f"{runs_dir / experiment}: no free name for a run")


def all_runs(runs_dir: Path, experiment: str | None = None) -> Iterator[Run]:
    """The runs of an experiment, or of all, oldest first."""
    for path in sorted(runs_dir.glob("*/*/config.yaml"), key=lambda path: path.parent.name):
        run = Run(path.parent)
        if experiment is None or run.experiment == experiment:
            yield run


def find_run(runs_dir: Path, wanted: str) -> Run:
    """A run by its folder, its name, a unique beginning of it, or its MLflow run id; 'latest' is the newest.

    Raises:
        NotFoundError: no run, or more than one, answers to `wanted`.
    """
    if (Path(wanted) / "config.yaml").is_file():
        return Run(Path(wanted).resolve())
    runs = list(all_runs(runs_dir))
    if wanted == "latest" and runs:
        return runs[-1]
    matches = [run for run in runs if run.name == wanted or run.read("tracking.json").get("run_id") == wanted]
    matches = matches or [run for run in runs if run.name.startswith(wanted)]
    if len(matches) == 1:
        return matches[0]
    shown = ", ".join(run.name for run in (matches or runs)[-5:]) or "none; 'automm search MANIFEST' makes one"
    problem = "is not unique" if matches else "is not a run"
    raise NotFoundError(f"{wanted!r} {problem} under {runs_dir}. Runs: {shown}")


def _plain(value: Any) -> Any:
    """JSON knows neither NaN nor numpy's numbers."""
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    if hasattr(value, "item") and not isinstance(value, str):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
